"""A cap on the share of frames that are sent to the cloud, held in every window by feedback.

The scheduler ranks frames by some value; the budget says which of them may be asked about. It sees one
frame at a time, knows nothing of the stream to come, and keeps the last ``WINDOW`` frames: whether each
was asked about, whether the link was up, and its value. That is memory of a fixed size.

Two bounds hold by construction, whatever the values do, because each frame is held against the count of
its own window before it is answered:

- ceiling: no window of ``WINDOW`` frames has more than share + ``TOLERANCE`` of them asked about;
- floor: no frame that is worth asking, while the link is up, is declined when the frames of its window
  for which the link was up have less than share - ``TOLERANCE`` of them asked about.

Between the two a frame is asked about when its value lies above a quantile of the window's values: the
quantile at the share itself while the count is on target, a stricter one as the count runs ahead, a more
lenient one as it falls behind. So the frames that are cut off are the least valuable ones, and a sudden
shift of all values meets a threshold that follows within the window. (Frames ranked against their recent
past at a budgeted quantile: the online form of a knapsack of equal items, Babaioff et al. 2007; the
feedback on the count is what a stream that shifts adds to it.)
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Literal

from saec.errors import ConfigError

WINDOW = 1000
"""Frames over which the share is held."""

TOLERANCE = 0.02
"""How far the share of a window may lie from the budget."""

Answer = Literal["ask", "worthless", "below", "spent"]
"""Ask; not worth a question; worth one, but others are worth more; worth one, but the window is full."""


class Budget:
    """The share of frames that may be asked about; one object per stream, frames in order.

    Args:
        share: the budget, in (0, 1].

    Raises:
        ConfigError: the share is none.

    Example:
        >>> budget = Budget(0.5)
        >>> [budget.decide(value, worth=True, up=True) for value in (3.0, 1.0, 4.0, 1.0)]
        ['ask', 'below', 'ask', 'below']
    """

    def __init__(self, share: float) -> None:
        if not 0.0 < share <= 1.0:
            raise ConfigError(f"budget {share:g} is not a share of frames", "give a share such as 0.3")
        self.share = share
        slack = TOLERANCE * WINDOW
        self._ceiling = math.floor(WINDOW * share + slack + 1e-9)
        # A small budget is steered within half of itself: twenty frames would be no feedback at all.
        self._band = min(slack, max(1.0, WINDOW * share / 2))
        self._asked, self._up = 0, 0
        self._past: deque[tuple[bool, bool, float]] = deque()
        self._values: list[float] = []

    def decide(self, value: float, *, worth: bool, up: bool) -> Answer:
        """Whether to ask about the next frame.

        Args:
            value: what asking is worth, in any unit; only the order counts. A NaN, which cannot be
                ranked, counts as the highest.
            worth: whether it is worth asking at all.
            up: whether the cloud can take the frame now. Where not, the answer is what it would have
                been, and the frame counts neither as asked nor as one that could have been.
        """
        value = math.inf if math.isnan(value) else value
        if len(self._past) == WINDOW:
            self._forget()
        answer = self._answer(value) if worth else "worthless"
        self._remember(answer == "ask" and up, up, value)
        return answer

    def _answer(self, value: float) -> Answer:
        if self._asked >= self._ceiling:
            return "spent"
        ahead = (self._asked - self.share * (self._up + 1)) / self._band
        if ahead <= -1.0 or not self._values:
            return "ask"
        cut = self._quantile(self._rate(ahead))
        # Of equal values only as many as the target lacks: a constant must not fill the window.
        return "ask" if value > cut or (value == cut and ahead < 0.0) else "below"

    def _rate(self, ahead: float) -> float:
        """The share of such frames to ask about: 1 at the floor, the budget on target, 0 at the ceiling."""
        if ahead >= 0.0:
            return self.share * max(0.0, 1.0 - ahead)
        return self.share + (1.0 - self.share) * ahead * ahead

    def _quantile(self, rate: float) -> float:
        """The value that a share ``rate`` of the window's frames reaches or exceeds."""
        n = len(self._values)
        return self._values[min(n - 1, int((1.0 - rate) * n))]

    def _forget(self) -> None:
        asked, up, value = self._past.popleft()
        self._asked -= asked
        self._up -= up
        del self._values[bisect_left(self._values, value)]

    def _remember(self, asked: bool, up: bool, value: float) -> None:
        self._past.append((asked, up, value))
        self._asked += asked
        self._up += up
        insort(self._values, value)
