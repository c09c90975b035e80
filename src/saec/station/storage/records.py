"""What the spool keeps, as types."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import msgspec

from saec.station.challenge_records import ChallengeRecord
from saec.types import Capture, VerdictRecord

FrameState = Literal["accepted", "asked", "done"]
"""Accepted: no verdict yet. Asked: the cloud's answer is awaited. Done: the final verdict stands."""

LONGEST_PART = 100
"""Characters of the longest id of a part."""

VerdictState = Literal["provisional", "final"]

DeliveredState = Literal["provisional", "final", "part", "challenge"]
"""What a sink is sent: a verdict on a frame by its state, the one on a part, or the result of a challenge."""


class NewFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that a source hands over.

    Attributes:
        line: name of the line that judges it.
        source: name of the source.
        key: idempotency key, unique within the line: the same key and bytes again are the same frame.
        suffix: ending of the image file, such as ".png".
        captured: when it was taken, seconds since the epoch by the station's clock.
        part: id of the part that it shows, at most ``LONGEST_PART`` characters; "" when unknown.
        recipe: number of the recipe in force when it was taken; None without recipes.
        capture: how it was taken at a machine.
        challenge: "RUN PART" where it shows a golden part (``GoldenFrame``); "" else. Such a frame goes the
            way of all others, but nothing acts on its verdict, and it is counted nowhere.
    """

    line: str
    source: str
    key: str
    suffix: str
    captured: float
    part: str = ""
    recipe: int | None = None
    capture: Capture | None = None
    challenge: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """The spool's receipt: image and row are on the disk.

    Attributes:
        duplicate: they already were.
        since: when the first was accepted, seconds since the epoch; None where its file is known to stay.
    """

    seq: int
    id: str
    duplicate: bool = False
    since: float | None = None


class SpooledFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame in the spool.

    Attributes:
        seq: rises by one with each accepted frame; never used again.
        image: path of the file, or "" where retention has removed it.
        edge: what the edge said and which route was taken, once it has; ``Pending`` as JSON.
        version: the line version that judged it.
        part, recipe, capture, challenge: what was handed over with it, see ``NewFrame``.
    """

    seq: int
    id: str
    line: str
    source: str
    key: str
    sha256: str
    image: str
    size: int
    captured: float
    accepted: float
    state: FrameState
    edge: bytes | None = None
    version: str = ""
    part: str = ""
    recipe: int | None = None
    capture: Capture | None = None
    challenge: str = ""


class AuditHead(msgspec.Struct, frozen=True):
    """The last row of the record of actions by number and hash; it fixes all rows. Without a row n is 0."""

    n: int
    hash: str

    def __str__(self) -> str:
        return f"{self.n}:{self.hash}"


