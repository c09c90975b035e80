"""A frame's way at the edge, one stage below the other: read, decode, measure, assess, route, record.

Each stage is a function of plain values. The run loop, the station, the replay, the simulator and the bench
all come here; nobody else asks a policy, looks for a hottest place or makes a ``Pending``. A new input of a
policy is a field of ``Assessment`` and an argument in ``route_frame``. The cloud's part is in
``saec.frame.cloud_questions``, the verdicts are in ``saec.frame.verdicts``.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec

from saec.contracts import EdgeDetector
from saec.data.images import pixels
from saec.errors import AnswerError, ImageError
from saec.frame.hottest_place import hottest_box, unusual_place
from saec.frame.verdicts import Rules
from saec.schedule.policies.policy_contract import Scheduler
from saec.settings import FitConfig
from saec.types import (
    LONGEST_KIND,
    Box,
    CloudState,
    EdgeOpinion,
    EdgeRecord,
    Image,
    KindOpinion,
    Pending,
    Route,
    Source,
)

_ODD_ASPECT = 1.1
"""A frame is named when its aspect is this far from that of the line's frames, as a factor."""

ComplexityMeasure = Callable[[Image], float]
"""The scene complexity of an image."""


ReadBytes = Callable[[Source], bytes]
"""The bytes of the file that a source names, as ``file_bytes``; it raises OSError where there are none."""


class DecodeImage(Protocol):
    """Bytes of a file to H x W x 3 RGB uint8, as ``saec.data.images.pixels.decode_image``."""

    def __call__(self, data: bytes, *, bits: int, name: str) -> Image: ...


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """A file as read.

    Attributes:
        source: where it came from.
        data: the file's bytes.
        sha256: their hash.
        time: when it was taken or read, seconds since the epoch.
        begun: when it was read or accepted, seconds of ``time.perf_counter``.
        ms: milliseconds of each stage so far.
    """

    source: Source
    data: bytes
    sha256: str
    time: float
    begun: float
    ms: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """A frame with its pixels.

    Attributes:
        source, sha256, time, begun, ms: what ``EncodedFrame`` has by these names.
        image: H x W x 3 uint8, RGB.
        complexity: the scene's complexity, in the line's own units; None where it was not measured.
    """

    source: Source
    image: Image
    sha256: str
    time: float
    begun: float
    complexity: float | None
    ms: dict[str, float]


class Assessment(msgspec.Struct, frozen=True, eq=False):
    """What the edge makes of a frame.

    Attributes:
        opinion: the edge's opinion, with its anomaly map where it has one.
        complexity: the scene's complexity in the line's own units; None where it was not measured.
        focus: where the map reaches the threshold and is hottest, for the cloud's explanation.
        hottest: where it is hottest, threshold or not; None where the cloud is shown no crop.
        note: what is odd about the frame; "" where nothing is.
        ms: milliseconds of each stage so far.
        end: when the edge had its opinion, in seconds of ``time.perf_counter``.
    """

    opinion: EdgeOpinion
    complexity: float | None = None
    focus: Box | None = None
    hottest: Box | None = None
    note: str = ""
    ms: dict[str, float] | None = None
    end: float = 0.0


def file_bytes(source: Source) -> bytes:
    """The bytes of a file on this machine."""
    return Path(source.path).read_bytes()


def read_frame(source: Source, read: ReadBytes = file_bytes) -> EncodedFrame:
    """Read and hash a file.

    Args:
        source: the file.
        read: where its bytes come from; an archive has its own way.

    Raises:
        ImageError: it cannot be read, or its name cannot be written to a log.
    """
    try:
        (source.path + source.id).encode()
    except UnicodeEncodeError:
        raise ImageError("the file name is not valid UTF-8", "rename the file") from None
    now, start = time.time(), time.perf_counter()
    try:
        data = read(source)
    except OSError as e:
        raise ImageError(f"{source.path}: {e.strerror or e}", "check that the file can be read") from e
    sha256 = hashlib.sha256(data).hexdigest()
    return EncodedFrame(source, data, sha256, now, start, {"read": (time.perf_counter() - start) * 1e3})


def decode_frame(
    encoded: EncodedFrame,
    *,
    bits: int = FitConfig().bits,
    decode: DecodeImage = pixels.decode_image,
    name: str = "",
) -> DecodedFrame:
    """Decode a frame, once.

    Args:
        encoded: the frame's bytes.
        bits: significant bits of a 16-bit image.
        decode: where untrusted bytes are decoded, ``saec.data.images.killable_decoder.Decoder.decode``.
        name: what errors call the frame; "" takes its path.

    Raises:
        ImageError: the bytes are no image.
        DecoderError: what became of the decoder.
    """
    start = time.perf_counter()
    image = decode(encoded.data, bits=bits, name=name or encoded.source.path)
    ms = {**encoded.ms, "decode": (time.perf_counter() - start) * 1e3}
    return DecodedFrame(encoded.source, image, encoded.sha256, encoded.time, encoded.begun, None, ms)


