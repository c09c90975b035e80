"""Opinions to simulate with: drawn from a stated law, or a recorded run's frames drawn again.

The law: an edge whose scores are normal, N(0, 1) for goods and N(d, 1) for defects, with d such that its
AUROC is the stated one; a complexity with median 0 and interquartile range 1 that says nothing of the
label; and a cloud that is wrong on a stated share of frames. The cloud's log odds are normal about plus or
minus m with variance 2 m, so that they are calibrated, with m such that its sign is wrong at the stated
rate. Its errors may be correlated with those of the edge's label: the correlation is that of the two
indicators (phi), and it ends where the rates allow no more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError
from saec.profile import Calibration
from saec.types import DEFECT, EdgeOpinion, EdgeRecord

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_BLOCK = 4096
_QUARTILES = 1.3489795003921634  # between the quartiles of a standard normal


@dataclass(frozen=True, slots=True)
class SimulatedFrame:
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
        EdgeOpinion(record.score, record.label, record.p_defect), record, complexity, cloud, truth
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What synthetic opinions are drawn from.

    Attributes:
        prevalence: share of defects.
        auroc: the AUROC of the edge's scores, from 0.5 up to below 1.
        cloud_error: share of frames on which the cloud's label (P(defect) against one half) is wrong.
        correlation: the correlation (phi) of its errors with those of the edge's label.

    Raises:
        ConfigError: a value out of its range.
    """

    prevalence: float = 0.1
    auroc: float = 0.95
    cloud_error: float = 0.05
    correlation: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("prevalence", 0.0, 1.0),
            ("auroc", 0.5, 1.0),
            ("cloud_error", 0.0, 0.5),
            ("correlation", -1.0, 1.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high or (name == "auroc" and value == 1.0):
                raise ConfigError(
                    f"{name} {value:g} is out of range", f"give a value from {low:g} to {high:g}"
                )

    @property
    def distance(self) -> float:
        """From the mean score of goods to that of defects."""
        from scipy.special import ndtri

        return math.sqrt(2.0) * float(ndtri(self.auroc))

    def scores(self, truth: Flags, rng: np.random.Generator) -> Array:
        """The edge's scores of frames of known truth."""
        return rng.normal(size=len(truth)) + self.distance * truth

    def answers(self, truth: Flags, edge_wrong: Flags, error_rate: float, rng: np.random.Generator) -> Array:
        """The cloud's P(defect) of frames on which the edge is right or wrong.

        Args:
            truth: whether each frame is a defect.
            edge_wrong: whether the edge's label is wrong.
            error_rate: the edge's error rate over all frames, to which the correlation refers.
        """
        return cloud_answers(truth, edge_wrong, error_rate, self.cloud_error, self.correlation, rng)


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
    law: Law, calibration: Calibration, frames: int, rng: np.random.Generator
) -> Iterator[SimulatedFrame]:
    """So many frames of a law, labelled at a calibration's threshold; in blocks, so memory is flat."""
    from scipy.special import ndtr

    threshold, sigmoid = calibration.threshold, calibration.p_defect
    escapes, overkills = float(ndtr(threshold - law.distance)), float(ndtr(-threshold))
    error = law.prevalence * escapes + (1 - law.prevalence) * overkills
    for start in range(0, frames, _BLOCK):
        n = min(_BLOCK, frames - start)
        truth = rng.random(n) < law.prevalence
        scores = law.scores(truth, rng)
        cloud = law.answers(truth, (scores >= threshold) != truth, error, rng)
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
