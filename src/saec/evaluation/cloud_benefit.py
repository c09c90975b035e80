"""What asking a cloud adds, on labelled images that edge and cloud have both judged.

For each share of frames asked, the most unsure go to the cloud, in the gate's own order: on each side
of the threshold the distance from it counts in units of that side of the gate, so that the gate is
exactly the set of distance one; a side without an end is measured as the other. The labels are those
that the line's scheduler would give (``saec.schedule.calibration.trust``), so asking is measured with its
fusion and not with an ideal one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError
from saec.profile import OPEN, Calibration
from saec.schedule.calibration.cross_fit import Labels, Opinions, edge_labels
from saec.schedule.calibration.trust import MIN_LABELLED
from saec.schedule.statistics.paired import Interval, holm, interval, mcnemar, resampled
from saec.types import DEFECT, GOOD

Array = NDArray[np.float64]
Outcome = Literal["worth", "not shown", "worse", "too few"]

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
ALPHA = 0.05
ENOUGH_OF_IT = 0.9
"""Of several shares that are worth it, the smallest with this part of the largest gain is named."""


class LabelErrors(msgspec.Struct, frozen=True):
    """What one judge gets right and wrong on the images."""

    accuracy: float
    escapes: int
    overkills: int


class BenefitRow(msgspec.Struct, frozen=True, kw_only=True):
    """Edge against edge with the cloud at one share of frames asked.

    Attributes:
        share: asked for; ``asked`` frames are that many, rounded.
        accuracy: the cascade's accuracy; ``gain`` is its difference to the edge's.
        escapes_avoided, overkills_avoided: the edge's less the cascade's; negative is more of them.
        *_interval: 95 %, paired bootstrap by part.
        mended, spoiled: frames put right and put wrong by the cloud.
        mcnemar_p: exact, of this share alone; ``holm_p`` is corrected for all shares looked at.
        extra_ms, extra_j: milliseconds and joules of the cloud per frame of the line, asked or not; None
            where not measured.
    """

    share: float
    asked: int
    accuracy: float
    gain: float
    gain_interval: Interval
    escapes_avoided: int
    escapes_interval: Interval
    overkills_avoided: int
    overkills_interval: Interval
    mended: int
    spoiled: int
    mcnemar_p: float
    holm_p: float
    extra_ms: float | None = None
    extra_j: float | None = None


class BenefitConclusion(msgspec.Struct, frozen=True):
    """Whether it is worth it, at which share, in one sentence."""

    outcome: Outcome
    share: float | None
    sentence: str


def asking_order(calibration: Calibration, score: Array) -> NDArray[np.int64]:
    """Indices of the frames, the most unsure first (module docstring); ties by nearness, then in order."""
    away = score - calibration.threshold
    width = np.where(away >= 0, *_sides(calibration))
    unsure = np.divide(np.abs(away), width, out=np.full(len(score), np.inf), where=width > 0)
    unsure[away == 0] = 0.0
    return np.lexsort((np.abs(away), unsure))


def count_errors(truth: Labels, labels: Labels) -> LabelErrors:
    """Accuracy, escapes and overkills of labels."""
    wrong = labels != truth
    return LabelErrors(
        accuracy=float(1 - wrong.mean()),
        escapes=int((wrong & (truth == DEFECT)).sum()),
        overkills=int((wrong & (truth == GOOD)).sum()),
    )


def worth_rows(
    calibration: Calibration,
    opinions: Opinions,
    asked_labels: Labels,
    shares: Sequence[float] = SHARES,
    *,
    ms_per_asked: float | None = None,
    j_per_asked: float | None = None,
) -> list[BenefitRow]:
    """One row per share.

    Args:
        calibration: the line's calibration; gives the edge's labels and the order of asking.
        asked_labels: label of each frame if it is asked about.
        shares: shares of the frames, in (0, 1].
        ms_per_asked, j_per_asked: what the cloud takes for a frame, None where not measured.

    Raises:
        ConfigError: a share outside (0, 1].
    """
    if not shares or not all(0 < share <= 1 for share in shares):
        raise ConfigError(
            f"the shares {list(shares)} are not all above 0 and at most 1",
            "give each share above 0 and at most 1, such as --share 0.1 --share 0.3",
        )
    edge, n = edge_labels(calibration, opinions.score), len(opinions.truth)
    order, right = asking_order(calibration, opinions.score), float((edge == opinions.truth).mean())
    taken = sorted(set(shares))
    asked = [max(1, round(share * n)) for share in taken]
    steps = [_steps(opinions, edge, asked_labels, order[:count]) for count in asked]
    # One set of draws for all shares: three columns of each, then the number of frames drawn.
    samples = resampled(np.hstack([*steps, np.ones((n, 1))]), opinions.parts)
    *drawn, frames = np.split(samples, range(3, samples.shape[1], 3), axis=1)
    rows = [
        _row(share, count, right, step, sums, frames)
        for share, count, step, sums in zip(taken, asked, steps, drawn, strict=True)
    ]
    corrected = holm([row.mcnemar_p for row in rows])
    return [
        msgspec.structs.replace(
            row, holm_p=p, extra_ms=_spread(ms_per_asked, row, n), extra_j=_spread(j_per_asked, row, n)
        )
        for row, p in zip(rows, corrected, strict=True)
    ]


def conclude_benefit(rows: Sequence[BenefitRow], edge: LabelErrors, n: int) -> BenefitConclusion:
    """Whether it is worth it: the interval of a gain above 0, and its p, for all shares, below 0.05.

    Args:
        rows: what ``worth_rows`` gives; empty where there were too few images to fit a fusion.
        edge: the edge alone.
        n: images.
    """
    wrong = edge.escapes + edge.overkills
    if not rows:
        few = (
            f"Too few images: combining edge and cloud needs more than {MIN_LABELLED} good images and "
            f"{MIN_LABELLED} defects."
        )
        return BenefitConclusion("too few", None, few)
    better = [row for row in rows if row.gain_interval[0] > 0 and row.holm_p < ALPHA]
    if better:
        most = max(row.gain for row in better)
        row = next(row for row in better if row.gain >= ENOUGH_OF_IT * most)
        said = f"Worth asking: {_said(row, rows)}; {_avoided(row)}."
        return BenefitConclusion("worth", row.share, said)
    worse = [row for row in rows if row.gain_interval[1] < 0 and row.holm_p < ALPHA]
    if worse:
        row = min(worse, key=lambda row: row.gain)
        return BenefitConclusion("worse", None, f"Not worth it: {_said(row, rows)}; {_avoided(row)}.")
    if mcnemar(wrong, 0) >= ALPHA:
        few = (
            f"Too few errors: the edge errs on {wrong or 'none'} of {n} images. Even a "
            "cloud without an error "
        )
        few += "could not be told from chance; that needs at least 6 errors of the edge."
        return BenefitConclusion("too few", None, few)
    row = max(rows, key=lambda row: row.gain)
    return BenefitConclusion(
        "not shown", None, f"Not shown to be worth it on these {n} images: {_said(row, rows)}."
    )


def _sides(calibration: Calibration) -> tuple[float, float]:
    """Widths of the gate above and below the threshold."""
    gate, threshold = calibration.gate, calibration.threshold
    up = gate.high - threshold if gate.high < OPEN else 0.0
    down = threshold - gate.low if gate.low > -OPEN else 0.0
    return (up if gate.high < OPEN else down or 1.0), (down if gate.low > -OPEN else up or 1.0)


def _steps(opinions: Opinions, edge: Labels, asked_labels: Labels, asked: NDArray[np.int64]) -> Array:
    """n x 3: 1 where the cloud puts a frame right, -1 where wrong, 0 else; of all, defects and goods."""
    cascade = edge.copy()
    cascade[asked] = asked_labels[asked]
    step = (cascade == opinions.truth).astype(np.float64) - (edge == opinions.truth)
    defect = opinions.truth == DEFECT
    return np.column_stack([step, step * defect, step * ~defect])


def _row(share: float, asked: int, edge: float, steps: Array, drawn: Array, frames: Array) -> BenefitRow:
    step, mended, spoiled = steps[:, 0], int((steps[:, 0] > 0).sum()), int((steps[:, 0] < 0).sum())
    p = mcnemar(mended, spoiled)
    return BenefitRow(
        share=share,
        asked=asked,
        accuracy=edge + float(step.mean()),
        gain=float(step.mean()),
        gain_interval=interval(drawn[:, 0] / frames[:, 0]),
        escapes_avoided=int(steps[:, 1].sum()),
        escapes_interval=interval(drawn[:, 1]),
        overkills_avoided=int(steps[:, 2].sum()),
        overkills_interval=interval(drawn[:, 2]),
        mended=mended,
        spoiled=spoiled,
        mcnemar_p=p,
        holm_p=p,
    )


def _spread(per_asked: float | None, row: BenefitRow, n: int) -> float | None:
    return None if per_asked is None else per_asked * row.asked / n


def _said(row: BenefitRow, rows: Sequence[BenefitRow]) -> str:
    low, high = (100 * bound for bound in row.gain_interval)
    test = f"McNemar p = {_p(row.holm_p)}" + (f", corrected for {len(rows)} shares" if len(rows) > 1 else "")
    return (
        f"when the cloud is asked about the {100 * row.share:.3g} % least sure frames, accuracy goes "
        f"from {100 * (row.accuracy - row.gain):.1f} to {100 * row.accuracy:.1f} %, by "
        f"{100 * row.gain:+.1f} points ({low:.1f} to {high:.1f}; {test})"
    )


def _avoided(row: BenefitRow) -> str:
    return (
        f"missed defects (escapes) avoided {row.escapes_avoided}, false rejects (overkill) avoided "
        f"{row.overkills_avoided}"
    )


def _p(p: float) -> str:
    return "less than .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
