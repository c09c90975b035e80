"""The labelled frames of a recorded run, and which of them calibrate the line and which are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.config import GateConfig
from saec.errors import DataError
from saec.line import Calibration, CloudTrust
from saec.pipeline.log import read_verdicts
from saec.pipeline.replaying import scheduler_of
from saec.pipeline.running import verdicts_of
from saec.schedule.calibration import calibrate
from saec.schedule.fusion import MIN_LABELLED
from saec.schedule.value import with_asking
from saec.verdict import DEFECT, GOOD, EdgeOpinion, Verdict

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_BENCH = "bench"
# "created" of calibrations that are made here: a time would make two runs of the bench differ


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """n labelled frames with the edge's opinions, and what judges them.

    Attributes:
        name: of the line.
        calibration: the line's; made of other images than these.
        trust: how far the recorded cloud is trusted on the line, or None.
        cloud: name of the recorded cloud, "" without one.
        truth: whether each is a defect.
        score: the edge's.
        answers: the recorded cloud's P(defect), NaN where it was not asked.
        complexities: in the line's own units.
        hashes: sha256 of each file.
        numbers: of each frame among those of the run.
        edge_joules: measured energy per frame of the edge, None where it is unknown.
    """

    name: str
    calibration: Calibration
    trust: CloudTrust | None
    cloud: str
    truth: Flags
    score: Array
    answers: Array
    complexities: Sequence[float]
    hashes: Sequence[str]
    numbers: NDArray[np.int64]
    edge_joules: float | None = None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def recorded(self) -> bool:
        """Whether a cloud judged every frame, and the line was calibrated with it."""
        return self.trust is not None and not np.isnan(self.answers).any()

    @property
    def edge_wrong(self) -> Flags:
        """Whether the edge's label is wrong."""
        wrong: Flags = (self.score >= self.calibration.threshold) != self.truth
        return wrong

    def opinions(self) -> list[EdgeOpinion]:
        """As policies take them."""
        sigmoid, threshold = self.calibration.p_defect, self.calibration.threshold
        return [
            EdgeOpinion(s, DEFECT if s >= threshold else GOOD, None if sigmoid is None else sigmoid(s))
            for s in self.score.tolist()
        ]


def frames_of(run: Path, line: Path | None = None) -> Frames:
    """The frames of known truth of a run folder.

    Args:
        run: the run folder.
        line: the line profile that judged it; None looks where it lay then.

    Raises:
        DataError: no frame of known truth, goods alone, or a frame whose complexity was not measured.
    """
    scheduler = scheduler_of(run, line)
    verdicts = [v for v in read_verdicts(verdicts_of(run)) if v.edge is not None and v.truth is not None]
    verdicts.sort(key=lambda v: v.id)
    if len({v.truth for v in verdicts}) < 2:
        raise DataError(f"{run}: goods and defects are needed", "record a labelled data set with both")
    odd = [v.complexity for v in verdicts if v.complexity is not None]
    if len(odd) < len(verdicts):
        raise DataError(f"{run}: frames without their complexity", "fit the line again and record it anew")
    return Frames(
        name=scheduler.run.line.name,
        calibration=scheduler.calibration,
        trust=scheduler.trust,
        cloud=scheduler.run.cloud.name if scheduler.run.cloud is not None else "",
        truth=np.array([v.truth == DEFECT for v in verdicts]),
        score=np.array([v.edge.score for v in verdicts if v.edge is not None]),
        answers=np.array([v.cloud.p_defect if v.cloud is not None else np.nan for v in verdicts]),
        complexities=odd,
        hashes=[v.sha256 for v in verdicts],
        numbers=np.arange(len(verdicts)),
        edge_joules=_joules(verdicts),
    )


def splits(frames: Frames, count: int, seed: int) -> Iterator[Frames]:
    """The frames with a line that knows defects, ``count`` times.

    A line that was calibrated with defects judges all of them, each time (a stated cloud answers anew). One
    that knows goods alone is calibrated on a random half of the defects, each time another, and judges the
    rest.

    Raises:
        DataError: too few defects to share.
    """
    if len(frames.calibration.defects) >= MIN_LABELLED:
        yield from [frames] * count
        return
    defects = np.flatnonzero(frames.truth)
    if len(defects) < 2 * MIN_LABELLED:
        raise DataError(
            f"{frames.name}: {len(defects)} defects, of which half would calibrate the line",
            "calibrate the line with labelled defects and record it again",
        )
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _moved(frames, np.sort(rng.permutation(defects)[: len(defects) // 2]))


def _moved(frames: Frames, known: NDArray[np.int64]) -> Frames:
    """These defects calibrate the line; copies of their files go with them and are judged no more."""
    hashes = {frames.hashes[i] for i in known}
    rest = np.array([i for i, sha in enumerate(frames.hashes) if sha not in hashes])
    scores = {frames.hashes[i]: float(frames.score[i]) for i in known}
    odd = dict(zip(frames.hashes, frames.complexities, strict=True))
    old = frames.calibration
    new = calibrate(
        old.good_scores,
        list(scores.values()),
        overkill=old.overkill,
        gate=GateConfig(),
        prevalence=old.prevalence,
        created=_BENCH,
    )
    complexities = {**old.complexities, **{sha: odd[sha] for sha in scores}}
    new = msgspec.structs.replace(new, defect_scores=scores, complexities=complexities)
    return Frames(
        name=frames.name,
        calibration=with_asking(new),
        trust=None,  # it held for the old calibration
        cloud=frames.cloud,
        truth=frames.truth[rest],
        score=frames.score[rest],
        answers=frames.answers[rest],
        complexities=[frames.complexities[i] for i in rest],
        hashes=[frames.hashes[i] for i in rest],
        numbers=frames.numbers[rest],
        edge_joules=frames.edge_joules,
    )


def _joules(verdicts: Sequence[Verdict]) -> float | None:
    """Mean measured energy of the frames that the edge judged alone; None where any is unknown."""
    spent = [v.energy_j for v in verdicts if v.cloud is None]
    known = [joules for joules in spent if joules is not None]
    return float(np.mean(known)) if spent and len(known) == len(spent) else None
