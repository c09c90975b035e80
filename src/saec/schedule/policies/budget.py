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
quantile at the target while the count is on target, a stricter one as the count runs ahead, a more
lenient one as it falls behind. So the frames that are cut off are the least valuable ones, and a sudden
shift of all values meets a threshold that follows within the window. (Frames ranked against their recent
past at a budgeted quantile: the online form of a knapsack of equal items, Babaioff et al. 2007; the
feedback on the count is what a stream that shifts adds to it.)

The target is the share, and within the tolerance it moves: up while more frames than that are worth what
the share has bought over the last ``MEMORY`` frames, down while fewer are. This slow price is what one
fixed threshold over the whole run would be (the dual price of an online knapsack, Agrawal, Wang and Ye
2014); a share held to the frame in every window would buy dear in quiet times and turn away better frames
in bad ones.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import Literal

from saec.errors import ConfigError

WINDOW = 1000
"""Frames over which the share is held."""

TOLERANCE = 0.02
"""How far the share of a window may lie from the budget."""

MEMORY = 10_000
"""Frames over which the slow price is a mean."""

REACH = 0.75
"""How much of the tolerance the target may use, of a small budget so much of a fifth of it. More of it would
leave no room to choose: at the ceiling the best frame is refused, at the floor the worst is asked about."""

LOWER = 0.6
"""How far down the target may go, as a share of how far up."""

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
            raise ConfigError(
                f"the budget {share:g} is not above 0 and at most 1",
                "give the share of frames that may go to the cloud, such as 0.3",
            )
        self.share = share
        slack = TOLERANCE * WINDOW
        self._ceiling = math.floor(WINDOW * share + slack + 1e-9)
        # A small budget is steered within half of itself: twenty frames would be no feedback at all.
        self._band = min(slack, max(1.0, WINDOW * share / 2))
        self._reach = REACH * min(TOLERANCE, share / 5)
        self._price, self._priced = 0.0, -WINDOW  # after the first window another in which ranks settle
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
        up = self._up + 1
        if self._asked <= self.share * up - self._band or not self._values:
            return "ask"
        target = self._target() * up
        cut = self._quantile(self._rate(target, up))
        # Of equal values only as many as the target lacks: a constant must not fill the window.
        return "ask" if value > cut or (value == cut and self._asked < target) else "below"

    def _target(self) -> float:
        """The share to aim at: the budget, moved towards the share of frames above the slow price."""
        if self._priced <= 0 or not math.isfinite(self._quantile(self.share)):
            return self.share
        above = 1.0 - bisect_right(self._values, self._price) / len(self._values)
        return self.share + min(max(above - self.share, -LOWER * self._reach), self._reach)

    def _rate(self, target: float, up: int) -> float:
        """The share of such frames to ask about: the target's on target, 1 at the floor, 0 at the ceiling.

        Args:
            target: frames of the window that should have been asked about.
            up: frames of the window that could have been.
        """
        rate, ahead = target / up, self._asked - target
        if ahead >= 0.0:
            return rate * max(0.0, 1.0 - ahead / (self.share * up + self._band - target))
        behind = ahead / (self.share * up - self._band - target)
        return rate + (1.0 - rate) * behind * behind

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
        price = self._quantile(self.share)
        if len(self._past) == WINDOW and math.isfinite(price):
            self._priced = min(self._priced + 1, MEMORY)
            self._price += (price - self._price) / max(self._priced, 1)
