"""Chat completions in OpenAI's form: whole, or as a stream of events.

The answer is written as a whole before anything of it is sent, so that an error has its own status. As a
stream it is one event with the text, between one that opens and one that ends it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec

from saec.cloud.questions.answers import parse_explanation
from saec.errors import AnswerError
from saec.service.requests.questions import Question
from saec.service.requests.refusals import RequestRefused
from saec.service.served_model import ModelAnswer, ModelEntry


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back: the media type and its bytes."""

    kind: str
    data: bytes


def answer_of(question: Question, entry: ModelEntry, said: ModelAnswer, prompt_tokens: int) -> Answer:
    """What a model has said, as the question wants it; the fingerprint is the hash of the weights.

    Raises:
        Refused: 422, the model did not write what the schema asks for.
    """
    head = {
        "id": f"chatcmpl-{time.time_ns():x}",
        "object": "chat.completion.chunk" if question.stream else "chat.completion",
        "created": int(time.time()),
        "model": entry.name,
        "system_fingerprint": entry.weights_hash,
    }
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": said.tokens,
        "total_tokens": prompt_tokens + said.tokens,
    }
    content, logprobs = _content(question, said), _logprobs(question, said)
    finish = "stop" if said.ended else "length"
    if question.stream:
        return Answer("text/event-stream", _events(question, head, content, logprobs, finish, usage))
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "logprobs": logprobs,
        "finish_reason": finish,
    }
    return Answer("application/json", msgspec.json.encode({**head, "choices": [choice], "usage": usage}))


def _events(
    question: Question, head: dict[str, Any], content: str, logprobs: Any, finish: str, usage: dict[str, int]
) -> bytes:
    """Chunks of an answer, as server-sent events."""
    deltas: list[tuple[dict[str, str], Any, str | None]] = [
        ({"role": "assistant", "content": ""}, None, None),
        ({"content": content}, logprobs, None),
        ({}, None, finish),
    ]
    chunks = [
        {**head, "choices": [{"index": 0, "delta": delta, "logprobs": logs, "finish_reason": end}]}
        for delta, logs, end in deltas
    ]
    if question.usage:
        chunks = [{**chunk, "usage": None} for chunk in chunks] + [{**head, "choices": [], "usage": usage}]
    lines = [*(msgspec.json.encode(chunk) for chunk in chunks), b"[DONE]"]
    return b"".join(b"data: " + line + b"\n\n" for line in lines)


def _content(question: Question, said: ModelAnswer) -> str:
    if not question.words:
        return said.text
    try:
        words = parse_explanation(said.text, None)
    except AnswerError as e:
        remedy = "use the wording of the model's prompt, as in docs/service.md"
        if not said.ended:
            remedy = "allow more max_tokens, because the answer was cut off; or " + remedy
        raise RequestRefused(422, "answer_does_not_fit", e.what, remedy, param="response_format") from None
    return msgspec.json.encode({"kind": words.kind, "description": words.description}).decode()


def _logprobs(question: Question, said: ModelAnswer) -> dict[str, Any] | None:
    if not question.logprobs:
        return None
    alternatives = [_logprob(*pair) for pair in said.logprobs]
    return {"content": [{**alternatives[0], "top_logprobs": alternatives}]}


def _logprob(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
