"""The remote cloud engine: a client of any OpenAI-compatible server, vLLM or our own service.

A question is one chat completion whose assistant turn is prefilled with "Label: " and whose answer is one
token with log-probabilities; P(defect) is the softmax over those of the two labels, as in this process.
Images are resized here to the very size at which the model sees them, by the same filter, so that the server
resizes nothing and little travels. No torch is needed.

Scoring changes nothing on a server, so a request that failed on its way may be made again: connections that
break, 429 and 5xx are retried with exponential back-off and jitter, within the time-out. What is left of
such failures is a ``LinkError``; an answer that is none, or a request that the server finds wrong, is an
``AnswerError`` of its frame.
"""

from __future__ import annotations

import base64
import io
import math
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import tenacity
from PIL import Image as Pillow

from saec.cloud.answers import named, parse_explanation
from saec.cloud.asking import Ask, Plan, asks_of, explaining_ask, mean_p
from saec.cloud.checkpoint import SMALL, Card, read_card
from saec.cloud.pixels import fit_size, resized
from saec.config import CloudConfig, RemoteConfig
from saec.errors import AnswerError, ConfigError, LinkError
from saec.prompts import DEFAULT, IMAGE, PROMPTS
from saec.verdict import CloudOpinion, CloudQuery, Explanation, Image

T = TypeVar("T")

UNIT = 28
"""Pixels per token and side of Qwen2.5-VL: sides are multiples of it."""

WORDS_TOKENS = 128
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_LOGPROBS = 20
_SCHEMA = {
    "type": "object",
    "properties": {"kind": {"type": "string"}, "description": {"type": "string"}},
    "required": ["kind", "description"],
    "additionalProperties": False,
}


class _Again(Exception):
    """A failure after which the same request may succeed; ``after`` is the server's wish in seconds."""

    def __init__(self, what: str, after: float = 0.0) -> None:
        super().__init__(what)
        self.after = after


