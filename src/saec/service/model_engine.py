"""The model in this process behind its queue: what happens to a question from its body to its answer.

The service of one process has it, and each replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from saec.cloud.engines.qwen_forward import Wanted
from saec.cloud.questions.conversation import Prepared
from saec.service.batching import Batcher
from saec.service.completions import Answer, answer_of
from saec.service.decoder_pool import DecoderPool
from saec.service.requests.data_urls import image_file, resize_for_model
from saec.service.requests.questions import Question, conversation, read_question
from saec.service.requests.refusals import RequestRefused, no_such_model
from saec.service.requests.request_fields import DetokenizeBody, TokenizeBody, read_body
from saec.service.served_model import BatchGroup, ModelAnswer, ModelEntry, ModelRequest, ServedModel
from saec.service.service_metrics import ModelMetrics
from saec.service.service_settings import ServiceConfig
from saec.tracing.tracers import Stages
from saec.types import Image
from saec.web.admission.request_guard import ANYONE
from saec.web.program.liveness import PoolHeartbeat, Supervised

_DECODING = 120.0
"""Seconds within which one of the images that are being decoded and cut is done."""

_FAREWELL = 5.0
"""Seconds that the model's thread is given to end, when what was accepted has been answered or given up."""

_FAILURES = 3
"""Batches that fail one after the other before the service says that it is not ready."""


