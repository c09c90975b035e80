"""The body of a chat completion: what of OpenAI's form is answered, read and checked; all else is refused.

A question is a system turn, a user turn with text and images, and for scoring the beginning of the answer.
Nothing in it is taken for a path or an address, and no text of it can stand for a token of the chat's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from saec.cloud.questions.chat_template import IMAGE_TEXT, chat_text
from saec.service.requests.answer_schema import wants_explanation
from saec.service.requests.refusals import RequestRefused
from saec.service.requests.request_fields import (
    ChatMessage,
    CompletionBody,
    ImagePart,
    TextPart,
    TokenizeBody,
    read_body,
)
from saec.service.service_settings import ServiceConfig

DEFAULT_SYSTEM = "You are a helpful assistant."
"""What Qwen2.5-VL's own template puts where there is no system turn."""

COLDEST = 1e-5
"""Below this temperature nothing is drawn: vLLM takes it so, and Qwen's own examples ask with 1e-6."""

MOST_PARTS = 1_000
"""Parts of all turns together, texts and images."""

LONGEST_TEXT = 200_000
"""Characters of all texts together."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question that can be answered.

    Attributes:
        model: name of the base or of an adapter.
        text: the conversation in ChatML, an ``IMAGE_PAD`` for each image.
        urls: data URLs of the images, not decoded yet.
        tokens: most tokens of the answer; None leaves it to the service's limit and the model's context.
        endless: the answer goes on till ``tokens``, though the model would end it.
        logprobs: whether log-probabilities of the one token are wanted, with the ``top`` likeliest and
            those of ``ids``.
        words: whether the answer must be the JSON of an explanation.
        stream: whether it is sent as a stream of events, with the ``usage`` of tokens at its end.
    """

    model: str
    text: str
    urls: tuple[str, ...]
    tokens: int | None
    endless: bool
    logprobs: bool
    top: int
    ids: tuple[int, ...]
    words: bool
    stream: bool
    usage: bool


def read_question(data: bytes, config: ServiceConfig, special: Collection[str]) -> Question:
    """The question in a request's body.

    Args:
        data: the body.
        config: its limits.
        special: texts that are tokens of their own.

    Raises:
        Refused: 400, the body is no question that is answered here.
    """
    body = read_body(data, CompletionBody)
    tokens = _tokens(body, config)
    _check(body, tokens)
    text, urls = conversation(body, special)
    if len(urls) > config.max_images:
        what = f"the request has {len(urls)} images"
        raise _wrong("too_many_images", what, f"send at most {config.max_images}")
    return Question(
        model=body.model,
        text=text,
        urls=tuple(urls),
        tokens=tokens,
        endless=body.ignore_eos,
        logprobs=body.logprobs,
        top=body.top_logprobs or 0,
        ids=tuple(body.logprob_token_ids),
        words=wants_explanation(body.response_format),
        stream=body.stream,
        usage=bool(body.stream_options.include_usage),
    )


def _tokens(body: CompletionBody, config: ServiceConfig) -> int | None:
    """Most tokens of the answer; both fields are upper bounds, so the lower one holds for both."""
    given = {"max_completion_tokens": body.max_completion_tokens, "max_tokens": body.max_tokens}
    bounds = [(tokens, name) for name, tokens in given.items() if tokens is not None]
    if not bounds:
        return 1 if body.logprobs else None
    tokens, name = min(bounds)
    if tokens > config.max_tokens:
        raise _wrong(
            "too_many_tokens",
            f"{name} is {tokens}",
            f"give at most {config.max_tokens}, or leave it out: the model ends its answer itself",
            name,
        )
    return tokens


def _check(body: CompletionBody, tokens: int | None) -> None:
    """Refuse what would have to be answered otherwise than it was asked."""
    if drawn := _drawn(body):
        raise _wrong(
            "no_sampling",
            f"{drawn} asks for sampling",
            "set temperature to 0: the service does not sample",
            drawn,
        )
    if body.stream_options.continuous_usage_stats:
        what = "continuous_usage_stats is not supported"
        raise _wrong("not_served", what, "set include_usage: the usage comes at the end", "stream_options")
    if body.ignore_eos and body.response_format is not None and body.response_format.type != "text":
        raise _wrong("bad_schema", "ignore_eos cannot go with a response_format", "leave one of them out")
    if not body.logprobs and (body.top_logprobs or body.logprob_token_ids):
        name = "top_logprobs" if body.top_logprobs else "logprob_token_ids"
        raise _wrong("logprobs_missing", f"{name} without logprobs", "set logprobs too", name)
    if body.logprobs and tokens != 1:
        what = "logprobs are given for one token only"
        raise _wrong("logprobs_of_one", what, "set max_tokens to 1", "logprobs")