def measure_complexity(frame: DecodedFrame, measure: ComplexityMeasure | None) -> DecodedFrame:
    """The frame with its complexity; as it is where there is no measure."""
    if measure is None:
        return frame
    start = time.perf_counter()
    value = measure(frame.image)
    return replace(
        frame, complexity=value, ms={**frame.ms, "complexity": (time.perf_counter() - start) * 1e3}
    )


def assess(frame: DecodedFrame, detector: EdgeDetector, rules: Rules, *, crops: bool = False) -> Assessment:
    """Let the edge judge one decoded frame, whose complexity is measured already.

    Args:
        frame: the decoded frame.
        detector: the edge.
        rules: the line's: its calibration, and the usual size of its frames.
        crops: the cloud may be shown a crop of the hottest place.

    Raises:
        AnswerError: the score is not a number, or the kind is no name with a probability.
        Exception: whatever the detector raises on it.
    """
    start = time.perf_counter()
    (opinion,) = detector.inspect([frame.image])
    end = time.perf_counter()
    if not math.isfinite(opinion.score):
        raise AnswerError(f"the detector's score is {opinion.score}", "fit the line again")
    if opinion.kind is not None:
        _check_kind(opinion.kind)
    return Assessment(
        opinion=opinion,
        complexity=frame.complexity,
        focus=hottest_box(opinion, rules.calibration.threshold),
        hottest=unusual_place(opinion, rules.calibration) if crops else None,
        note=_note(frame.image.shape, rules.frame),
        ms={**frame.ms, "edge": (end - start) * 1e3},
        end=end,
    )


def logged_assessment(edge: EdgeRecord, complexity: float | None) -> Assessment:
    """The part of an assessment that a log keeps, which is all that a policy may look at."""
    return Assessment(EdgeOpinion(edge.score, edge.label, edge.p_defect, kind=edge.kind), complexity)


def route_frame(seen: Assessment, policy: Scheduler, state: CloudState, taken: float) -> Route:
    """Who answers a frame.

    Args:
        seen: what the edge makes of it.
        policy: decides; one that remembers the frames before is told of each frame once, in their order.
        state: what is known of the cloud now.
        taken: when the frame was taken, in seconds since the epoch.
    """
    return policy.route(seen.complexity, seen.opinion, state, taken)


def pending_frame(
    source: Source,
    seen: Assessment,
    route: Route,
    state: CloudState | None,
    *,
    taken: float,
    seq: int,
    sha256: str = "",
    begun: float = 0.0,
) -> Pending:
    """The record that goes on, from which every verdict on the frame is made.

    Args:
        source: the file of the frame.
        seen: what the edge makes of it.
        route: who answers it.
        state: what its route was made with.
        taken: when the frame was taken, in seconds since the epoch.
        seq: the frame's place in the order of routing.
        sha256: the hash of the file's bytes.
        begun: when its file was read, in seconds of ``time.perf_counter``.
    """
    opinion = seen.opinion
    return Pending(
        source=source,
        sha256=sha256,
        time=taken,
        edge=EdgeRecord(float(opinion.score), int(opinion.label), opinion.p_defect, opinion.kind),
        route=route,
        seq=seq,
        state=state,
        complexity=seen.complexity,
        focus=seen.focus,
        hottest=seen.hottest,
        ms=seen.ms or {},
        begun=begun,
        note=seen.note,
    )


def decide_frame(
    frame: DecodedFrame, seen: Assessment, policy: Scheduler, state: CloudState, seq: int
) -> Pending:
    """Route an assessed frame: ``route_frame`` and ``pending_frame`` for one that was decoded."""
    route = route_frame(seen, policy, state, frame.time)
    return pending_frame(
        frame.source,
        seen,
        route,
        state,
        taken=frame.time,
        seq=seq,
        sha256=frame.sha256,
        begun=frame.begun,
    )


def _check_kind(kind: KindOpinion) -> None:
    """Refuse a name that no line can know, or a confidence that is no probability."""
    if not 0.0 <= kind.confidence <= 1.0:  # NaN, too
        raise AnswerError(f"the detector's confidence in a kind is {kind.confidence}", "fit the line again")
    if not kind.name.isprintable() or not 0 < len(kind.name) <= LONGEST_KIND:
        raise AnswerError(
            f"the detector names a kind {kind.name[:LONGEST_KIND]!r}, which cannot be one",
            "fit the line again",
        )


def _note(shape: tuple[int, ...], usual: tuple[int, int] | None) -> str:
    """What is odd about a frame of that shape: the line would see it stretched. "" where nothing is."""
    if usual is None:
        return ""
    (height, width), aspect = shape[:2], usual[1] / usual[0]
    factor = max(width / height / aspect, aspect * height / width)
    if factor <= _ODD_ASPECT:
        return ""
    line = f"{usual[1]} x {usual[0]}"
    return (
        f"the frame has {width} x {height} pixels, another aspect ratio than the line was fitted on ({line})"
    )
