"""Opinions to simulate with: random ones, or a recorded run's frames drawn again.

Random opinions follow an ``OpinionModel``. The edge's scores are normal, N(0, 1) for goods and N(d, 1) for
defects, with d such that its AUROC is the stated one. A complexity with median 0 and interquartile range 1
says nothing of the label. The cloud is wrong on a stated share of frames. Its log odds are normal about plus
or minus m with variance 2 m, so that they are calibrated, with m such that its sign is wrong at the stated
rate. Its errors may be correlated with those of the edge's label: the correlation is that of the two
indicators (phi), and it ends where the rates allow no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.profile import Calibration
from saec.simulation.simulation_settings import OpinionModel
from saec.types import DEFECT, EdgeOpinion, EdgeRecord

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_BLOCK = 4096
_QUARTILES = 1.3489795003921634  # between the quartiles of a standard normal


class SimulatedFrame(msgspec.Struct, frozen=True, gc=False):
    """The opinions on one frame, and the truth.

    Attributes:
        edge, record: the edge's opinion, as policies take it and as the log has it.
        complexity: the scene's complexity in the line's own units, or None.
        cloud: what the cloud answers when it is asked, P(defect).
        truth: GOOD, DEFECT or None.
    """

    edge: EdgeOpinion
    record: EdgeRecord
    complexity: float | None
    cloud: float
    truth: int | None


def sample(record: EdgeRecord, complexity: float | None, cloud: float, truth: int | None) -> SimulatedFrame:
    """A sample from what a log holds of a frame."""
    return SimulatedFrame(
        EdgeOpinion(record.score, record.label, record.p_defect, kind=record.kind),
        record,
        complexity,
        cloud,
        truth,
    )


def cloud_answers(
    truth: Flags,
    edge_wrong: Flags,
    edge_error: float,
    cloud_error: float,
    correlation: float,
    rng: np.random.Generator,
) -> Array:
    """P(defect) of a cloud that is wrong at a stated rate; see the module's docstring."""
    from scipy.special import expit, ndtri

    error = min(max(cloud_error, 1e-9), 0.5)
    together = correlation * math.sqrt(edge_error * (1 - edge_error) * error * (1 - error))
    after_wrong = error + together / edge_error if edge_error > 0 else error
    after_right = error - together / (1 - edge_error) if edge_error < 1 else error
    rate = np.clip(np.where(edge_wrong, after_wrong, after_right), 0.0, 1.0)
    n = len(truth)
    wrong = rng.random(n) < rate
    # A quantile below the error rate is one of the wrong side.
    quantile = np.where(wrong, error * rng.random(n), error + (1 - error) * rng.random(n))
    z = float(ndtri(1 - error))
    log_odds = 2 * z * z + 2 * z * ndtri(np.clip(quantile, 1e-15, 1 - 1e-15))
    answers: Array = expit(np.where(truth, log_odds, -log_odds))
    return answers


def draw(
    model: OpinionModel, calibration: Calibration, frames: int, rng: np.random.Generator
) -> Iterator[SimulatedFrame]:
    """So many random frames, labelled at a calibration's threshold; in blocks, so memory is flat."""
    from scipy.special import ndtr

    threshold, sigmoid = calibration.threshold, calibration.p_defect
    escapes, overkills = float(ndtr(threshold - model.distance)), float(ndtr(-threshold))
    error = model.defect_share * escapes + (1 - model.defect_share) * overkills
    for start in range(0, frames, _BLOCK):
        n = min(_BLOCK, frames - start)
        truth = rng.random(n) < model.defect_share
        scores = model.scores(truth, rng)
        wrong = (scores >= threshold) != truth
        cloud = cloud_answers(truth, wrong, error, model.cloud_error, model.correlation, rng)
        complexity = rng.normal(size=n) / _QUARTILES
        for score, odd, p, defect in zip(
            scores.tolist(), complexity.tolist(), cloud.tolist(), truth.tolist(), strict=True
        ):
            p_edge = None if sigmoid is None else sigmoid(score)
            record = EdgeRecord(score, int(score >= threshold), p_edge)
            yield sample(record, odd, p, int(defect))


def with_answers(
    samples: Sequence[tuple[EdgeRecord, float | None, int]],
    cloud_error: float,
    correlation: float,
    rng: np.random.Generator,
) -> list[SimulatedFrame]:
    """Recorded frames of known truth with the answers of a stated cloud in place of a recorded one."""
    truth = np.array([truth == DEFECT for _, _, truth in samples], dtype=bool)
    wrong = np.array([record.label != truth for record, _, truth in samples], dtype=bool)
    answers = cloud_answers(truth, wrong, float(wrong.mean()), cloud_error, correlation, rng)
    return [
        sample(record, complexity, p, truth)
        for (record, complexity, truth), p in zip(samples, answers.tolist(), strict=True)
    ]


def again(
    samples: Sequence[SimulatedFrame], frames: int, rng: np.random.Generator
) -> Iterator[SimulatedFrame]:
    """So many of the samples, drawn with replacement."""
    for start in range(0, frames, _BLOCK):
        for index in rng.integers(len(samples), size=min(_BLOCK, frames - start)).tolist():
            yield samples[index]
