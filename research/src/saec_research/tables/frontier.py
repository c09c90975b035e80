"""Accuracy, escapes and energy against the share of frames that the cloud is asked about: all policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.schedule.statistics.paired import Interval, interval, resampled
from saec.settings import CostConfig
from saec_research.tables.bench_settings import FrontierPlan
from saec_research.tables.frame_streams import RANKED, SINGLE, FrameStream, StatedCloud, judge, make_stream
from saec_research.tables.labelled_frames import Array, LabelledFrames, folds, pooled

Column = tuple[str, float | None]
"""A policy and its budget, None for one that takes none."""

OURS = "value"
DRAWS = 2000
BAR_SHARE = 0.3
"""The share at which policies are compared in words."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One policy at one budget.

    Attributes:
        budget: the share that it may ask about, None for a policy that takes none.
        share: the share of frames that it asked about.
        accuracy, escape_rate, overkill_rate: the labels' rates, with bootstrap intervals of 95 %.
        behind: accuracy of ours at this budget less this policy's, paired; None where ours has no such
            point.
        joules: per frame: of the questions as ``CostConfig`` states it, and the edge's where it was measured.
    """

    policy: str
    budget: float | None
    share: float
    accuracy: float
    accuracy_interval: Interval
    escape_rate: float
    escape_interval: Interval
    overkill_rate: float
    behind: float | None
    behind_interval: Interval | None
    joules: float


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """All policies with one cloud.

    Attributes:
        line: its name, or of several lines how many.
        cloud: who answers; ``correlation`` of a stated cloud's errors with the edge's, None else.
        n_good, n_defect: images that are judged.
        splits: calibrations that the figures are a mean over, and draws of a stated cloud.
        fused: the number of those in which the cloud had earned its say.
        edge_joules: measured, per frame; in ``Point.joules`` unless it is None.
    """

    line: str
    cloud: str
    correlation: float | None
    n_good: int
    n_defect: int
    splits: int
    fused: int
    edge_joules: float | None
    points: list[Point]

    def at(self, policy: str, budget: float | None) -> Point:
        return next(p for p in self.points if (p.policy, p.budget) == (policy, budget))


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured of one line, or the mean of several, with its bootstrap draws.

    Attributes:
        about: what ``Curves`` has, without points.
        columns: what the rows of ``values`` and of each draw are of.
        values: n x 4: share asked, accuracy, escape rate, overkill rate.
        draws: draws x n x 3: the last three over resampled frames, paired over the columns.
    """

    about: Curves
    columns: Sequence[Column]
    values: Array
    draws: NDArray[np.float64]

    def curves(self) -> Curves:
        points = [self._point(at) for at in range(len(self.columns))]
        return msgspec.structs.replace(self.about, points=points)

    def _point(self, at: int) -> Point:
        (name, budget), (share, accuracy, escape, overkill) = self.columns[at], self.values[at].tolist()
        behind = behind_interval = None
        if (OURS, budget) in self.columns:
            ours = self.columns.index((OURS, budget))
            behind = float(self.values[ours, 1]) - accuracy
            behind_interval = interval(self.draws[:, ours, 0] - self.draws[:, at, 0])
        return Point(
            policy=name,
            budget=budget,
            share=share,
            accuracy=accuracy,
            accuracy_interval=interval(self.draws[:, at, 0]),
            escape_rate=escape,
            escape_interval=interval(self.draws[:, at, 1]),
            overkill_rate=overkill,
            behind=behind,
            behind_interval=behind_interval,
            joules=(self.about.edge_joules or 0.0) + share * CostConfig().question_joules,
        )


def measure_frontier(
    frames: LabelledFrames,
    cloud: StatedCloud | None,
    plan: FrontierPlan,
    step: Callable[[], None] = lambda: None,
) -> Measured:
    """Let all policies judge the frames of one line.

    Args:
        frames: the frames of a run, with its line.
        cloud: who answers; None is the recorded cloud.
        plan: shares, lengths and seed.
        step: called when a stream is done.

    Raises:
        DataError: too few goods or defects, see ``folds``.
    """
    columns: list[Column] = [(name, share) for share in plan.shares for name in RANKED]
    columns += [(name, None) for name in SINGLE]
    frames = frames if cloud is None else pooled(frames)
    sums = np.zeros((len(frames), 2 + 3 * len(columns)))
    fused = count = 0
    every = [frames] if cloud is None else folds(frames, plan.repeats, plan.seed)
    for count, part in enumerate(every, 1):
        rng = np.random.default_rng([plan.seed, count])
        stream = make_stream(part, cloud, plan.length, rng)
        fused += stream.trust.mode == "fused"
        _add(sums, stream, columns, plan.seed)
        step()
    about = Curves(
        line=frames.name,
        cloud=frames.cloud if cloud is None else str(cloud),
        correlation=None if cloud is None else cloud.correlation,
        n_good=int((~frames.truth).sum()),
        n_defect=int(frames.truth.sum()),
        splits=count,
        fused=fused,
        edge_joules=frames.edge_joules,
        points=[],
    )
    total = sums.sum(axis=0, keepdims=True)
    asked = total[0, 2::3] / total[0, :2].sum()
    values = np.column_stack([asked, _rates(total)[0]])
    return Measured(about, columns, values, _rates(resampled(sums, frames.hashes, draws=DRAWS)))


def mean_of(several: Sequence[Measured]) -> Measured:
    """The mean over lines, each weighing the same; its draws are of the frames within the lines."""
    abouts = [m.about for m in several]
    joules = [a.edge_joules for a in abouts if a.edge_joules is not None]
    about = Curves(
        line=f"mean of {len(several)} lines",
        cloud=abouts[0].cloud,
        correlation=abouts[0].correlation,
        n_good=sum(a.n_good for a in abouts),
        n_defect=sum(a.n_defect for a in abouts),
        splits=sum(a.splits for a in abouts),
        fused=sum(a.fused for a in abouts),
        edge_joules=float(np.mean(joules)) if len(joules) == len(abouts) else None,
        points=[],
    )
    # Lines are drawn apart: draw k of one has nothing to do with draw k of another.
    rng = np.random.default_rng(0)
    draws = np.mean([rng.permutation(m.draws) for m in several], axis=0)
    return Measured(about, several[0].columns, np.mean([m.values for m in several], axis=0), draws)


def _add(sums: Array, stream: FrameStream, columns: Sequence[Column], seed: int) -> None:
    """Per frame of the run: how often it came as good and as defect; per column asked, overkill, escape."""
    frame = stream.frames.numbers[stream.order]
    defect = stream.frames.truth[stream.order]
    np.add.at(sums, (frame, np.where(defect, 1, 0)), 1.0)
    for at, (name, budget) in enumerate(columns):
        asked, right = judge(stream, name, budget, seed)
        happened = np.column_stack([asked, ~right & ~defect, ~right & defect])
        np.add.at(sums[:, 2 + 3 * at : 5 + 3 * at], frame, happened.astype(np.float64))


def _rates(sums: Array) -> NDArray[np.float64]:
    """rows x columns x (accuracy, escape rate, overkill rate); a class without a frame has rate 0."""
    good, defect = sums[:, 0, None], sums[:, 1, None]
    overkill, escape = sums[:, 3::3], sums[:, 4::3]
    accuracy = 1 - (overkill + escape) / (good + defect)
    return np.stack([accuracy, escape / np.maximum(defect, 1), overkill / np.maximum(good, 1)], axis=2)
