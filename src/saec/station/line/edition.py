"""A version of a line, opened: everything that judges a frame, and how one frame is looked at by it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from saec.frame.assessment import (
    Assessment,
    DecodedFrame,
    DecodeImage,
    EncodedFrame,
    assess,
    decide_frame,
    decode_frame,
    measure_complexity,
)
from saec.frame.deadline_desk import Desk
from saec.frame.judges import Cloud, Judges, open_judges, read_references, warm_up
from saec.profile import LineProfile
from saec.schedule.calibration.drift import DriftMonitor
from saec.settings import BudgetConfig
from saec.station.line.guard import FrameGuard
from saec.station.setup.settings import LineSettings
from saec.station.storage.records import Held
from saec.types import EdgeOpinion, Image, Pending, Source

_GUARD_REFERENCES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Edition:
    """One version of a line, ready to judge.

    Attributes:
        number: the version.
        judges: detector, policy, rules, and the cloud where it is asked.
        guard: stops frames that are no fair picture.
        drift: watches the scores.
    """

    number: int
    judges: Judges
    guard: FrameGuard
    drift: DriftMonitor


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the edge made of a frame: the picture, the opinion, and what a verdict is made from."""

    image: Image
    opinion: EdgeOpinion
    pending: Pending


def open_edition(profile: LineProfile, number: int, line: LineSettings, cloud: Cloud | None) -> Edition:
    """Open a version and let its edge judge one frame, so that the first real one does not pay for it.

    The cloud is not asked: the station starts whether or not the link is up.

    Raises:
        SaecError: a file is missing or damaged, or the settings contradict the profile.
    """
    policy = "value" if line.budget is not None else line.policy
    judges = open_judges(profile, cloud, policy=policy, budget=BudgetConfig(share=line.budget))
    judges = replace(judges, rules=replace(judges.rules, line=line.name))
    warm_up(replace(judges, engine=None))
    references = read_references(profile, min(_GUARD_REFERENCES, len(profile.references())))
    return Edition(
        number=number,
        judges=judges,
        guard=FrameGuard(line.guard, references),
        drift=DriftMonitor(profile.calibration.goods),
    )


def load(frame: Held, path: Path, begun: float, *, bits: int, decode: DecodeImage) -> DecodedFrame:
    """A frame's pixels.

    Args:
        path: the frame's image in the spool.
        begun: when the frame was accepted, seconds of ``time.perf_counter``.
        decode: where its bytes are decoded.

    Raises:
        ImageError: the file is no image.
        DecoderError: what became of the decoder.
        OSError: the file cannot be read.
    """
    start = time.perf_counter()
    data = path.read_bytes()
    read = {"read": (time.perf_counter() - start) * 1e3, "wait": (start - begun) * 1e3}
    source = Source(id=frame.id, path=str(path))
    encoded = EncodedFrame(source, data, frame.sha256, frame.captured, begun, read)
    return decode_frame(encoded, bits=bits, decode=decode, name=frame.id)  # its path tells nobody


def assess_fairly(edition: Edition, pixels: DecodedFrame) -> tuple[DecodedFrame, Assessment]:
    """A frame with its complexity, and what the edge makes of it.

    Raises:
        GuardError: it is no fair picture.
        Exception: whatever the detector raises on it.
    """
    loaded = measure_complexity(pixels, edition.judges.complexity)
    edition.guard.check(loaded.image)
    judges = edition.judges
    return loaded, assess(loaded, judges.detector, judges.rules, crops=judges.crops)


def look(edition: Edition, seq: int, pixels: DecodedFrame, desk: Desk) -> Look:
    """The edge's opinion on a frame, and its route.

    Args:
        edition: the version that judges.
        seq: the frame's number in the spool.
        pixels: the frame as ``load`` gives it.
        desk: what is known of the cloud now.

    Raises:
        GuardError: it is no fair picture.
        Exception: whatever the detector raises on it.
    """
    loaded, seen = assess_fairly(edition, pixels)
    state = desk.state(loaded.begun)
    return Look(loaded.image, seen.opinion, decide_frame(loaded, seen, edition.judges.policy, state, seq))
