"""Counts over verdicts: outcomes, routes, times. Pure functions of a list of verdicts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saec.frame.verdicts import JUDGING, SUMS, WAITING
from saec.types import DEFECT, GOOD, VerdictRecord

STAGES = (*JUDGING, SUMS[0], *WAITING, SUMS[1], "answer")


@dataclass(frozen=True)
class Tally:
    """Outcomes of a run.

    Attributes:
        frames: all of them; ``errors`` have no label.
        good, defect: frames by the verdict's label.
        true_good, true_defect: judged frames by their truth; both 0 when it is unknown.
        tp, fp, tn, fn: the counts of judged frames with known truth; defect is positive.
        asked: frames with an opinion of the cloud; ``escalated`` those that were sent to it.
        fallbacks: frames that should have gone to the cloud and kept the edge's answer.
        put_right, put_wrong: frames whose right or wrong label differs from the edge's own; ``caught`` are
            the defects among the former (escapes of the edge), ``lost`` those among the latter (new escapes).
        changed: all frames whose label differs from the edge's own.
        heard: frames with an opinion of the cloud that could change the label; ``kept_right`` and
            ``kept_wrong`` are those of known truth whose label stayed.
    """

    frames: int
    errors: int
    good: int
    defect: int
    true_good: int
    true_defect: int
    tp: int
    fp: int
    tn: int
    fn: int
    asked: int
    escalated: int
    fallbacks: int
    put_right: int
    put_wrong: int
    caught: int
    lost: int
    changed: int
    heard: int
    kept_right: int
    kept_wrong: int

    @property
    def judged(self) -> int:
        return self.frames - self.errors

    @property
    def labelled(self) -> int:
        """Judged frames with known truth."""
        return self.true_good + self.true_defect


@dataclass(frozen=True)
class RouteRow:
    """Frames that one side decided for one reason; ``wrong`` is None when no truth is known."""

    decided_by: str
    reason: str
    frames: int
    defect: int
    wrong: int | None


@dataclass(frozen=True)
class StageRow:
    """Milliseconds of one stage over the frames that passed it."""

    stage: str
    frames: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Share:
    """Frames with one outcome, for the bar at the top."""

    name: str
    frames: int


def tally(verdicts: Sequence[VerdictRecord]) -> Tally:
    """Count the outcomes of a run."""
    labels = Counter(v.label for v in verdicts)
    pairs = Counter((v.truth, v.label) for v in verdicts if v.label is not None)
    moved = Counter((v.truth, v.label == v.truth) for v in verdicts if changed(v))
    kept = Counter(wrong(v) for v in verdicts if heard(v) and v.truth is not None and not changed(v))
    return Tally(
        frames=len(verdicts),
        errors=labels[None],
        good=labels[GOOD],
        defect=labels[DEFECT],
        true_good=pairs[GOOD, GOOD] + pairs[GOOD, DEFECT],
        true_defect=pairs[DEFECT, GOOD] + pairs[DEFECT, DEFECT],
        tp=pairs[DEFECT, DEFECT],
        fp=pairs[GOOD, DEFECT],
        tn=pairs[GOOD, GOOD],
        fn=pairs[DEFECT, GOOD],
        asked=sum(v.cloud is not None for v in verdicts),
        escalated=sum(v.route is not None and v.route.decision == "cloud" for v in verdicts),
        fallbacks=sum(v.decided_by == "edge-fallback" for v in verdicts),
        put_right=moved[GOOD, True] + moved[DEFECT, True],
        put_wrong=moved[GOOD, False] + moved[DEFECT, False],
        caught=moved[DEFECT, True],
        lost=moved[DEFECT, False],
        changed=sum(map(changed, verdicts)),
        heard=sum(map(heard, verdicts)),
        kept_right=kept[False],
        kept_wrong=kept[True],
    )


def changed(verdict: VerdictRecord) -> bool:
    """Whether the final label differs from the edge's own."""
    return verdict.edge is not None and verdict.label is not None and verdict.label != verdict.edge.label


def heard(verdict: VerdictRecord) -> bool:
    """Whether the cloud gave an opinion that could change the label."""
    return verdict.cloud is not None and verdict.cloud.role != "advisory"


def wrong(verdict: VerdictRecord) -> bool:
    """Whether the label contradicts a known truth."""
    return None not in (verdict.label, verdict.truth) and verdict.label != verdict.truth


def shares(verdicts: Sequence[VerdictRecord]) -> list[Share]:
    """Frames by label and by who decided, in a fixed order, without the empty ones."""
    counts = Counter(_outcome(v) for v in verdicts)
    order = ("good-edge", "good-cloud", "defect-cloud", "defect-edge", "error")
    return [Share(name, counts[name]) for name in order if counts[name]]


def _outcome(verdict: VerdictRecord) -> str:
    if verdict.label is None:
        return "error"
    label = "defect" if verdict.label == DEFECT else "good"
    return f"{label}-{'cloud' if verdict.decided_by == 'cloud' else 'edge'}"


def routes(verdicts: Sequence[VerdictRecord]) -> list[RouteRow]:
    """Frames by who decided and why, the most frequent first within each side."""
    groups: dict[tuple[str, str], list[VerdictRecord]] = defaultdict(list)
    for v in verdicts:
        groups[v.decided_by, v.reason].append(v)
    rows = [
        RouteRow(
            decided_by=by,
            reason=reason,
            frames=len(group),
            defect=sum(v.label == DEFECT for v in group),
            wrong=sum(map(wrong, group)) if any(v.truth is not None for v in group) else None,
        )
        for (by, reason), group in groups.items()
    ]
    order = ("edge", "cloud", "edge-fallback", "none")
    return sorted(rows, key=lambda r: (order.index(r.decided_by), -r.frames, r.reason))


def stage_times(verdicts: Sequence[VerdictRecord]) -> list[StageRow]:
    """Median and 95th percentile of each stage; stages that we do not know come before the total."""
    times: dict[str, list[float]] = defaultdict(list)
    for v in verdicts:
        for stage, ms in v.ms.items():
            times[stage].append(ms)
    known = {stage: place for place, stage in enumerate(STAGES)}
    names = sorted(times, key=lambda s: (known.get(s, len(STAGES) - 1.5), s))
    return [
        StageRow(s, len(times[s]), float(np.percentile(times[s], 50)), float(np.percentile(times[s], 95)))
        for s in names
    ]
