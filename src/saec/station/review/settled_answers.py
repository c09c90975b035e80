"""What people agree on about a frame, and whether another person is asked."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from saec.station.review.review_records import Label, ReviewAnswer, ReviewedFrame, ReviewFrame

MOST_OPINIONS = 3
"""People who are asked about one frame at most."""


def settled_label(labels: Sequence[int | None]) -> int | None:
    """The label that stands: the only answer, two that agree, or the majority of three; None while open.

    Args:
        labels: the answers that stand, None being "not sure".
    """
    votes = [label for label in labels if label is not None]
    if len(labels) <= 1:
        return votes[0] if votes else None
    agreed = [vote for vote in set(votes) if votes.count(vote) > max(1, len(votes) // 2)]
    return agreed[0] if agreed else None


def wants_opinion(verdict: int, labels: Sequence[int | None], *, drawn: bool, asked: bool) -> bool:
    """Whether another person is to be asked about a frame that has answers.

    A random frame whose first answer differs from the verdict always gets a second one: an escape that is one
    person's slip would weigh as much as all frames that the sample stands for.

    Args:
        verdict: the verdict's label.
        labels: the answers that stand.
        drawn: the frame is of the random sample.
        asked: a second opinion is wished, by a person or by chance.
    """
    if not labels or len(labels) >= MOST_OPINIONS:
        return False
    if len(labels) == 1:
        return asked or (drawn and labels[0] != verdict)
    return settled_label(labels) is None


def reviewed_frame(frame: ReviewFrame, labels: Sequence[Label]) -> ReviewedFrame:
    """A frame with the answers that stand, oldest first."""
    settled = settled_label([label.answer.label for label in labels])
    agreeing = [label.answer for label in labels if label.answer.label == settled and settled is not None]
    kind = next((answer.kind for answer in reversed(agreeing) if answer.kind), "")
    place = next((answer.place for answer in reversed(agreeing) if answer.place is not None), None)
    return ReviewedFrame(frame=frame, labels=tuple(labels), settled=settled, kind=kind, place=place)


def same_answer(one: ReviewAnswer, other: ReviewAnswer) -> bool:
    """Whether two answers say the same; how long they took does not count."""
    return msgspec.structs.replace(one, seconds=None) == msgspec.structs.replace(other, seconds=None)