class PartView(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a part as its verdict knew it.

    Attributes:
        frame: its id.
        state: that of its verdict, or "waiting" where it had none in time.
        counted: whether the rule took it into account; "newest" takes the last frame of each source.
    """

    frame: str
    source: str
    label: int | None
    state: str
    counted: bool = True


class PartVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The one verdict on a part that several frames show.

    Attributes:
        verdict: its record, in the form of a frame's; its id is "LINE/PART/N", N being the number of the
            part's first frame.
        rule: how it was made, see ``PartRules``.
        views: the frames that it was made of, in the order in which they came.
        missing: the frames that had not come, by their source; "" where any would do.
        act: whether the line is to act on it: it came in time.
    """

    verdict: VerdictRecord
    rule: str
    views: tuple[PartView, ...]
    missing: tuple[str, ...]
    act: bool


class Delivery(msgspec.Struct, frozen=True):
    """A verdict that a sink has not taken yet.

    Attributes:
        n: number of the row in the outbox; it rises.
        act: whether the line is to act on it: true once per frame, for the first verdict in time. Of frames
            whose part has a verdict it is true once per part, for the part's verdict.
        audit: the head of the record of actions when it is first sent; None where it cannot be read.
        part: what the verdict on a part was made of; None for one on a frame.
        challenge: the run whose result it is; ``verdict`` has only its id, line and time then.
    """

    n: int
    sink: str
    attempts: int
    act: bool
    state: DeliveredState
    verdict: VerdictRecord
    audit: AuditHead | None = None
    part: PartVerdict | None = None
    challenge: ChallengeRecord | None = None


class OpenDelivery(msgspec.Struct, frozen=True):
    """A delivery as a reader sees it.

    Attributes:
        error: what the sink said last, or "".
        dead: since when it is a dead letter, seconds since the epoch; None while it waits.
    """

    sink: str
    state: DeliveredState
    attempts: int
    error: str
    dead: float | None


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter: a verdict that a sink has refused for good.

    Attributes:
        n: number of the row in the outbox.
        frame: id of the frame.
        error: what the sink said last.
        dead: since when, seconds since the epoch.
    """

    n: int
    sink: str
    frame: str
    state: DeliveredState
    attempts: int
    error: str
    dead: float


class Backlog(msgspec.Struct, frozen=True):
    """What a sink has still to take: how many, since when the oldest waits (seconds since the epoch), and
    how many dead letters it has."""

    waiting: int
    oldest: float | None
    dead: int


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know; one that comes again within a day is the same alarm.

    Attributes:
        n: rises each time an alarm comes, also when one comes again.
        about: the line, source, sink or thread concerned; "" where it is none of them.
        text: the sentence that came last.
        frame: the last frame that it was about, or "".
        frames: the last frames that it was about.
        count: how often it came.
        first, last: when, seconds since the epoch.
    """

    n: int
    kind: str
    about: str
    text: str
    frame: str
    frames: tuple[str, ...]
    count: int
    first: float
    last: float


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section [spool]: how many frames may wait, and how much room they may take.

    Attributes:
        frames: Frames that may wait for their final verdict. From nine tenths on, the oldest that wait for
            the cloud get the edge's label as final. Beyond it new frames are refused.
        size_gb: Gigabytes that the whole data folder may take. Where room is short the oldest images go
            first.
        free_gb: Gigabytes that must stay free on the disk. Else new frames are refused.
        wait_hours: Hours that a frame may wait for the cloud. Then the edge's label is final.
    """

    frames: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    size_gb: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    free_gb: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    wait_hours: Annotated[float, msgspec.Meta(gt=0)] = 168.0


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section [retention]: how long frames with a final verdict are kept, as far as there is room.

    Attributes:
        images: Images to keep. "defects": those labelled so. "doubtful": also those on which the cloud was
            asked, or edge and cloud disagree.
        image_days: Days that images are kept.
        record_days: Days that verdicts are kept, at least as long as images. A verdict that a sink has still
            to take stays.
        aside_days: Days that unknown files, which were set aside, are kept.
    """

    images: Literal["all", "doubtful", "defects", "none"] = "all"
    image_days: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    record_days: Annotated[float, msgspec.Meta(ge=0)] = 730.0
    aside_days: Annotated[float, msgspec.Meta(ge=0)] = 90.0


_AHEAD = 86400.0
"""Seconds by which a time may lie ahead of the station's clock and be believed."""


def plausible_time(told: float, now: float) -> float:
    """A time that a frame brought, as a file's, or now where it cannot be: before 1970, or beyond tomorrow.

    Args:
        told, now: seconds since the epoch.
    """
    return told if math.isfinite(told) and 0.0 <= told <= now + _AHEAD else now


def frame_id(line: str, seq: int) -> str:
    """The id of a frame, such as ``bottle-0000000042``; unique within a station for ever."""
    return f"{line}-{seq:010d}"


_STAMP = re.compile(r"@-?\d+\+\d+#[0-9a-f]{16}(/\d+)?$")
_OF_VIDEO = re.compile(r"@[^@/]*/(\d+)$")
_NAMELESS = re.compile(r"\d+\.\d+/\d+|[0-9a-f]{64}@\d+")


def frame_name(source: str, key: str) -> str:
    """What a person calls the frame, from its key: the file's name, or the key that a client gave it.

    Empty where it has no name, as a camera's frame.
    """
    name = key.removeprefix(f"{source}/")
    return "" if _NAMELESS.fullmatch(name) else _OF_VIDEO.sub(r", frame \1", _STAMP.sub("", name))
