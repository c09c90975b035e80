"""A chat completion as it comes: its fields as types, what is null or asks for nothing left aside.

Clients send their defaults, and send back messages that they were given, with fields that are empty.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from saec.decoding import convert, decode
from saec.service.requests.answer_schema import ResponseFormat
from saec.service.requests.idle_fields import check_idle
from saec.service.requests.refusals import RequestRefused

T = TypeVar("T", bound=msgspec.Struct)

MOST_LOGPROBS = 20

_HINTS = frozenset({"cache_control", "uuid"})
"""What clients write beside a message or a part to have it remembered; it changes no answer."""

_WHERE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.*?)`")
_REMEDIES = {
    "role": "use one of the roles system, developer, user and assistant",
    "type": "send parts of the types text and image_url",
    "content": "send a text, or a list of parts of the types text and image_url",
    "image_url": 'send {"url": "data:image/png;base64,..."}',
}


class ImageUrl(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class TextPart(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    text: str


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    image_url: ImageUrl | str

    @property
    def url(self) -> str:
        return self.image_url if isinstance(self.image_url, str) else self.image_url.url


class ChatMessage(msgspec.Struct, forbid_unknown_fields=True):
    """``name`` stands in no template of the model's, so it changes nothing."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart | ImagePart]
    name: str | None = None


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``include_obfuscation`` fills chunks up to hide their length: there is one chunk."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None


class CompletionBody(msgspec.Struct, forbid_unknown_fields=True):
    """The fields that change something."""

    model: str
    messages: list[ChatMessage]
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    top_k: Annotated[int, msgspec.Meta(ge=-1)] = -1
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    logprobs: bool = False
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=MOST_LOGPROBS)] | None = None
    logprob_token_ids: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(max_length=64)] = []
    response_format: ResponseFormat | None = None
    ignore_eos: bool = False
    continue_final_message: bool = False
    add_generation_prompt: bool = True


class TokenizeBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /tokenize: a text, or the messages of a chat. No token is added to a text of Qwen's."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool = False
    continue_final_message: bool = False
    add_generation_prompt: bool = True


class DetokenizeBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of /detokenize."""

    tokens: list[Annotated[int, msgspec.Meta(ge=0)]]
    model: str | None = None


def read_body(data: bytes, kind: type[T]) -> T:
    """A body as one of the types of this module.

    Raises:
        Refused: 400, it is none, or holds a value that would change the answer in a way that is not served.
    """
    try:
        fields = decode(data, dict[str, Any])
        known = frozenset(kind.__struct_fields__)
        check_idle({name: value for name, value in fields.items() if name not in known})
        told = {name: value for name, value in fields.items() if name in known and value is not None}
        if "messages" in told:
            told["messages"] = _bare(told["messages"])
        return convert(told, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise _no_body(str(e)) from None


def _bare(messages: Any) -> Any:
    """Messages without what is null, empty or a hint, as clients hold them that send back what they got."""
    if not isinstance(messages, list):
        return messages
    return [_bare_message(message) if isinstance(message, dict) else message for message in messages]


def _bare_message(message: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in message.items()
        if name in ("role", "content") or (value not in (None, [], {}) and name not in _HINTS)
    }
    if isinstance(parts := kept.get("content"), list):
        kept["content"] = [_bare_part(part) if isinstance(part, dict) else part for part in parts]
    return kept


def _bare_part(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value is not None and name not in _HINTS}


def _no_body(why: str) -> RequestRefused:
    """What msgspec says, with the field that it is about and what to do."""
    at, missing = _WHERE.search(why), _MISSING.search(why)
    path = at.group(1) if at else None
    if missing:
        path = f"{path}.{missing.group(1)}" if path else missing.group(1)
    tail = (path or "").rpartition(".")[2]
    remedy = _REMEDIES.get(tail, "see docs/service.md for the supported fields")
    if missing:
        remedy = "name one of the models that /v1/models lists" if tail == "model" else "add it"
    elif "unknown field" in why:
        remedy = "leave it out"
    return RequestRefused(400, "bad_body", f"the body cannot be read: {why}", remedy, param=path)