class ModelEngine:
    """A ``saec.service.answer_engine.AnswerEngine`` that computes in this process.

    Its asynchronous methods belong to one event loop.

    Attributes:
        living: what must make progress.
        metrics: what is counted of the model.
    """

    def __init__(self, served: ServedModel, config: ServiceConfig) -> None:
        self.served, self.config = served, config
        self.metrics = ModelMetrics(served.prefix_use)
        self._pool = ThreadPoolExecutor(config.decoders, "saec-read")
        self._batcher: Batcher[BatchGroup, ModelRequest, ModelAnswer] = Batcher(
            served.compute,
            batch=config.batch,
            delay=config.max_delay_ms / 1000,
            queue=config.queue,
            observe=self.metrics.batch,
            limit=config.batch_limit_s,
        )
        self._decoding = PoolHeartbeat("decoders", _DECODING)
        self._images = DecoderPool(config.decoders, self._most_decoders, self._decoding.add)
        self.living: list[Supervised] = [self._batcher, self._decoding]

    def close(self) -> None:
        """Compute what waits, as far as it takes no longer than a moment, and end the threads."""
        self._batcher.close(_FAREWELL)
        self._images.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _most_decoders(self, who: str) -> int:
        """Where there are tokens, none of them has more than its share."""
        return (
            self.config.decoders
            if who == ANYONE
            else max(1, int(self.config.token_share * self.config.decoders))
        )

    @property
    def depth(self) -> int:
        """Requests that wait for the model."""
        return self._batcher.depth

    @property
    def room(self) -> int:
        """Requests that may be waiting or computed at once."""
        return self.config.queue + self.config.batch

    @property
    def full(self) -> bool:
        """Whether a further request would be refused."""
        return self._batcher.full

    @property
    def wait(self) -> float:
        """Seconds in which the requests that wait now are likely to be computed."""
        return self._batcher.wait

    def problems(self) -> list[str]:
        """Why no request should be sent here now, threads apart."""
        failed = self._batcher.failures
        return [f"the last {failed} batches failed"] if failed >= _FAILURES else []

    async def models(self) -> list[dict[str, Any]]:
        """The base and its adapters, in the form of /v1/models."""
        return [self.served.about(entry) for entry in self.served.entries.values()]

    async def answer(self, data: bytes, who: str) -> Answer:
        """The answer to the body of a chat completion.

        Raises:
            Refused: it cannot be answered.
        """
        stages = Stages()
        question = await self._in_pool(read_question, data, self.config, self.served.model.special)
        entry = self._entry(question.model)
        files = await self._in_pool(self._files, question)
        images = await self._images.images(files, who)
        stages.end("decode")
        talk = await self._in_pool(self._prepare, question, images)
        stages.end("prepare")
        group = BatchGroup(entry.adapter, self._tokens(question, talk), question.endless)
        work = ModelRequest(talk, Wanted(question.top, question.ids))
        future = self._batcher.submit(group, work, stages.end_batch)
        if future is None:
            raise self._no_room()
        said = await asyncio.wrap_future(future)
        self.metrics.tokens(entry.name, len(talk.ids), said.tokens)
        return answer_of(question, entry, said, len(talk.ids))

    async def tokens(self, data: bytes) -> dict[str, Any]:
        """The answer to the body of a /tokenize request.

        Raises:
            Refused: it is none, or names an unknown model.
        """
        asked = await self._in_pool(read_body, data, TokenizeBody)
        ids = await self._in_pool(self.served.model.tokens_of, self._tokenized(asked))
        context = self.served.model.context
        return {"count": len(ids), "max_model_len": context, "tokens": ids, "token_strs": None}

    def _tokenized(self, asked: TokenizeBody) -> str:
        """The text whose tokens are asked for; every model here has the base's."""
        if asked.model is not None:
            self._entry(asked.model)
        if asked.return_token_strs:
            remedy = "leave it out: only ids are returned"
            raise RequestRefused(
                400, "not_served", "return_token_strs is not supported", remedy, param="return_token_strs"
            )
        if (asked.prompt is None) == (asked.messages is None):
            raise RequestRefused(
                400,
                "bad_body",
                "the request needs a prompt or messages, and only one of them",
                "send prompt or messages",
            )
        if asked.prompt is not None:
            return asked.prompt
        text, urls = conversation(asked, self.served.model.special)
        if urls:
            what, remedy = (
                "only text can be tokenized, and the messages hold an image",
                "read an image's tokens from the usage of a completion",
            )
            raise RequestRefused(400, "misplaced_image", what, remedy, param="messages")
        return text

    async def text(self, data: bytes) -> dict[str, Any]:
        """The answer to the body of a /detokenize request.

        Raises:
            Refused: it is none, or names an unknown model or token.
        """
        asked = await self._in_pool(read_body, data, DetokenizeBody)
        if asked.model is not None:
            self._entry(asked.model)
        self._check_ids(asked.tokens)
        return {"prompt": await self._in_pool(self.served.model.text_of_all, asked.tokens)}

    def _entry(self, name: str) -> ModelEntry:
        """The model of that name.

        Raises:
            Refused: 404, there is none.
        """
        entry = self.served.entries.get(name)
        if entry is None:
            raise no_such_model(name, self.served.entries)
        return entry

    async def _in_pool(self, call: Any, *args: Any) -> Any:
        job = self._pool.submit(call, *args)
        self._decoding.add(job)
        return await asyncio.wrap_future(job)

    def _files(self, question: Question) -> list[bytes]:
        return [image_file(url, self.config.max_pixels) for url in question.urls]

    def _prepare(self, question: Question, images: list[Image]) -> Prepared:
        served = self.served
        sights = [resize_for_model(image, served.card, served.side, served.model.unit) for image in images]
        return served.model.prepare(question.text, sights)

    def _tokens(self, question: Question, talk: Prepared) -> int:
        """Most tokens of the answer: as many as it asks for, or as the limit and the context leave."""
        left = self.served.model.context - len(talk.ids)
        if left < (question.tokens or 1):
            what = f"the conversation and its answer take {len(talk.ids) + (question.tokens or 1)} tokens"
            raise RequestRefused(
                400,
                "too_long",
                what,
                f"shorten it: the model takes at most {self.served.model.context}",
                param="messages",
            )
        self._check_ids(question.ids)
        return question.tokens or min(left, self.config.max_tokens)

    def _check_ids(self, ids: Sequence[int]) -> None:
        if unknown := [i for i in ids if i >= self.served.model.vocabulary]:
            raise RequestRefused(
                400, "no_such_token", f"there is no token {unknown[0]}", "ask /tokenize for the ids"
            )

    def _no_room(self) -> RequestRefused:
        what = f"{self.config.queue} requests are waiting already"
        return RequestRefused(429, "queue_full", what, "try again later", after=self._batcher.wait)
