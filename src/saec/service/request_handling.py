"""What happens to one request: read, decode, wait for the model, answer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from saec.cloud.engines.qwen_forward import Wanted
from saec.cloud.questions.conversation import Prepared
from saec.service.batching import Batcher
from saec.service.completions import Answer, answer_of
from saec.service.decoder_pool import DecoderPool
from saec.service.idempotency import IdempotentAnswers
from saec.service.requests.data_urls import image_file, resize_for_model
from saec.service.requests.questions import Question, conversation, read_question
from saec.service.requests.refusals import RequestRefused
from saec.service.requests.request_fields import DetokenizeBody, TokenizeBody, read_body
from saec.service.served_model import BatchGroup, ModelAnswer, ModelEntry, ModelRequest, ServedModel
from saec.service.service_metrics import ServiceMetrics
from saec.service.service_settings import ServiceConfig
from saec.types import Image
from saec.web.admission.rate_limits import RateLimiter
from saec.web.admission.request_guard import ANYONE
from saec.web.program.liveness import PoolHeartbeat, StuckThread, Supervised, stuck_threads

_DECODING = 120.0
"""Seconds within which one of the images that are being decoded and cut is done."""

_FAREWELL = 5.0
"""Seconds that the model's thread is given to end, when what was accepted has been answered or given up."""

_FAILURES = 3
"""Batches that fail one after the other before the service says that it is not ready."""


class RequestHandler:
    """Everything behind the routes; its asynchronous methods belong to one event loop.

    Attributes:
        draining: the service stops: what was accepted is finished, nothing more is accepted.
        living: what must make progress (``serving`` adds HTTP).
    """

    def __init__(self, served: ServedModel, config: ServiceConfig) -> None:
        self.served, self.config = served, config
        self.metrics = ServiceMetrics()
        self.draining = False
        self._places: Counter[str] = Counter()
        self._rates = RateLimiter(config.requests_per_s)
        self._once: IdempotentAnswers[Answer] = IdempotentAnswers(config.remembered_answers)
        self._pool = ThreadPoolExecutor(config.decoders, "saec-read")
        self.batcher: Batcher[BatchGroup, ModelRequest, ModelAnswer] = Batcher(
            served.compute,
            batch=config.batch,
            delay=config.max_delay_ms / 1000,
            queue=config.queue,
            observe=self.metrics.batch,
            limit=config.batch_limit_s,
        )
        self._decoding = PoolHeartbeat("decoders", _DECODING)
        self._images = DecoderPool(config.decoders, self._most_decoders, self._decoding.add)
        self.living: list[Supervised] = [self.batcher, self._decoding]

    def close(self) -> None:
        """Compute what waits, as far as it takes no longer than a moment, and end the threads."""
        self.batcher.close(_FAREWELL)
        self._images.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _most_decoders(self, who: str) -> int:
        """Where there are tokens, none of them has more than its share."""
        return (
            self.config.decoders
            if who == ANYONE
            else max(1, int(self.config.token_share * self.config.decoders))
        )

    def problems(self) -> list[str]:
        """Why no request should be sent here now; nothing when all is well."""
        found = []
        if self.draining:
            found.append("the service is stopping")
        found += [one.what for one in self.stuck()]
        if self.batcher.failures >= _FAILURES:
            found.append(f"the last {self.batcher.failures} batches failed")
        return found

    def stuck(self) -> list[StuckThread]:
        """Threads without progress, which only a new process can help."""
        return stuck_threads(self.living)

    def let_in(self, who: str) -> None:
        """Refuse a request by its head alone, before anything of its body is read.

        Raises:
            Refused: 503 when stopping, 429 when the station asks too often.
        """
        if self.draining:
            raise RequestRefused(
                503,
                "stopping",
                "the service is stopping",
                "send the request again later, or to another service",
                after=1,
            )
        wait = self._rates.wait(who, time.monotonic())
        if wait:
            raise RequestRefused(
                429,
                "rate_limit",
                f"{who} sends more than {self.config.requests_per_s:g} requests a second",
                after=wait,
            )

    @contextlib.contextmanager
    def place(self, who: str) -> Iterator[None]:
        """Let a request in and hold its place until it is answered; of all places a token has its share.

        Raises:
            Refused: what ``let_in`` raises, and 429 when there is no place.
        """
        room = self.config.queue + self.config.batch
        if self.batcher.full or self.active >= 2 * room:
            raise self._no_room()
        most = max(1, int(self.config.token_share * room))
        if who != ANYONE and self._places[who] >= most:
            what = f"{who} already has {self._places[who]} requests under way; one token may have {most}"
            raise RequestRefused(
                429,
                "share_taken",
                what,
                "wait until one of your requests is answered",
                after=self.batcher.wait,
            )
        self.let_in(who)
        self._places[who] += 1
        try:
            yield
        finally:
            self._places[who] -= 1

    @property
    def active(self) -> int:
        """Requests that were let in and are not answered yet."""
        return self._places.total()

    async def answer(self, data: bytes, who: str, key: str | None) -> Answer:
        """The answer to the body of a chat completion.

        Args:
            data: the body.
            who: name of the token that it came with.
            key: the request's Idempotency-Key.

        Raises:
            Refused: it cannot be answered.
        """
        digest = hashlib.sha256(data).digest()
        once = None if key is None else (who, key)
        return await self._once.run(once, digest, lambda: self._answer(data, who))

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
            self.entry(asked.model)
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
            self.entry(asked.model)
        self._check_ids(asked.tokens)
        return {"prompt": await self._in_pool(self.served.model.text_of_all, asked.tokens)}

    def entry(self, name: str) -> ModelEntry:
        """The model of that name.

        Raises:
            Refused: 404, there is none.
        """
        entry = self.served.entries.get(name)
        if entry is None:
            known = ", ".join(self.served.entries)
            raise RequestRefused(
                404,
                "model_not_found",
                f"there is no model {name[:80]!r}",
                f"name one of {known}",
                param="model",
            )
        return entry

    async def _answer(self, data: bytes, who: str) -> Answer:
        question = await self._in_pool(read_question, data, self.config, self.served.model.special)
        entry = self.entry(question.model)
        files = await self._in_pool(self._files, question)
        images = await self._images.images(files, who)
        talk = await self._in_pool(self._prepare, question, images)
        group = BatchGroup(entry.adapter, self._tokens(question, talk), question.endless)
        future = self.batcher.submit(group, ModelRequest(talk, Wanted(question.top, question.ids)))
        if future is None:
            raise self._no_room()
        said = await asyncio.wrap_future(future)
        self.metrics.tokens(entry.name, len(talk.ids), said.tokens)
        return answer_of(question, entry, said, len(talk.ids))

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
        after = self.batcher.wait
        return RequestRefused(
            429,
            "queue_full",
            f"{self.config.queue} requests are waiting already",
            "try again later",
            after=after,
        )
