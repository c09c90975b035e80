"""What a model wrote: parsed, validated, or an error; never replaced by a default."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from saec.decoding import decode
from saec.errors import AnswerError
from saec.types import Box, CloudQuery, Explanation

T = TypeVar("T")


class _Words(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    description: str


def parse_explanation(text: str, box: Box | None) -> Explanation:
    """The explanation in a model's answer.

    Args:
        text: what was generated: one JSON object {kind, description}, possibly in a code fence, as
            instruction-tuned models like to write it.
        box: where the defect is, from the anomaly map; models are not asked for boxes.

    Raises:
        AnswerError: the text is no such object, or a value is empty.
    """
    try:
        words = decode(_unfenced(text), _Words)
    except msgspec.DecodeError as e:
        raise AnswerError(
            f"the cloud's explanation cannot be parsed: {e}; it wrote {_short(text)!r}",
            "the label stays as it is; if you need explanations, use another model",
        ) from e
    kind, description = words.kind.strip(), words.description.strip()
    if not kind or not description:
        raise AnswerError(f"the cloud's explanation is empty: it wrote {_short(text)!r}")
    return Explanation(kind=kind, description=description, box=box)


def parse_label(text: str, labels: tuple[str, str]) -> int:
    """GOOD or DEFECT where the text is exactly one of the two labels, blanks around it aside.

    Raises:
        AnswerError: it is anything else, such as a label with more words.
    """
    try:
        return labels.index(text.strip())
    except ValueError:
        raise AnswerError(
            f"the cloud's answer is neither {labels[0]!r} nor {labels[1]!r}: it wrote {_short(text)!r}",
            "use scoring threshold or rank, which compare the logits of the labels",
        ) from None


def naming_frame(query: CloudQuery, parse: Callable[..., T], *what: object) -> T:
    """What is parsed from an answer on a query; an AnswerError names its frame."""
    try:
        return parse(*what)
    except AnswerError as e:
        raise AnswerError(f"{query.frame.id}: {e.what}", e.remedy) from e


def _unfenced(text: str) -> str:
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text[3:-3].removeprefix("json")
    return text.strip()


def _short(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[:limit] + " ..."
