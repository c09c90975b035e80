"""The labelled frames of a recorded run, and which of them calibrate the line and which are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError
from saec.profile import Calibration, CloudTrust
from saec.runs.recorded_scheduler import scheduler_of
from saec.runs.run_folder import verdicts_of
from saec.runs.verdict_log import read_verdicts
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.trust import MIN_LABELLED
from saec.schedule.policies.expected_value import with_asking
from saec.settings import GateConfig
from saec.settings.threshold_rule import ThresholdRule
from saec.types import DEFECT, GOOD, EdgeOpinion, VerdictRecord

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

FOLDS = 5
"""A fifth of the images is judged, the other four calibrate."""

_BENCH = "bench"
# "created" of calibrations that are made here: a time would make two runs of the bench differ


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrames:
    """n labelled frames with the edge's opinions, and what judges them.

    Attributes:
        name: the line's name.
        calibration: the line's; made of other images than these.
        trust: how far the recorded cloud is trusted on the line, or None.
        cloud: name of the recorded cloud, "" without one.
        truth: whether each is a defect.
        score: the edge's.
        answers: the recorded cloud's P(defect), NaN where it was not asked.
        complexities: the frames' complexities in the line's own units.
        hashes: sha256 of each file.
        numbers: each frame's number among those of the run.
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


def labelled_frames(run: Path, line: Path | None = None) -> LabelledFrames:
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
        raise DataError(
            f"{run} does not hold both good and defect images", "record a labelled data set with both"
        )
    odd = [v.complexity for v in verdicts if v.complexity is not None]
    if len(odd) < len(verdicts):
        raise DataError(
            f"{run} has frames without their complexity", "fit the line again and record it again"
        )
    return LabelledFrames(
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


def pooled(frames: LabelledFrames) -> LabelledFrames:
    """The frames and the images that calibrate their line, so that each may do either.

    Goods that the line was fitted on come with their cross-fitted scores, known defects with the detector's,
    which has not seen them. No cloud has answered them. An image in both comes once, as a frame.

    Raises:
        DataError: the complexity of a calibration image is not known.
    """
    line, seen = frames.calibration, set(frames.hashes)
    known = [(sha, score, False) for sha, score in line.good_scores.items() if sha not in seen]
    known += [(sha, score, True) for sha, score in line.defect_scores.items() if sha not in seen]
    if not all(sha in line.complexities for sha, _, _ in known):
        raise DataError(
            f"{frames.name}: some calibration images lack their complexity",
            "fit the line again and record it again",
        )
    return replace(
        frames,
        truth=np.r_[frames.truth, np.array([defect for _, _, defect in known], dtype=bool)],
        score=np.r_[frames.score, np.array([score for _, score, _ in known], dtype=np.float64)],
        answers=np.r_[frames.answers, np.full(len(known), np.nan)],
        complexities=[*frames.complexities, *(line.complexities[sha] for sha, _, _ in known)],
        hashes=[*frames.hashes, *(sha for sha, _, _ in known)],
        numbers=np.arange(len(frames) + len(known)),
    )


def folds(frames: LabelledFrames, repeats: int, seed: int) -> Iterator[LabelledFrames]:
    """Each fifth of the images, judged by a line that is calibrated on the other four; so often anew.

    Goods and defects are spread alike over the fifths; copies of a file stay together.

    Raises:
        DataError: too few goods or defects.
    """
    truth = dict(zip(frames.hashes, frames.truth.tolist(), strict=True))
    classes = [sorted(sha for sha, defect in truth.items() if defect is side) for side in (False, True)]
    fewest = min(map(len, classes))
    if fewest < FOLDS * MIN_LABELLED / (FOLDS - 1):
        raise DataError(
            f"{frames.name}: {fewest} images of one class are too few to share between calibration and test",
            "record a data set with more good and defect images",
        )
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        fold = {sha: at % FOLDS for side in classes for at, sha in enumerate(rng.permutation(side).tolist())}
        for held in range(FOLDS):
            yield _held_out(frames, np.array([fold[sha] == held for sha in frames.hashes]))


def _held_out(frames: LabelledFrames, held: Flags) -> LabelledFrames:
    """These frames, judged by a line that is calibrated on the others."""
    scores: tuple[dict[str, float], dict[str, float]] = ({}, {})
    rest: list[int] = np.flatnonzero(~held).tolist()
    for i in rest:
        scores[int(frames.truth[i])][frames.hashes[i]] = float(frames.score[i])
    old, (goods, defects) = frames.calibration, scores
    new = calibrate(
        goods,
        list(defects.values()),
        rule=ThresholdRule(overkill_rate=old.overkill),
        gate=GateConfig(),
        prevalence=old.prevalence,
        created=_BENCH,
    )
    odd = {frames.hashes[i]: frames.complexities[i] for i in rest}
    new = msgspec.structs.replace(new, defect_scores=defects, complexities=odd)
    at: list[int] = np.flatnonzero(held).tolist()
    return replace(
        frames,
        calibration=with_asking(new),
        trust=None,  # it held for the old calibration
        truth=frames.truth[at],
        score=frames.score[at],
        answers=frames.answers[at],
        complexities=[frames.complexities[i] for i in at],
        hashes=[frames.hashes[i] for i in at],
        numbers=frames.numbers[at],
    )


def _joules(verdicts: Sequence[VerdictRecord]) -> float | None:
    """Mean measured energy of the frames that the edge judged alone; None where any is unknown."""
    spent = [v.energy_j for v in verdicts if v.cloud is None]
    known = [joules for joules in spent if joules is not None]
    return float(np.mean(known)) if spent and len(known) == len(spent) else None
