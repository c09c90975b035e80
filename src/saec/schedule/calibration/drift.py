"""Do the scores of the line still look like those of its calibration? A sequential test with a stated rate.

The test is a Shiryaev-Roberts procedure on conformal test martingales (Vovk, Petej, Nouretdinov, Ahlberg,
Carlsson and Gammerman 2021, "Retrain or not retrain: conformal test martingales for change-point detection",
COPA). Only goods are compared: frames above the score that 5 % of the calibration goods exceed are left
out, for there the defects lie, and how many defects come is no drift.

The calibration goods below that score cut the line of scores into cells. While goods are exchangeable with
those of the calibration, the cells of new ones follow Polya's urn: after t frames the next falls into cell j
with probability (goods in j + earlier frames in j) / (all goods + t), whatever the distribution of scores.
So a bet against the urn is a fair game, exactly, with few calibration goods too, and K counts are all that
is kept of the past. The bets are power martingales (Vovk, Nouretdinov and Gammerman 2003) on the place of
the cell between the lowest and the highest: two that scores have risen, two that they have sunk.

Goods that rise above all calibration goods are left out with the defects; so a fifth bet is that most frames
are: it is fair while at most half of the frames lie there.

The statistic is the mean of the five. On goods without drift its expectation is at most the number of frames
seen, so within T frames an alarm at ``every`` is false with probability at most T / every, and on average
false alarms are at least ``every`` frames apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saec.schedule.statistics.threshold import sorted_scores

EVERY = 100_000
"""Frames without drift between two false alarms, on average and at least."""

TAIL = 0.05
"""Share of calibration goods that lie above the scores that are compared."""

MOST_CELLS = 20
_POWERS = (0.3, 0.6)
_FLOOD = 0.9
_USUAL = 0.5
# Bets that nine tenths of the frames look anomalous; a fair game while at most half of them do.
_LIMIT = 1e300

Direction = Literal["higher", "lower", "anomalous"]
_DIRECTIONS: tuple[Direction, ...] = ("higher", "higher", "lower", "lower", "anomalous")


@dataclass(frozen=True, slots=True)
class DriftState:
    """What is known after a frame.

    Attributes:
        frames: frames seen.
        statistic: alarm at ``every`` or above.
        alarm: the frame (from 1) at which the alarm was raised, or None. It stays.
        direction: what the alarm says of the scores: "higher" or "lower" than those of the calibration
            goods, or "anomalous": most frames lie above nearly all of them.
    """

    frames: int
    statistic: float
    alarm: int | None
    direction: Direction | None

    def sentence(self) -> str:
        """The alarm in words; "" without one."""
        if self.alarm is None:
            return ""
        how = {
            "higher": "frames judged good score higher than the good calibration images",
            "lower": "frames judged good score lower than the good calibration images",
            "anomalous": "most frames score above nearly all good calibration images",
            None: "",
        }[self.direction]
        seen = f"first seen at frame {self.alarm} of {self.frames}"
        return f"Score drift: {how} ({seen}); calibrate the line again."


class DriftMonitor:
    """Watches the scores of a line, one by one and in the order of the frames; its memory is constant.

    Args:
        goods: scores of the calibration goods. With fewer than 10 nothing but a flood can be seen.
        every: frames between false alarms, see ``EVERY``.

    Attributes:
        state: the monitor's state after the last frame.

    Raises:
        DataError: a score of a good is not finite.
    """

    def __init__(self, goods: Sequence[float], *, every: float = EVERY) -> None:
        scores = sorted_scores(goods, "goods")
        kept = len(scores) - int(np.ceil(TAIL * len(scores)))
        self._cut = float(scores[kept]) if len(scores) else float("inf")
        below = scores[:kept]
        cells = min(MOST_CELLS, max(1, kept // 5))
        edges = np.unique(below[[kept * j // cells for j in range(1, cells)]]) if kept else below
        self._edges: list[float] = edges.tolist()
        at = np.searchsorted(edges, below, side="left")
        counts = np.bincount(at, minlength=len(edges) + 1).astype(float)
        counts[-1] += 1.0  # kept goods leave kept + 1 gaps for the next score; the last is beyond them
        self._counts: list[float] = counts.tolist()
        self._total = float(counts.sum())
        self._bets = [0.0] * len(_DIRECTIONS)
        self._every = every
        self.state = DriftState(frames=0, statistic=0.0, alarm=None, direction=None)

    def update(self, score: float) -> DriftState:
        """Take the next frame's score; one that is no number counts as above all goods."""
        frames, alarm, direction = self.state.frames + 1, self.state.alarm, self.state.direction
        above = not score < self._cut
        self._bet(4, _FLOOD / _USUAL if above else (1 - _FLOOD) / (1 - _USUAL))
        if not above:
            self._compare(bisect_left(self._edges, score))
        statistic = sum(self._bets) / len(self._bets)
        if alarm is None and statistic >= self._every:
            alarm, direction = frames, _DIRECTIONS[self._bets.index(max(self._bets))]
        self.state = DriftState(frames, statistic, alarm, direction)
        return self.state

    def _compare(self, cell: int) -> None:
        """Bet on the cell's place under the urn, then put it into the urn."""
        before = sum(self._counts[:cell]) / self._total
        share = self._counts[cell] / self._total
        low, high = before, before + share
        for i, power in enumerate(_POWERS):
            self._bet(i, ((1 - low) ** power - max(0.0, 1 - high) ** power) / share)
            self._bet(i + len(_POWERS), (high**power - low**power) / share)
        self._counts[cell] += 1.0
        self._total += 1.0

    def _bet(self, which: int, gain: float) -> None:
        """Shiryaev and Roberts: each frame may be the first of a drift, so each opens a game of its own."""
        self._bets[which] = min(_LIMIT, (1.0 + self._bets[which]) * gain)
