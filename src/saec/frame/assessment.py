"""The core of judging a frame: what the edge makes of it, who answers it, and the record that goes on.

The run loop, the station, the audit, the simulator and the bench all come here; nobody else asks a policy,
looks for a hottest place or makes a ``Pending``. A new input of a policy is a field of ``Assessment`` and an
argument in ``route_frame``.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from saec.errors import AnswerError
from saec.frame.hottest_place import hottest_box, unusual_place
from saec.frame.judges import Judges
from saec.frame.stages import Loaded
from saec.frame.verdicts import frame_note
from saec.schedule.policies.contract import Policy
from saec.types import Box, CloudState, EdgeOpinion, EdgeRecord, Pending, Route, Source


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
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


def assess(loaded: Loaded, judges: Judges) -> Assessment:
    """Let the edge judge one decoded frame, whose complexity is measured already.

    Raises:
        AnswerError: the score is not a number.
        Exception: whatever the detector raises on it.
    """
    start = time.perf_counter()
    (opinion,) = judges.detector.inspect([loaded.image])
    end = time.perf_counter()
    if not math.isfinite(opinion.score):
        raise AnswerError(f"the detector's score is {opinion.score}", "fit the line again")
    calibration = judges.rules.calibration
    return Assessment(
        opinion=opinion,
        complexity=loaded.complexity,
        focus=hottest_box(opinion, calibration.threshold),
        hottest=unusual_place(opinion, calibration) if judges.crops else None,
        note=frame_note(loaded.image.shape, judges.rules),
        ms={**loaded.ms, "edge": (end - start) * 1e3},
        end=end,
    )


def recorded(edge: EdgeRecord, complexity: float | None) -> Assessment:
    """The part of an assessment that a log keeps, which is all that a policy may look at."""
    return Assessment(EdgeOpinion(edge.score, edge.label, edge.p_defect), complexity)


def route_frame(seen: Assessment, policy: Policy, state: CloudState, taken: float) -> Route:
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
        edge=EdgeRecord(float(opinion.score), int(opinion.label), opinion.p_defect),
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


def decide_frame(loaded: Loaded, seen: Assessment, policy: Policy, state: CloudState, seq: int) -> Pending:
    """Route an assessed frame: ``route_frame`` and ``pending_frame`` for one whose pixels were loaded."""
    route = route_frame(seen, policy, state, loaded.time)
    return pending_frame(
        loaded.source,
        seen,
        route,
        state,
        taken=loaded.time,
        seq=seq,
        sha256=loaded.sha256,
        begun=loaded.begun,
    )
