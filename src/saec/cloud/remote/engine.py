"""The remote cloud engine: a client of any OpenAI-compatible server, vLLM or our own service.

A question is one chat completion whose assistant turn is prefilled with "Label: " and whose answer is one
token with log-probabilities; P(defect) is the softmax over those of the two labels, as in this process.
Images are resized here to the very size at which the model sees them, by the same filter, so that the server
resizes nothing and little travels. No torch is needed.

A failure of the link is a ``LinkError``; an answer that is none, or a request that the server finds wrong,
is an ``AnswerError`` of its frame.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from PIL import Image as Pillow

from saec.cloud.checkpoints.checkpoint_folder import installed_checkpoint, read_card
from saec.cloud.questions.answers import naming_frame, parse_explanation
from saec.cloud.questions.ensemble import VIEWS, Ask, asks_of, explaining_ask, p_of, spent
from saec.cloud.questions.image_patches import fit_size, resized
from saec.cloud.questions.plan import check_range, choose_prompt, plan_of
from saec.cloud.remote.address_pool import AddressFigures
from saec.cloud.remote.endpoint import Reply
from saec.cloud.remote.http_client import RETRIED, Poster
from saec.errors import AnswerError, ConfigError, LinkError
from saec.prompts import IMAGE
from saec.settings import CloudConfig, ModelCard, RemoteConfig
from saec.tracing.tracers import TraceSpan, frame_span
from saec.types import CloudOpinion, CloudQuery, Explanation, Image

T = TypeVar("T")

_LEAST = 28
"""Smallest side in pixels."""

WORDS_TOKENS = 128
_MOST_LOGPROBS = 20
_SCHEMA = {
    "type": "object",
    "properties": {"kind": {"type": "string"}, "description": {"type": "string"}},
    "required": ["kind", "description"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class _Scored:
    """One answer: the labels' log-probabilities (good, defect), the question's tokens as its server has
    counted them, and the request's bytes."""

    labels: tuple[float, float]
    tokens: int | None
    sent: int


