"""Fields of a chat completion that change nothing: the values that are accepted, and a remedy for others.

A field whose value asks for nothing, or for what is done anyhow, is accepted, so that clients which send
their defaults are answered. A value that would change the answer is refused. ``null`` is accepted for every
field but ``model`` and ``messages``; a field that stands nowhere here is refused with any other value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from saec.service.requests.refusals import RequestRefused

_LEAVE = "leave it out"


@dataclass(frozen=True, slots=True)
class IdleField:
    """A field that changes nothing.

    Attributes:
        accepts: the values, in words.
        holds: whether a value is one of them.
        remedy: what to do about any other.
        code: the code of the refusal.
    """

    accepts: str
    holds: Callable[[Any], bool]
    remedy: str
    code: str = "not_served"


def _only(*values: Any, remedy: str = _LEAVE, code: str = "not_served") -> IdleField:
    """Some values alone; true and false are no numbers."""
    words = ", ".join(f"`{json.dumps(value)}`" for value in values)
    return IdleField(words, lambda given: any(_same(given, value) for value in values), remedy, code)


def _same(given: Any, value: Any) -> bool:
    return bool(given == value) and isinstance(given, bool) == isinstance(value, bool)


def _any(kind: type, words: str, note: str = "") -> IdleField:
    """Any value of a type."""
    return IdleField(words, lambda v: type(v) is kind, f"give {words}{note}, or {_LEAVE}")


_text, _truth, _whole, _object = (
    _any(str, "a text", " (its content is ignored)"),
    _any(bool, "true or false"),
    _any(int, "a whole number"),
    _any(dict, "an object"),
)
_EMPTY = _only({}, [])
_PENALTY = _only(0, remedy="set it to 0: no penalty is applied")
_TOOLS = "ask without tools: the model calls none; response_format takes the schema of an explanation"
_CHOICES = "use response_format with the schema of an explanation"
_TEMPLATE = "leave it out: the model's own chat template is used"

IDLE: Mapping[str, IdleField] = {
    # OpenAI's
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "logit_bias": IdleField(
        "an object whose values are all 0",
        lambda v: (
            isinstance(v, dict) and all(type(bias) in (int, float) and bias == 0 for bias in v.values())
        ),
        "leave it out; logprob_token_ids gives the log-probabilities of any tokens",
    ),
    "stop": _only([], remedy="leave it out, and cut the answer yourself"),
    "n": _only(1, remedy="ask with n 1: every answer would be the same", code="no_sampling"),
    "tools": _only([], remedy=_TOOLS),
    "tool_choice": _only("none", "auto", remedy=_TOOLS),
    "parallel_tool_calls": _truth,
    "functions": _only([], remedy=_TOOLS),
    "function_call": _only("none", "auto", remedy=_TOOLS),
    "modalities": _only(["text"], [], remedy="ask for text: there is no speech"),
    "audio": _only(remedy="ask for text: there is no speech"),
    "store": _only(False, remedy="set it to false: nothing is kept"),
    "metadata": _object,
    "service_tier": _only("auto", "default", remedy="leave it out: there is one tier"),
    "user": _text,
    "safety_identifier": _text,
    "prompt_cache_key": _text,
    "prompt_cache_retention": _text,
    "seed": _whole,
    "reasoning_effort": _only("none", remedy="leave it out: the model does not reason before it answers"),
    "verbosity": _only("medium", remedy="leave it out, and say in the prompt how long the answer should be"),
    "prediction": _only(remedy="leave it out: predicted output is not supported"),
    "web_search_options": _only(remedy="leave it out: there is no web search"),
    # vLLM's
    "best_of": _only(1, remedy="ask with best_of 1: every answer would be the same", code="no_sampling"),
    "use_beam_search": _only(False, remedy="set it to false", code="no_sampling"),
    "length_penalty": _only(1),
    "repetition_penalty": _only(1, remedy="set it to 1: no penalty is applied"),
    "min_tokens": _only(0, remedy="set it to 0; ignore_eos makes an answer as long as max_tokens"),
    "stop_token_ids": _only([], remedy="leave it out, and cut the answer yourself"),
    "include_stop_str_in_output": _only(False),
    "bad_words": _only([]),
    "allowed_token_ids": _only(
        remedy="leave it out; logprob_token_ids gives the log-probabilities of any tokens"
    ),
    "skip_special_tokens": _only(True, remedy="set it to true"),
    "spaces_between_special_tokens": _truth,
    "add_special_tokens": _only(False, remedy="set it to false: the chat template adds them"),
    "truncate_prompt_tokens": _only(remedy="leave it out, and send less"),
    "prompt_logprobs": _only(remedy="leave it out: only the answer has log-probabilities"),
    "echo": _only(False, remedy="set it to false"),
    "documents": _only([], remedy="put them into the user's turn"),
    "chat_template": _only(remedy=_TEMPLATE),
    "chat_template_kwargs": _only({}, remedy=_TEMPLATE),
    "media_io_kwargs": _EMPTY,
    "mm_processor_kwargs": _only({}, remedy="leave it out, and send images in the size that you want"),
    "guided_json": _only(remedy=_CHOICES),
    "guided_choice": _only(remedy=_CHOICES),
    "guided_regex": _only(remedy=_CHOICES),
    "guided_grammar": _only(remedy=_CHOICES),
    "structured_outputs": _only(remedy=_CHOICES),
    "include_reasoning": _truth,
    "priority": _only(0, remedy="set it to 0: the oldest request comes first"),
    "request_id": _text,
    "session_id": _text,
    "cache_salt": _text,
    "return_tokens_as_token_ids": _only(False, remedy="set it to false"),
    "return_token_ids": _only(False, remedy="set it to false; /tokenize gives the ids"),
    "stream_interval": _whole,
    # LiteLLM's
    "extra_body": _only({}, remedy="send its fields at the top level"),
}


def check_idle(fields: Mapping[str, Any]) -> None:
    """Refuse values that would change the answer, and fields of which nothing is known.

    Raises:
        Refused: 400, with the field as ``param``.
    """
    for name, value in fields.items():
        if value is None:
            continue
        idle = IDLE.get(name)
        if idle is None:
            raise RequestRefused(
                400, "unknown_field", f"the field {name[:80]!r} is not known here", _LEAVE, param=name[:80]
            )
        if not idle.holds(value):
            raise RequestRefused(
                400, idle.code, f"{name} is {_short(value)}, which is not supported", idle.remedy, param=name
            )


def idle_fields_table() -> str:
    """The fields in Markdown, as docs/service.md has them."""
    rows = ["| field | accepted value | remedy for any other value |", "|---|---|---|"]
    rows += [f"| `{name}` | {idle.accepts or 'only null'} | {idle.remedy} |" for name, idle in IDLE.items()]
    return "\n".join(rows) + "\n"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]} ..."
