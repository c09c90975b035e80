"""What a form of the review says: a frame and a person's answer about it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from saec.decoding import decode
from saec.errors import SaecError
from saec.station.page.words.languages import msgid
from saec.station.review.review_records import MarkedPlace, ReviewAnswer
from saec.texts import whole_number
from saec.types import DEFECT, GOOD

LONGEST_KIND = 60
"""Letters of the name of a kind."""

_LONGEST_LOOK = 3600.0
"""Seconds; who looks longer has been away."""

_LABELS: Mapping[str, int | None] = {"good": GOOD, "defect": DEFECT, "unsure": None}


def answered_frame(form: Mapping[str, str]) -> int:
    """The number of the frame that a form is about.

    Raises:
        SaecError: it names none.
    """
    seq = whole_number(form.get("seq", ""))
    if seq is None:
        raise SaecError(msgid("The form names no frame"), msgid("Load the page again"))
    return seq


def read_answer(form: Mapping[str, str]) -> ReviewAnswer:
    """The answer of a form; a kind alone says that there is a defect.

    Raises:
        SaecError: it cannot be read.
    """
    kind = " ".join(form.get("kind", "").split())
    named = form.get("answer") or ("defect" if kind else "")
    if named not in _LABELS:
        raise SaecError(msgid("The form says neither good nor defect"), msgid("Answer again"))
    label = _LABELS[named]
    if len(kind) > LONGEST_KIND or not kind.isprintable():
        raise SaecError(
            msgid("The name of this kind is too long, or cannot be printed"), msgid("Use a shorter one")
        )
    return ReviewAnswer(
        label=label,
        kind=kind if label == DEFECT else "",
        place=_place(form.get("place", "")) if label == DEFECT else None,
        seconds=_seconds(form.get("seconds", "")),
        second=form.get("second") == "yes",
    )


def _place(text: str) -> MarkedPlace | None:
    if not text:
        return None
    try:
        return decode(text, MarkedPlace)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as e:
        raise SaecError(msgid("The marked place cannot be read"), msgid("Mark the place again")) from e


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= _LONGEST_LOOK else None
