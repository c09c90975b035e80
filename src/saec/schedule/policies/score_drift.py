"""What a stream's scores are like now: its share of defects and how far its goods have moved.

P(defect) is stated at one prevalence, by default one half, and for goods as they were at calibration. A
stream may have one defect in a hundred, a bad lot, or goods that score higher since the glass got dirty.
Which errors are likely depends on it: with few defects the frames just above the threshold are mostly
overkills, with many those just below it escapes. Both numbers are learnt from the scores alone, frame by
frame, in two coupled steps of stochastic approximation:

- the prevalence is the mean of P(defect) under itself (EM for a shifted prior: Saerens, Latinne and
  Decaestecker 2002, Neural Computation 14:21-41; run along a stream: Cappé and Moulines 2009);
- defects score above goods, so of all scores a share (1 - prevalence) / 2 lies below the goods' median; that
  quantile is followed (Robbins and Monro 1951) and its distance from the median at calibration is the drift.

The edge's labels stay those of the line's threshold; only what asking is worth follows the stream.
"""

from __future__ import annotations

import math

import numpy as np

from saec.profile import Calibration
from saec.schedule.statistics.logistic import log_odds

MEMORY = 500
"""Frames over which the prevalence is a mean: it follows one that changes within about as many."""

PRIOR = 20
"""Frames that the stated prevalence weighs as at the start."""

STEP = 1 / 330
"""Step of the quantile in units of the goods' spread: it follows within about 500 frames."""

BOUNDS = (0.002, 0.8)
"""Prevalences that are believed: from nearer to 0 or 1 the estimate would hardly come back."""

LIMIT = 9.0
"""Log odds of one in eight thousand: a score is never more certain than this."""


class ScoreStream:
    """Follows one stream; frames in order.

    Args:
        calibration: the calibration of a line that has P(defect).
    """

    def __init__(self, calibration: Calibration) -> None:
        sigmoid = calibration.p_defect
        assert sigmoid is not None  # ``value_policy`` sees to it
        self.prevalence = calibration.prevalence
        self.drift = 0.0
        self._sigmoid = sigmoid
        self._stated = log_odds(calibration.prevalence)
        self._frames = PRIOR
        self._step = STEP * spread(calibration)

    def logit(self, score: float) -> float:
        """Log odds of a defect at this score, on this stream as it is now."""
        stated = self._sigmoid.logit(score - self.drift)
        return limited(stated) + log_odds(self.prevalence) - self._stated

    def see(self, score: float) -> None:
        """Take in the next frame's score, finite."""
        self._frames = min(self._frames + 1, MEMORY)
        p = 1.0 / (1.0 + math.exp(-self.logit(score)))
        moved = self.prevalence + (p - self.prevalence) / self._frames
        below = score < self._sigmoid.centre + self.drift
        self.drift += self._step * ((1.0 - self.prevalence) / 2 - below)
        self.prevalence = min(max(moved, BOUNDS[0]), BOUNDS[1])


def spread(calibration: Calibration) -> float:
    """From the goods' median to the threshold; one where the line keeps no goods or they do not vary."""
    below = calibration.threshold - float(np.median(calibration.goods)) if calibration.goods else 0.0
    return below if below > np.finfo(np.float32).tiny else 1.0


def limited(logit: float) -> float:
    """The log odds, within ``LIMIT``."""
    return min(max(logit, -LIMIT), LIMIT)