class RemoteEngine:
    """A ``saec.contracts.CloudEngine`` at the other end of a link; safe to call from several threads.

    Attributes:
        name: the model's name on the server.
        card: what the server says of the model; where it says nothing, what its name tells.
        prompt: version of the prompt.
        side: square root of the number of pixels at which an image is sent.
        views: number of flips and turns of each image that are averaged.
        demonstration: the model shows the mechanism and is not for real parts.
        weights_hash: what the server said when it was asked who it is, or "". A line's trust is in a model
            under this hash (``saec.station.cloud_models`` keeps it for a station that starts without a link).
            It proves nothing beyond that the server says the same.
    """

    def __init__(self, config: CloudConfig, remote: RemoteConfig, poster: Poster) -> None:
        self.card = card = remote.card or _card(config.model)
        self.name, self.demonstration = config.model, card.demonstration
        self.weights_hash = remote.weights_hash
        self._prompt = choose_prompt(config, card)
        self.prompt = self._prompt.version
        self._square, self._unit, self._jpeg = card.square, card.unit, remote.jpeg_quality
        self._poster = poster
        self._plan = plan_of(config, card, self._prompt)
        self.side, self.views = self._plan.side, self._plan.views
        self._pool = ThreadPoolExecutor(remote.concurrency, "saec-remote")
        self._label_ids: list[int] | None = None

    @classmethod
    def open(cls, config: CloudConfig) -> RemoteEngine:
        """A client by its settings; nothing is sent yet, so the link may be down.

        Raises:
            ConfigError: a setting out of range or that a service cannot honour, an address that is none, or
                a token or certificate file that cannot be used.
        """
        remote = config.remote
        if not remote.url:
            raise ConfigError(
                "the cloud's service has no address", "give it as the cloud's model: https://HOST:PORT/v1"
            )
        if config.adapter is not None:
            raise ConfigError(
                "an adapter's folder cannot be used with a service",
                "name the adapter (--cloud-model, service_model): the service has it loaded",
            )
        if config.scoring == "generate":
            raise ConfigError("scoring generate cannot be used with a service", "use scoring threshold")
        _check(config, remote)
        return cls(config, remote, Poster(remote, config.model))

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order; the mean over its asks where there are several.

        Raises:
            LinkError: the server cannot be reached, or not in time.
            AnswerError: the server finds a frame wrong, or its answer holds no labels.
        """
        if not queries:
            return []
        self._know_labels()
        groups = [asks_of(query, self._plan) for query in queries]
        jobs = [(query, ask) for query, group in zip(queries, groups, strict=True) for ask in group]
        answers = iter(self._all(self._score, jobs))
        return [self._opinion(group, [next(answers) for _ in group]) for group in groups]

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind and description of each query's defect in the model's words, its box from ``focus``.

        Raises:
            LinkError, AnswerError: what ``judge`` raises; an answer that does not parse names its frame.
        """
        texts = self._all(self._write, [(query,) for query in queries])
        return [
            naming_frame(query, parse_explanation, text, query.focus)
            for query, text in zip(queries, texts, strict=True)
        ]

    @property
    def reachable(self) -> bool:
        """Whether an address with the trusted weights is up, as far as one can tell."""
        return any(one.state == "up" for one in self.addresses.values())

    def learn(self, hashes: dict[str, str]) -> None:
        """Take out the addresses that say of themselves that they have other weights than the trusted.

        Args:
            hashes: the hash of each address that has told it.
        """
        self._poster.learn(hashes)

    @property
    def addresses(self) -> dict[str, AddressFigures]:
        """State and counts by address of the service, in order of preference."""
        return self._poster.figures

    def close(self) -> None:
        """Close the connections; questions that still wait end with a LinkError."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._poster.close()

    def _all(self, call: Callable[..., T], jobs: Sequence[tuple[Any, ...]]) -> list[T]:
        """The call on each job, several at once; after a failure no further one is begun."""
        try:
            futures = [self._pool.submit(call, *job) for job in jobs]
        except RuntimeError:  # the pool's only one: it was shut down
            raise LinkError("the connection to the cloud was closed") from None
        done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        failed = [f for f in futures if f in done and not f.cancelled() and f.exception() is not None]
        for future in waiting:
            future.cancel()
        wait(waiting)
        try:
            return [future.result() for future in failed or futures]
        except CancelledError:
            raise LinkError("the connection to the cloud was closed") from None

    # one request

    def _opinion(self, asks: Sequence[Ask], answers: Sequence[_Scored]) -> CloudOpinion:
        read = [answer.tokens for answer in answers]
        images = sum(self._tokens(image, side) for ask in asks for image, side in ask.pictures())
        text = None if None in read else sum(n for n in read if n is not None) - images
        took = spent(asks, self._tokens, text, sent=sum(answer.sent for answer in answers))
        p = p_of([ask.near for ask in asks], [answer.labels for answer in answers])
        return CloudOpinion(p, self.name, self.prompt, took, self.weights_hash[:12])

    def _score(self, query: CloudQuery, ask: Ask) -> _Scored:
        """Log-probabilities of (good, defect) after the prefilled answer, and what they took."""
        prompt = self._prompt
        body: dict[str, Any] = {
            **self._conversation(ask, prompt.user(len(ask.references), beside=ask.beside is not None)),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": _MOST_LOGPROBS,
            "continue_final_message": True,
            "add_generation_prompt": False,
        }
        body["messages"].append({"role": "assistant", "content": prompt.prefill})
        if self._label_ids:
            # A server that knows no such field gives its most probable tokens, the labels among them.
            body["logprob_token_ids"] = self._label_ids
        data = msgspec.json.encode(body)
        with _asking("judge", query):
            answer = naming_frame(query, lambda: self._poster.post("chat/completions", data))
        return _Scored(naming_frame(query, self._read_labels, answer), _tokens_read(answer), len(data))

    def _read_labels(self, answer: Any) -> tuple[float, float]:
        """The two numbers in an answer, which must be one of the labels.

        A server that does not go on after the prefilled words would answer at another position, where the
        labels mean nothing.
        """
        try:
            (position,) = answer["choices"][0]["logprobs"]["content"]
            seen = {e["token"]: float(e["logprob"]) for e in [*position["top_logprobs"], position]}
            written = str(position["token"])
        except (KeyError, IndexError, TypeError, ValueError):
            raise AnswerError(
                "the server's answer has no log-probabilities", "use a server that gives log-probabilities"
            ) from None
        if written not in self._prompt.labels:
            raise AnswerError(
                f"the service's model answers {written[:40]!r} instead of a label",
                "use a server that continues a message that the client began (continue_final_message), as "
                "`saec cloud` and vLLM do, and a model that knows the prompt",
            )
        good, defect = (seen.get(label, math.nan) for label in self._prompt.labels)
        if not (math.isfinite(good) and math.isfinite(defect)):
            raise AnswerError(
                f"the server's answer has log-probabilities of {sorted(seen)[:8]}, but not of both labels "
                f"{' and '.join(self._prompt.labels)}",
                "use a server that gives the log-probabilities of both labels",
            )
        return good, defect

    def _write(self, query: CloudQuery) -> str:
        """What the model writes on a defect."""
        ask = explaining_ask(query, self._plan)
        body = {
            **self._conversation(
                ask, self._prompt.explaining(len(ask.references), beside=ask.beside is not None)
            ),
            "max_tokens": WORDS_TOKENS,
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "defect", "schema": _SCHEMA, "strict": True},
            },
        }
        with _asking("explain", query):
            return naming_frame(query, lambda: _text(self._poster.post("chat/completions", body)))

    def _conversation(self, ask: Ask, user: str) -> dict[str, Any]:
        """Model and messages; the images stand in the text where the prompt has them."""
        pictures = iter(ask.pictures())
        content: list[dict[str, Any]] = []
        for i, text in enumerate(user.split(IMAGE)):
            if i:
                image, side = next(pictures)
                url = data_url(resized(image, self._size(image, side)), self._jpeg)
                content.append({"type": "image_url", "image_url": {"url": url}})
            if text:
                content.append({"type": "text", "text": text})
        messages = [{"role": "system", "content": self._prompt.system}, {"role": "user", "content": content}]
        return {"model": self.name, "messages": messages}

    def _size(self, image: Image, side: int) -> tuple[int, int]:
        height, width = image.shape[:2]
        return fit_size(height, width, side, self._unit, square=self._square, most=self._plan.most)

    def _tokens(self, image: Image, side: int) -> int:
        height, width = self._size(image, side)
        return height * width // self._unit**2

    def _know_labels(self) -> None:
        """Ask once for the labels' token ids after the prefilled words, where the server tells them.

        vLLM and our own service do, at /tokenize. Elsewhere the labels are looked for among the most
        probable tokens.
        """
        if self._label_ids is not None:
            return
        prefill = self._prompt.prefill
        found = []
        for text in (prefill, *(prefill + label for label in self._prompt.labels)):
            body = {"model": self.name, "prompt": text, "add_special_tokens": False}
            reply = self._poster.reply("/tokenize", body)
            if reply.status in RETRIED:
                return  # asked again with the next frames
            found.append(_token_ids(reply))
        head, *ends = found
        whole = all(len(end) == len(head) + 1 and end[:-1] == head for end in ends)
        self._label_ids = [end[-1] for end in ends] if whole else []


def _asking(what: str, query: CloudQuery) -> AbstractContextManager[TraceSpan]:
    """The span of one request, in the trace of its frame; its traceparent goes with the request."""
    frame = query.frame
    return frame_span(f"{what} request", frame.id, frame.sha256, frame.time, kind="client")


def data_url(image: Image, jpeg: int | None = None) -> str:
    """An image as it travels: PNG without loss, or JPEG of a quality."""
    file = io.BytesIO()
    if jpeg is None:
        Pillow.fromarray(image).save(file, "PNG", compress_level=1)
    else:
        Pillow.fromarray(image).save(file, "JPEG", quality=jpeg)
    kind = "png" if jpeg is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _tokens_read(answer: Any) -> int | None:
    """The tokens of a question as its server has counted them; None where it does not tell."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return read if isinstance(read, int) else None


