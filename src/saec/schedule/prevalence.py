"""The share of defects on a stream, learnt from scores alone, so that the value of asking fits the stream.

P(defect) is stated at one prevalence, by default one half, and a stream may have one defect in a hundred.
Which errors are then likely is quite another thing: with few defects the frames just above the threshold
are mostly overkills, with many those below it escapes. Saerens, Latinne and Decaestecker (2002, Neural
Computation 14:21-41) find the prevalence by EM: it is the mean of P(defect) under itself. Here the mean
runs along with the stream (Cappé and Moulines 2009: online EM), over about ``MEMORY`` frames.
"""

from __future__ import annotations

import math

from saec.schedule.logistic import log_odds

MEMORY = 500
"""Frames over which the mean runs: it follows a prevalence that changes within about as many."""

PRIOR = 20
"""Frames that the stated prevalence weighs as at the start."""

_LEAST = 0.002
# a stream that showed no defect for long may show one: the odds stay within reach


class StreamPrevalence:
    """The running prevalence of one stream; frames in order.

    Args:
        stated: the prevalence at which the line states P(defect).
    """

    def __init__(self, stated: float) -> None:
        self.value = stated
        self._stated = log_odds(stated)
        self._frames = PRIOR

    @property
    def shift(self) -> float:
        """Log odds of a defect now, less those at the stated prevalence."""
        return log_odds(self.value) - self._stated

    def see(self, logit: float) -> None:
        """Take in the next frame: the log odds of its P(defect) at the stated prevalence, finite."""
        self._frames = min(self._frames + 1, MEMORY)
        p = 1.0 / (1.0 + math.exp(-min(max(logit + self.shift, -60.0), 60.0)))
        moved = self.value + (p - self.value) / self._frames
        self.value = min(max(moved, _LEAST), 1.0 - _LEAST)
