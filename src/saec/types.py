"""The words of the house as types: frames, opinions, routes, verdicts.

Labels are ``GOOD = 0`` and ``DEFECT = 1`` everywhere; defect is the positive class. A raw score is
never called a probability: ``p_defect`` is None until a calibration exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.arrays import check_image

GOOD = 0
DEFECT = 1

Image = NDArray[np.uint8]
"""H x W x 3, RGB, uint8."""

AnomalyMap = NDArray[np.float32]
"""h x w, float32, higher is more anomalous, in the units of the detector's score."""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the frame; x1 and y1 are exclusive."""

DecidedBy = Literal["edge", "cloud", "edge-fallback", "none"]
State = Literal["final", "provisional", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image to judge.

    Attributes:
        id: unique within a run; for files, the path relative to the input's root.
        image: H x W x 3 uint8, RGB. OpenCV reads BGR: turn it with ``image[..., ::-1]``.
        source: where it came from, a path or an address.
        sha256: hash of the file's bytes (of the pixels where there was no file).
        time: when it was taken or read, seconds since the epoch.
        line: name of the line profile it belongs to.
        truth: GOOD, DEFECT or None when unknown.
        part: id of the physical part it shows, or "" when unknown.

    Raises:
        ImageError: the image has another shape or type.
    """

    id: str
    image: Image
    source: str = ""
    sha256: str = ""
    time: float = 0.0
    line: str = ""
    truth: int | None = None
    part: str = ""

    def __post_init__(self) -> None:
        check_image(self.image, f"the image of frame {self.id}")


UNKNOWN_KIND = "unknown"
"""The name that the edge gives a defect that is like none of the line's kinds. No kind has it."""

LONGEST_KIND = 64
"""Characters of the longest name of a kind of defect."""


class KindOpinion(msgspec.Struct, frozen=True):
    """Which kind of defect the edge sees.

    Attributes:
        name: one of the line's labelled kinds, or ``UNKNOWN_KIND`` where it is like none of them.
        confidence: calibrated probability, 0 to 1, that this name is right. "unknown" is right where the
            defect is of none of the line's kinds.
    """

    name: str
    confidence: float


class EdgeOpinion(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What the edge detector says of one frame.

    Attributes:
        score: anomaly score, higher is more anomalous; no probability.
        label: GOOD or DEFECT at the line's threshold.
        p_defect: calibrated P(defect), or None when the line has no labelled defects.
        map: anomaly map, or None for a detector without one.
        map_box: the part of the frame that the map covers.
        kind: the likely kind of the defect; None where the line knows no kinds, or the label is GOOD.
    """

    score: float
    label: int
    p_defect: float | None = None
    map: AnomalyMap | None = None
    map_box: Box | None = None
    kind: KindOpinion | None = None


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cloud's words for a defect: its kind, one sentence, and where (the box is the anomaly map's).

    The kind is the cloud's own word and free text; it need not be one of the line's kinds.
    """

    kind: str
    description: str
    box: Box | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CloudQuery:
    """One question to the cloud: a frame and its prompt context.

    Attributes:
        frame: the frame to judge.
        references: images of good parts of the same product, shown before the frame; may be empty.
        focus: where the anomaly map reaches the threshold and is hottest, for the explanation's box; None
            where it does not.
        hottest: where it is hottest, threshold or not; None where nothing stands out.
        complexity: the frame's complexity in the line's own units; None where it was not measured.

    Raises:
        ImageError: a reference has another shape or type.
    """

    frame: Frame
    references: tuple[Image, ...] = ()
    focus: Box | None = None
    hottest: Box | None = None
    complexity: float | None = None

    def __post_init__(self) -> None:
        for i, reference in enumerate(self.references):
            check_image(reference, f"reference {i} of frame {self.frame.id}")


class Spent(msgspec.Struct, frozen=True):
    """What one question took, all its passes together and words on a defect aside.

    Attributes:
        shown: what of the frame was shown, with the side in pixels: "whole 224", "crop 112".
        frame: visual tokens of the frame.
        references: visual tokens of the goods before it.
        text: tokens of the words; None where a service does not tell.
        bytes: bytes of the requests that went over the link; 0 to a model in this process.
    """

    shown: tuple[str, ...]
    frame: int
    references: int
    text: int | None
    bytes: int


@dataclass(frozen=True, slots=True)
class CloudOpinion:
    """What the multimodal LLM says of one frame: P(defect) from its two answer logits.

    ``weights`` is the beginning of the hash of the weights that a service answered with; "" where the model
    is loaded in this process, or the service tells none.
    """

    p_defect: float
    model: str
    prompt: str
    spent: Spent | None = None
    weights: str = ""


LinkState = Literal["up", "slow", "down", "probing"]

UNBOUNDED = 10**9
"""``CloudState.capacity`` where any number of frames may wait."""


class CloudState(msgspec.Struct, frozen=True):
    """What is known of the cloud when a frame is routed.

    Attributes:
        link: whether the cloud can be reached: "slow" answers, but late; "probing" was down, or
            too slow for any frame, and is tried with one frame at a time; "down" is not asked.
        queue: frames that wait for it now.
        capacity: frames that may wait.
        wait: seconds after which a frame that is sent now is expected to be answered, None when too
            little was seen to tell.
        left: seconds until this frame must have an answer, None without a deadline.
    """

    link: LinkState
    queue: int
    capacity: int
    wait: float | None = None
    left: float | None = None


class Route(msgspec.Struct, frozen=True):
    """Where a frame goes and why; ``reason`` is one of a policy's documented words."""

    decision: Literal["edge", "cloud"]
    reason: str


class EdgeRecord(msgspec.Struct, frozen=True):
    """The edge's opinion as it is logged."""

    score: float
    label: int
    p_defect: float | None = None
    kind: KindOpinion | None = None


class CloudRecord(msgspec.Struct, frozen=True):
    """The cloud's opinion as it is logged; ``role`` says whether it could change the label.

    ``weights`` is as in ``CloudOpinion``.
    """

    p_defect: float
    model: str
    prompt: str
    role: Literal["fused", "advisory", "alone"]
    spent: Spent | None = None
    weights: str = ""


class ErrorRecord(msgspec.Struct, frozen=True):
    """Why a frame has no label."""

    kind: str
    message: str


class Outline(msgspec.Struct, frozen=True):
    """One closed outline: ``points`` x0, y0, x1, y1, ... as shares of the image's width and height."""

    points: tuple[float, ...]


class Runs(msgspec.Struct, frozen=True):
    """A COCO run-length mask: ``counts`` of pixels, off and on by turns, down the columns."""

    height: int
    width: int
    counts: tuple[int, ...]


class Mask(msgspec.Struct, frozen=True, kw_only=True):
    """The defect's place on one image; what the parts mark is put together.

    Attributes:
        files: mask files of the image's size.
        outlines, runs: shapes of an annotation file.
        boxes: some shapes are boxes about the defect: its pixels are unknown.
        size: width and height of the image that the annotation was made for, or None.
        source: the annotation file, for errors.
    """

    files: tuple[Path, ...] = ()
    outlines: tuple[Outline, ...] = ()
    runs: tuple[Runs, ...] = ()
    boxes: bool = False
    size: tuple[int, int] | None = None
    source: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that say where the defect is."""
        return self.files or ((self.source,) if self.source else ())


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One image file to judge.

    Attributes:
        id: unique within a run, the path relative to the input with "/" between its parts.
        path: the file.
        truth: GOOD, DEFECT or None when unknown.
        mask: where the defect is, if the data set says it; a good's marks nothing.
        kind: the data set's word for the defect, "good", or "" when unknown.
    """

    id: str
    path: str
    truth: int | None = None
    part: str = ""
    mask: Mask | None = None
    kind: str = ""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that has the edge's opinion and waits for the cloud's; its pixels stay in its file.

    Attributes:
        seq: its place in the order of routing.
        state: what was known of the cloud then.
        focus: where the anomaly map reaches the threshold and is hottest, for the cloud's explanation.
        hottest: where it is hottest, threshold or not, for what the cloud is shown.
        map: name of the saved picture.
        ms: milliseconds per stage so far.
        begun, since: when its file was read and when it began to wait, in seconds of
            ``time.perf_counter``.
        problem: what went wrong beside the verdict so far (a picture that could not be saved).
        note: what is odd about the frame.
    """

    source: Source
    sha256: str
    time: float
    edge: EdgeRecord
    route: Route
    seq: int = 0
    state: CloudState | None = None
    complexity: float | None = None
    focus: Box | None = None
    hottest: Box | None = None
    map: str | None = None
    ms: dict[str, float] = {}
    begun: float = 0.0
    since: float = 0.0
    problem: str = ""
    note: str = ""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """How a frame was taken at a machine.

    Attributes:
        plc: name of the PLC whose trigger it was taken for, "" without one.
        trigger: the trigger's number at the station; None without a trigger.
        number: the camera's own number of the frame; None where it gives none.
        camera_time: when it was exposed, seconds of the camera's clock, which may begin anywhere.
    """

    plc: str = ""
    trigger: int | None = None
    number: int | None = None
    camera_time: float | None = None


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The answer for one frame, one line of ``verdicts.jsonl``.

    ``label`` is None exactly when ``state`` is "error". ``p_defect`` is that of the decision (fused
    where the cloud took part), None where the line has no labelled defects. ``ms`` maps each stage
    to milliseconds, and holds their sums "judging" and "waiting" (``saec.frame.verdicts``). ``energy_j`` is
    the frame's share of measured energy, None when it was not measured. ``seq`` counts the frames of a run
    in the order in which they were routed, and ``cloud_state`` is what the route was made with, so that it
    can be replayed. A frame has several verdicts where a provisional one was made final later, or an error
    was tried again: the later ones have ``replaces`` set and the last one stands. ``note`` says what is odd
    about the frame: its aspect, where it is not the line's. ``kind`` is the edge's name for the kind of a
    defect and ``kind_confidence`` the probability that it is right; both are None where the edge named no
    kind, and where the label is not DEFECT. ``true_kind`` is the data set's name for it, "" when unknown.
    ``trace`` is the id of the frame's trace, 32 hexadecimal digits, "" where it is not traced. ``part`` is
    the id of the part that the frame shows, "" when unknown; ``recipe`` the number of the recipe in force
    when it was taken, None without recipes; ``capture`` how it was taken at a machine. ``challenge`` is "RUN
    PART" where the frame shows a golden part, and "" else; nothing acts on such a verdict.
    """

    id: str
    path: str
    sha256: str
    line: str
    time: float
    seq: int = 0
    truth: int | None = None
    true_kind: str = ""
    label: int | None = None
    state: State = "final"
    replaces: bool = False
    score: float | None = None
    p_defect: float | None = None
    kind: str | None = None
    kind_confidence: float | None = None
    decided_by: DecidedBy = "edge"
    reason: str = ""
    route: Route | None = None
    cloud_state: CloudState | None = None
    complexity: float | None = None
    edge: EdgeRecord | None = None
    cloud: CloudRecord | None = None
    explanation: Explanation | None = None
    map: str | None = None
    ms: dict[str, float] = {}
    energy_j: float | None = None
    error: ErrorRecord | None = None
    note: str = ""
    trace: str = ""
    part: str = ""
    recipe: int | None = None
    capture: Capture | None = None
    challenge: str = ""