def _token_ids(reply: Reply) -> list[int]:
    """The ids in a tokenizer's reply; none where there is no tokenizer."""
    try:
        return [int(i) for i in reply.decoded()["tokens"]] if reply.status == 200 else []
    except (AnswerError, KeyError, TypeError, ValueError):
        return []


def _text(answer: Any) -> str:
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str):
        raise AnswerError("the server's answer has no text", "check that url and model name a chat model")
    return text


def _card(name: str) -> ModelCard:
    """How to ask the demonstration checkpoint or an adapter on it, known by its name: other servers do not
    say it."""
    folder = installed_checkpoint(name.split("+")[0])
    return ModelCard() if folder is None else read_card(folder)


def _check(config: CloudConfig, remote: RemoteConfig) -> None:
    """Raise ConfigError for a number that is out of range."""
    check_range("references", config.references, 0)
    check_range("side_px", config.side_px, _LEAST)
    check_range("views", config.views, 1, VIEWS)
    check_range("timeout_s", remote.timeout_s, 1e-3)
    check_range("hedge_after_s", remote.hedge_after_s, 1e-3)
    check_range("retries", remote.retries, 0)
    check_range("concurrency", remote.concurrency, 1)
    check_range("jpeg_quality", remote.jpeg_quality, 1, 100)
