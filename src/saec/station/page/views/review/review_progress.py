"""How far the review is: what was answered today, what waits, and what the next answers are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from saec.station.review.review_store import ReviewStore

NEXT = 100
"""Frames that are looked ahead."""


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """How far the review of a line, or of all, is.

    Attributes:
        own, all: answers of today by this person, and by all people.
        waiting: frames that wait for an answer.
        next: what the next ``NEXT`` of them are for, and how many.
    """

    own: int
    all: int
    waiting: int
    next: Mapping[str, int]


def review_progress(store: ReviewStore, person: str, line: str | None) -> ReviewProgress:
    """How far it is now; a day begins at midnight of the station's zone."""
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return ReviewProgress(
        own=store.answered_since(today, person, line),
        all=store.answered_since(today, line=line),
        waiting=sum(store.counts(line).values()),
        next=store.upcoming(line, NEXT),
    )
