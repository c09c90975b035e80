"""The body of a chat completion: what of OpenAI's form is answered, read and checked; all else is refused.

A question is a system turn, a user turn with text and images, and for scoring the beginning of the answer.
Nothing in it is taken for a path or an address, and no text of it can stand for a token of the chat's own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from saec.cloud.chat import IMAGE_TEXT, chat_text
from saec.config import ServiceConfig
from saec.decoding import decode
from saec.service.refusals import Refused

DEFAULT_SYSTEM = "You are a helpful assistant."
"""What Qwen2.5-VL's own template puts where there is no system turn."""

WORDS = frozenset({"kind", "description"})
"""Keys of the one JSON schema that is answered: the explanation of a defect."""

MOST_LOGPROBS = 20


class _ImageUrl(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class _Text(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    text: str


class _Image(msgspec.Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    image_url: _ImageUrl


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: str | list[_Text | _Image]


class _Format(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text", "json_schema"]
    json_schema: dict[str, Any] | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """The fields that are understood; ``user`` and ``seed`` change nothing where nothing is drawn."""

    model: str
    messages: list[_Message]
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    stream: bool = False
    seed: int | None = None
    user: str | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=MOST_LOGPROBS)] | None = None
    logprob_token_ids: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=64)] = []
    response_format: _Format | None = None
    continue_final_message: bool = False
    add_generation_prompt: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """A question that can be answered.

    Attributes:
        model: name of the base or of an adapter.
        text: the conversation in ChatML, an ``IMAGE_PAD`` for each image.
        urls: data URLs of the images, not decoded yet.
        tokens: most tokens of the answer.
        logprobs: whether log-probabilities of the one token are wanted, with the ``top`` likeliest and
            those of ``ids``.
        words: whether the answer must be the JSON of an explanation.
    """

    model: str
    text: str
    urls: tuple[str, ...]
    tokens: int
    logprobs: bool
    top: int
    ids: tuple[int, ...]
    words: bool


def read_question(data: bytes, config: ServiceConfig, special: Collection[str]) -> Question:
    """The question in a request's body.

    Args:
        data: the body.
        config: its limits.
        special: texts that are tokens of their own.

    Raises:
        Refused: 400, the body is no question that is answered here.
    """
    try:
        body = decode(data, _Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise _wrong("bad_body", f"the body is no chat completion: {e}") from None
    tokens = body.max_completion_tokens or body.max_tokens or 1
    _check(body, tokens, config)
    text, urls = _conversation(body, special)
    if len(urls) > config.max_images:
        raise _wrong("too_many_images", f"{len(urls)} images", f"send at most {config.max_images}")
    return Question(
        model=body.model,
        text=text,
        urls=tuple(urls),
        tokens=tokens,
        logprobs=body.logprobs,
        top=body.top_logprobs or 0,
        ids=tuple(body.logprob_token_ids),
        words=_wants_words(body.response_format),
    )


def _check(body: _Body, tokens: int, config: ServiceConfig) -> None:
    """Refuse what would have to be answered otherwise than it was asked."""
    if body.stream:
        raise _wrong("no_streaming", "stream is not served", "ask without it: answers are short")
    if body.temperature != 0 or body.top_p != 1 or body.n != 1:
        raise _wrong("no_sampling", "answers are not drawn", "ask with temperature 0, top_p 1 and n 1")
    if tokens > config.max_tokens:
        raise _wrong("too_many_tokens", f"max_tokens is {tokens}", f"ask for at most {config.max_tokens}")
    if body.logprobs and tokens != 1:
        raise _wrong("logprobs_of_one", "logprobs are those of one token", "ask for them with max_tokens 1")
    if not body.logprobs and (body.top_logprobs or body.logprob_token_ids):
        raise _wrong("logprobs_missing", "top_logprobs without logprobs", "set logprobs too")


def _wants_words(how: _Format | None) -> bool:
    if how is None or how.type == "text":
        return False
    schema = (how.json_schema or {}).get("schema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    if (
        not isinstance(fields, dict)
        or set(fields) != WORDS
        or any(f != {"type": "string"} for f in fields.values())
    ):
        raise _wrong(
            "bad_schema",
            "response_format asks for a schema that is not served",
            'ask for an object of two strings, "kind" and "description"',
        )
    return True


def _conversation(body: _Body, special: Collection[str]) -> tuple[str, list[str]]:
    """The ChatML text and the images' URLs in order."""
    turns = list(body.messages)
    system, prefill = DEFAULT_SYSTEM, ""
    if turns and turns[0].role == "system":
        system = _plain(turns.pop(0))
    if turns and turns[-1].role == "assistant":
        prefill = _plain(turns.pop())
        if not body.continue_final_message or body.add_generation_prompt:
            raise _wrong(
                "answer_given",
                "the last turn is the assistant's",
                "to have it continued set continue_final_message true and add_generation_prompt false",
            )
    elif body.continue_final_message or not body.add_generation_prompt:
        raise _wrong("no_beginning", "there is no assistant's turn to continue", "put it last")
    if len(turns) != 1 or turns[0].role != "user":
        raise _wrong(
            "bad_turns", "one user's turn is answered", "send system, user and the answer's beginning"
        )
    user, urls = _user(turns[0])
    for text in (system, prefill, *user):
        _check_text(text, special)
    spoken = user[0] + "".join(IMAGE_TEXT + text for text in user[1:])
    return chat_text(system, spoken) + prefill, urls


def _plain(turn: _Message) -> str:
    parts = [_Text(turn.content)] if isinstance(turn.content, str) else turn.content
    if any(isinstance(part, _Image) for part in parts):
        raise _wrong(
            "misplaced_image", f"an image in the {turn.role}'s turn", "images go into the user's turn"
        )
    return "".join(part.text for part in parts if isinstance(part, _Text))


def _user(turn: _Message) -> tuple[list[str], list[str]]:
    """The texts before, between and after the images, one more than there are images; and their URLs."""
    texts, urls = [""], []
    for part in [_Text(turn.content)] if isinstance(turn.content, str) else turn.content:
        if isinstance(part, _Text):
            texts[-1] += part.text
        else:
            urls.append(part.image_url.url)
            texts.append("")
    return texts, urls


def _check_text(text: str, special: Collection[str]) -> None:
    for token in special:
        if token in text:
            raise _wrong("special_token", f"the text holds {token}", "leave it out: turns are made here")


def _wrong(code: str, what: str, remedy: str = "") -> Refused:
    return Refused(400, code, what, remedy)