def _drawn(body: CompletionBody) -> str | None:
    """The field by which words would be drawn; where the likeliest is taken anyhow, there is none."""
    if body.top_k == 1 or (body.temperature is not None and body.temperature < COLDEST):
        return None
    if body.temperature is not None:
        return "temperature"
    off = {"top_p": body.top_p == 1, "top_k": body.top_k <= 0, "min_p": body.min_p == 0}
    return next((name for name, is_off in off.items() if not is_off), None)


def conversation(body: CompletionBody | TokenizeBody, special: Collection[str]) -> tuple[str, list[str]]:
    """The ChatML text and the images' URLs in order.

    Raises:
        Refused: 400, the turns are not such as are answered.
    """
    turns = list(body.messages or [])
    _check_size(turns)
    system, prefill = DEFAULT_SYSTEM, ""
    if turns and turns[0].role in ("system", "developer"):
        system = _plain(turns.pop(0))
    if turns and turns[-1].role == "assistant":
        prefill = _plain(turns.pop())
        if not body.continue_final_message or body.add_generation_prompt:
            raise _wrong(
                "answer_given",
                "the last message is the assistant's",
                "to have it continued, set continue_final_message to true and add_generation_prompt to false",
            )
    elif body.continue_final_message or not body.add_generation_prompt:
        raise _wrong("no_beginning", "there is no assistant message to continue", "put it last")
    if len(turns) != 1 or turns[0].role != "user":
        raise _wrong(
            "bad_turns",
            "the service answers exactly one user message",
            "send system, user and the beginning of the answer; put earlier messages into the user message",
        )
    user, urls = _user(turns[0])
    for text in (system, prefill, *user):
        _check_text(text, special)
    spoken = user[0] + "".join(IMAGE_TEXT + text for text in user[1:])
    return chat_text(system, spoken) + prefill, urls


def _check_size(turns: Sequence[ChatMessage]) -> None:
    """Refuse what would take minutes and gigabytes to cut into tokens, only to be found too long."""
    count = sum(1 if isinstance(turn.content, str) else len(turn.content) for turn in turns)
    if count > MOST_PARTS:
        raise _wrong("too_many_parts", f"the messages have {count} parts", f"send at most {MOST_PARTS}")
    length = sum(_length(turn) for turn in turns)
    if length > LONGEST_TEXT:
        raise _wrong(
            "too_long", f"the texts have {length} characters", f"send at most {LONGEST_TEXT} characters"
        )


def _length(turn: ChatMessage) -> int:
    if isinstance(turn.content, str):
        return len(turn.content)
    return sum(len(part.text) for part in turn.content if isinstance(part, TextPart))


def _plain(turn: ChatMessage) -> str:
    parts = [TextPart(turn.content)] if isinstance(turn.content, str) else turn.content
    if any(isinstance(part, ImagePart) for part in parts):
        raise _wrong(
            "misplaced_image", f"an image is in the {turn.role} message", "put images into the user message"
        )
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def _user(turn: ChatMessage) -> tuple[list[str], list[str]]:
    """The texts before, between and after the images, one more than there are images; and their URLs."""
    texts, urls = [""], []
    for part in [TextPart(turn.content)] if isinstance(turn.content, str) else turn.content:
        if isinstance(part, TextPart):
            texts[-1] += part.text
        else:
            urls.append(part.url)
            texts.append("")
    return texts, urls


def _check_text(text: str, special: Collection[str]) -> None:
    for token in special:
        if token in text:
            raise _wrong(
                "special_token",
                f"the text holds the special token {token}",
                "leave it out: the service adds these tokens itself",
            )


def _wrong(code: str, what: str, remedy: str = "", param: str | None = "messages") -> RequestRefused:
    return RequestRefused(400, code, what, remedy, param=param)