class RemoteEngine:
    """A ``saec.verdict.CloudEngine`` at the other end of a link; safe to call from several threads.

    Attributes:
        name: of the model on the server.
        prompt: version of the prompt.
        demonstration: the model is the demonstration checkpoint, by its name.
        weights_hash: "" since the server does not prove its weights; the line's trust is in the name.
    """

    weights_hash = ""

    def __init__(self, config: CloudConfig, remote: RemoteConfig, client: httpx.Client) -> None:
        card = read_card(SMALL) if config.model == "small" else Card()
        version = config.prompt or card.prompt or DEFAULT.version
        self.name, self.demonstration = config.model, card.demonstration
        self._prompt, self.prompt = PROMPTS[version], version
        self.side = config.side or card.side
        self.views = config.views or card.views
        self._card, self._remote, self._client = card, remote, client
        self._plan = Plan(
            side=self.side,
            references=config.references,
            together=card.max_references,
            views=self.views,
            crops=config.scoring == "rank",
        )
        self._pool = ThreadPoolExecutor(remote.concurrency, "saec-remote")
        self._label_ids: list[int] | None = None

    @classmethod
    def open(cls, config: CloudConfig) -> RemoteEngine:
        """A client by its settings; nothing is sent yet, so the link may be down.

        Raises:
            ConfigError: a setting that a service cannot honour, or a token file that cannot be read.
        """
        remote = config.remote
        if remote is None:
            raise ConfigError("a remote engine without a service", "name its url")
        if config.adapter is not None:
            raise ConfigError(
                "--adapter with a remote cloud", "name the adapter as its model: the server has it"
            )
        if config.scoring == "generate":
            raise ConfigError("strict generation with a remote cloud", "score by threshold")
        if config.prompt is not None and config.prompt not in PROMPTS:
            raise ConfigError(f"unknown prompt {config.prompt}", f"known: {', '.join(PROMPTS)}")
        headers = {}
        if remote.token_file is not None:
            headers["Authorization"] = f"Bearer {_secret(remote.token_file)}"
        client = httpx.Client(
            base_url=remote.url.rstrip("/"),
            headers=headers,
            timeout=remote.timeout,
            verify=_trusted(remote.ca_file),
            limits=httpx.Limits(max_connections=remote.concurrency),
            trust_env=False,
        )
        return cls(config, remote, client)

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        """P(defect) of each query, in order; the mean over its asks where there are several.

        Raises:
            LinkError: the server cannot be reached, or not in time.
            AnswerError: the server finds a frame wrong, or its answer holds no labels.
        """
        self._know_labels()
        groups = [asks_of(query, self._plan) for query in queries]
        jobs = [
            (query, ask, i)
            for query, group in zip(queries, groups, strict=True)
            for i, ask in enumerate(group)
        ]
        logits = iter(self._all(lambda job: self._score(*job), jobs))
        ps = [mean_p([next(logits) for _ in group]) for group in groups]
        return [CloudOpinion(p_defect=p, model=self.name, prompt=self.prompt) for p in ps]

    def explain(self, queries: list[CloudQuery]) -> list[Explanation]:
        """Kind and description of each query's defect in the model's words, its box from ``focus``.

        Raises:
            LinkError, AnswerError: as in ``judge``; an answer that does not parse names its frame.
        """
        texts = self._all(self._write, queries)
        return [
            named(query, parse_explanation, text, query.focus)
            for query, text in zip(queries, texts, strict=True)
        ]

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _all(self, call: Callable[[Any], T], jobs: Sequence[Any]) -> list[T]:
        """The call on each job, several at once; the first failure is raised when all have ended."""
        futures = [self._pool.submit(call, job) for job in jobs]
        outcomes: list[T] = []
        failure: Exception | None = None
        for future in futures:
            try:
                outcomes.append(future.result())
            except Exception as e:
                failure = failure or e
        if failure is not None:
            raise failure
        return outcomes

    # one request

    def _score(self, query: CloudQuery, ask: Ask, number: int) -> tuple[float, float]:
        """Log-probabilities of (good, defect) after the prefilled answer."""
        prompt = self._prompt
        body: dict[str, Any] = {
            **self._conversation(ask, prompt.user(len(ask.references))),
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "continue_final_message": True,
            "add_generation_prompt": False,
        }
        body["messages"].append({"role": "assistant", "content": prompt.prefill})
        if self._label_ids:
            body |= {"top_logprobs": 1, "logprob_token_ids": self._label_ids}
        else:
            body["top_logprobs"] = _MOST_LOGPROBS
        answer = self._post("chat/completions", body, query, f"judge-{number}")
        return named(query, self._read_labels, answer)

    def _read_labels(self, answer: Any) -> tuple[float, float]:
        try:
            (position,) = answer["choices"][0]["logprobs"]["content"]
            seen = {
                entry["token"]: float(entry["logprob"]) for entry in [*position["top_logprobs"], position]
            }
        except (KeyError, IndexError, TypeError, ValueError):
            raise AnswerError("the server's answer has no log-probabilities", "use another server") from None
        good, defect = (seen.get(label, math.nan) for label in self._prompt.labels)
        if math.isnan(good) or math.isnan(defect):
            raise AnswerError(
                f"the server's answer lacks a label among {sorted(seen)[:8]}", "use a server that gives both"
            )
        return good, defect

    def _write(self, query: CloudQuery) -> str:
        ask = explaining_ask(query, self._plan)
        body = {
            **self._conversation(ask, self._prompt.explaining(len(ask.references))),
            "max_tokens": WORDS_TOKENS,
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "defect", "schema": _SCHEMA, "strict": True},
            },
        }
        answer = self._post("chat/completions", body, query, "explain")
        try:
            return str(answer["choices"][0]["message"]["content"])
        except (KeyError, IndexError, TypeError):
            raise AnswerError(
                f"{query.frame.id}: the server's answer has no text", "use another server"
            ) from None

    def _conversation(self, ask: Ask, user: str) -> dict[str, Any]:
        """Model and messages; the images stand in the text where the prompt has them."""
        images = iter([*ask.references, ask.frame])
        content: list[dict[str, Any]] = []
        for i, text in enumerate(user.split(IMAGE)):
            if i:
                url = self._data_url(next(images), ask.side)
                content.append({"type": "image_url", "image_url": {"url": url}})
            if text:
                content.append({"type": "text", "text": text})
        messages = [{"role": "system", "content": self._prompt.system}, {"role": "user", "content": content}]
        return {"model": self.name, "messages": messages}

    def _data_url(self, image: Image, side: int) -> str:
        height, width = image.shape[:2]
        size = fit_size(height, width, side, UNIT, square=self._card.square)
        picture, file = Pillow.fromarray(resized(image, size)), io.BytesIO()
        if self._remote.jpeg is None:
            picture.save(file, "PNG", compress_level=1)
            kind = "png"
        else:
            picture.save(file, "JPEG", quality=self._remote.jpeg)
            kind = "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

    def _know_labels(self) -> None:
        """Ask once for the labels' token ids, where the server tells them (vLLM's and our /tokenize)."""
        if self._label_ids is not None:
            return
        root = httpx.URL(self._remote.url)
        address = root.copy_with(path=root.path.rstrip("/").removesuffix("/v1") + "/tokenize")
        ids = []
        for label in self._prompt.labels:
            body = {"model": self.name, "prompt": label, "add_special_tokens": False}
            try:
                answer = self._client.post(address, json=body)
                tokens = answer.json()["tokens"] if answer.is_success else []
            except (httpx.HTTPError, ValueError, KeyError):
                return  # asked again with the next frames; till then the labels are looked for among the top
            if len(tokens) != 1:
                return
            ids.append(int(tokens[0]))
        self._label_ids = ids

    def _post(self, path: str, body: dict[str, Any], query: CloudQuery, purpose: str) -> Any:
        """One request with its retries; the decoded answer."""
        data = msgspec.json.encode(body)
        key = f"{query.frame.id}/{query.frame.sha256[:16]}/{self.name}/{self.prompt}/{purpose}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        until = time.monotonic() + self._remote.timeout
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(1 + self._remote.retries),
            wait=_wait,
            reraise=True,
        )
        try:
            return tries(self._once, path, data, headers, query, until)
        except _Again as e:
            raise LinkError(f"{self._remote.url}: {e}", "look at the link and the server") from e

    def _once(self, path: str, data: bytes, headers: dict[str, str], query: CloudQuery, until: float) -> Any:
        left = until - time.monotonic()
        if left <= 0:
            raise LinkError(f"{self._remote.url} did not answer within {self._remote.timeout:g} s")
        try:
            answer = self._client.post(path, content=data, headers=headers, timeout=left)
        except httpx.TimeoutException as e:
            raise LinkError(f"{self._remote.url} did not answer within {self._remote.timeout:g} s") from e
        except httpx.TransportError as e:
            raise _Again(str(e) or type(e).__name__) from e
        if answer.is_success:
            try:
                return answer.json()
            except ValueError as e:
                raise AnswerError(f"{query.frame.id}: the server's answer is no JSON") from e
        raise self._failure(answer, query)

    def _failure(self, answer: httpx.Response, query: CloudQuery) -> Exception:
        """What a status that is no success means: try again, look at the link, or look at the frame."""
        what = f"{answer.status_code} {_detail(answer)}"
        if answer.status_code in _RETRIED:
            return _Again(what, _retry_after(answer))
        if answer.status_code in (401, 403):
            return LinkError(f"{self._remote.url} refuses the token: {what}", "look at the token file")
        if answer.status_code == 404:
            return LinkError(f"{self._remote.url} does not know {self.name}: {what}", "look at url and model")
        return AnswerError(f"{query.frame.id}: the server refuses the frame: {what}", "look at the frame")


def _wait(state: tenacity.RetryCallState) -> float:
    """Exponential with jitter, and at least what the server asks for."""
    jittered = tenacity.wait_exponential_jitter(initial=0.1, max=5.0, jitter=0.2)(state)
    failure = state.outcome.exception() if state.outcome is not None else None
    return max(jittered, failure.after if isinstance(failure, _Again) else 0.0)


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(10.0, max(0.0, float(answer.headers.get("Retry-After", 0))))
    except ValueError:
        return 0.0


def _detail(answer: httpx.Response) -> str:
    """The server's own words, short."""
    try:
        plain = answer.json()
        error = plain.get("error", plain)
        text = (
            error.get("message") or error.get("detail") or str(error)
            if isinstance(error, dict)
            else str(error)
        )
    except (ValueError, AttributeError):
        text = answer.text
    return str(text)[:200]


def _secret(path: str) -> str:
    try:
        secret = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{path} cannot be read: {e}", "give a file that holds the token alone") from e
    if not secret:
        raise ConfigError(f"{path} is empty", "put the token into it")
    return secret


def _trusted(path: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if path is not None:
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(f"{path}: no certificates: {e}", "give a PEM file") from e
    return context
