"""What is kept of a review, as types."""

from __future__ import annotations

from typing import Literal

import msgspec

from saec.types import Box

Stratum = Literal["passed", "rejected"]
"""Which frames a random sample was drawn from: those judged good, or those judged defects."""

Why = Literal["random", "disagreement", "gate", "drift", "value", "asked"]
"""Why a frame is shown: drawn at random; edge and cloud, or provisional and final verdict, disagree; the edge
is not sure; the scores drift; a label of it teaches most; a person asked for an opinion."""

Use = Literal["prove", "teach", "challenge"]
"""What a picture may be used for. It is stated once, and what was taught never proves."""


Points = tuple[tuple[float, float], ...]
"""x and y for each point, in pixels of the frame."""


class Stroke(msgspec.Struct, frozen=True):
    """One stroke of a brush.

    Attributes:
        width: the brush, in pixels of the frame.
        points: x and y for each point, in pixels of the frame.
    """

    width: float
    points: Points


class MarkedPlace(msgspec.Struct, frozen=True):
    """Where a defect is.

    Attributes:
        boxes: rectangles, in pixels of the frame.
        strokes: what was painted by brush.
        outlines: closed polygons, as other programs give them.
    """

    boxes: tuple[Box, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    outlines: tuple[Points, ...] = ()


class ReviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a frame.

    Attributes:
        label: GOOD, DEFECT, or None for "not sure".
        kind: the kind of the defect, "" when unknown.
        place: where the defect is; None where nobody has said.
        seconds: time between showing the frame and the answer; None where it is not known, as for imported
            labels.
        second: ask another person as well.
    """

    label: int | None
    kind: str = ""
    place: MarkedPlace | None = None
    seconds: float | None = None
    second: bool = False


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One person's answer about a frame; a record that is never changed, only withdrawn.

    Attributes:
        n: number of the record; it rises.
        seq, frame: the frame's number and id.
        person: who answered.
        time: when, seconds since the epoch.
        shown_version, shown_label: the version and the verdict that the person saw; "" and None for a second
            opinion, which is given without them.
        withdrawn: when it was taken back, seconds since the epoch; None while it stands.
        origin: "page", "http", or the file that it was imported from.
    """

    n: int
    seq: int
    frame: str
    line: str
    person: str
    time: float
    answer: ReviewAnswer
    shown_version: str = ""
    shown_label: int | None = None
    withdrawn: float | None = None
    origin: str = "page"


class ReviewFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is kept for review: its row in the queue.

    Attributes:
        seq, frame: its number and id.
        sha256: hash of its picture's file.
        image: path of the picture in the review's folder, which retention does not touch; "" once it is gone.
        part: id of the part that it shows, "" when unknown.
        version: the line version that judged it.
        label: its final verdict's label, GOOD or DEFECT.
        decided_by: who gave that label.
        accepted: when it came, seconds since the epoch.
        why: why it is shown. A frame that was drawn at random says so, whatever else is true of it.
        probability: chance with which it was drawn, more than 0; None for a frame that was not drawn.
        worth: how much a label of it helps, more is better; orders the frames that were not drawn.
        use: "prove" for frames drawn at random, else "teach".
    """

    seq: int
    frame: str
    line: str
    sha256: str
    image: str
    part: str
    version: str
    label: int
    decided_by: str
    accepted: float
    why: Why
    probability: float | None
    worth: float
    use: Use


class ReviewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that one person, and nobody else, is asked about.

    Attributes:
        frame: its row in the queue.
        second: a second opinion: the person is shown neither the verdict nor what was answered before.
        until: nobody else gets it before this time, seconds since the epoch.
    """

    frame: ReviewFrame
    second: bool
    until: float


class ReviewedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame with what people said of it.

    Attributes:
        labels: those that stand, oldest first; at most one a person.
        settled: GOOD or DEFECT where people agree (the one answer; or, after a second opinion that differs,
            the majority of three); None while nobody is sure or they disagree.
        kind: what the newest answer says that agrees with ``settled``, "" when unknown.
        place: likewise.
    """

    frame: ReviewFrame
    labels: tuple[Label, ...]
    settled: int | None
    kind: str = ""
    place: MarkedPlace | None = None


class ReviewState(msgspec.Struct, frozen=True, kw_only=True):
    """How the review of a line stands.

    Attributes:
        waiting: frames that wait, by why they are shown; "second" where another person is asked.
        held: those of them that a person has.
        labels: labels that stand.
        frames: final verdicts since the review began.
        drawn: frames of these that were drawn at random.
        lost: drawn frames whose picture was gone before anybody answered.
        pictures: pictures that are kept.
        size: their bytes.
    """

    waiting: dict[str, int]
    held: int = 0
    labels: int = 0
    frames: int = 0
    drawn: int = 0
    lost: int = 0
    pictures: int = 0
    size: int = 0


class OfferedCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many final verdicts of a stratum there were in an hour, and how many were drawn.

    Attributes:
        hour: hours since the epoch.
        probability: chance with which each was drawn.
        frames: how many there were.
        drawn: how many were drawn.
        lost: how many of these lost their picture before anybody saw it.
    """

    line: str
    version: str
    hour: int
    stratum: Stratum
    probability: float
    frames: int
    drawn: int
    lost: int
