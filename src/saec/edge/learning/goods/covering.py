"""Points that cover all others: greedy k-centre.

The greedy is that of Gonzalez (Theor. Comput. Sci. 38, 1985). It is lazy (Minoux 1978): the distance of a
point to the nearest choice only falls, so an old one is an upper bound, and it is brought up to date only
where it may decide the next choice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Indices = NDArray[np.int64]

_ACTIVE = 4096
"""Farthest points whose distances are kept up to date."""

_ROUND = 64
"""Of them, those that one round of the greedy looks at."""

_CHOICES = 512
"""Choices to which old distances are brought up to date at once."""

_GONE = np.float32(-1.0)
"""Instead of a distance, for points that cannot be chosen (any more)."""


def cover(points: Points, count: int) -> Indices:
    """Indices of points that cover all, the farthest from the middle first; all where there are no more.

    Args:
        points: n x p, float32.
        count: points of the cover.
    """
    if len(points) <= count:
        return np.arange(len(points))
    middle = points - points.mean(0)
    greedy = _Greedy(points)
    greedy.begin(int(np.einsum("np,np->n", middle, middle).argmax()))
    greedy.extend(count)
    return np.array(greedy.chosen)


class _Greedy:
    """A greedy under way.

    Attributes:
        chosen: its choices.
        seen: n, how many choices each point was compared with.
        bounds: n, its squared distance to the nearest of these; ``_GONE`` where it cannot be chosen.
    """

    def __init__(self, points: Points) -> None:
        n = len(points)
        self._points, self._squares = points, np.einsum("np,np->n", points, points)
        self.chosen: list[int] = []
        self.seen = np.zeros(n, np.int64)
        self.bounds = np.full(n, np.inf, np.float32)

    def begin(self, first: int) -> None:
        """Choose the first point."""
        self.chosen = [first]
        self._compare(np.arange(len(self._points)), 0, 1)
        self.bounds[first] = _GONE

    def extend(self, count: int) -> None:
        """Choose until there are so many."""
        while len(self.chosen) < count:
            active, limit = self._farthest()
            self._bring_up(active, limit)
            self._choose(active[self.bounds[active] >= limit], limit, count)

    def _farthest(self) -> tuple[Indices, np.float32]:
        """The points with the largest bounds, and the largest bound of any other."""
        size = min(_ACTIVE, len(self.bounds))
        order = np.argpartition(self.bounds, len(self.bounds) - size)
        others = self.bounds[order[: len(order) - size]]
        return order[len(order) - size :], others.max(initial=_GONE)

    def _bring_up(self, points: Indices, limit: np.float32) -> None:
        """Compare these points with all choices, but only as long as they are no nearer than the limit."""
        first = int(self.seen[points].min())
        for start in range(first, len(self.chosen), _CHOICES):
            end = min(start + _CHOICES, len(self.chosen))
            late = points[(self.seen[points] < end) & (self.bounds[points] >= limit)]
            if len(late):
                self._compare(late, start, end)

    def _compare(self, points: Indices, start: int, end: int) -> None:
        """Compare these points with these choices."""
        distances = self._distances(points, np.array(self.chosen[start:end]))
        least = np.maximum(distances.min(1), np.float32(0.0))
        self.bounds[points] = np.minimum(self.bounds[points], least)
        self.seen[points] = end

    def _distances(self, points: Indices, others: Indices) -> NDArray[np.float32]:
        """Squared distances of some points to others."""
        distances: NDArray[np.float32] = self._points[points] @ (-2.0 * self._points[others]).T
        distances += self._squares[others]
        distances += self._squares[points][:, None]
        return distances

    def _choose(self, active: Indices, limit: np.float32, count: int) -> None:
        """The next choices among points that are up to date, while one is no nearer than the limit."""
        while len(self.chosen) < count and len(active):
            picks = self._picks(active, limit)[: count - len(self.chosen)]
            if not picks:
                break
            self.chosen += picks
            self._compare(active, len(self.chosen) - len(picks), len(self.chosen))
            self.bounds[picks] = _GONE

    def _picks(self, active: Indices, limit: np.float32) -> list[int]:
        """The next picks of the greedy, several at once and yet exact.

        Only the farthest points are looked at. As long as the farthest of them, after the picks of this
        round, is no nearer than the least of them was before, no point outside can be farther.
        """
        size = min(_ROUND, len(active))
        top = active[np.argpartition(-self.bounds[active], size - 1)[:size]]
        top = top[np.lexsort((top, -self.bounds[top]))]
        left = self.bounds[top]
        bound = limit if size == len(active) else max(limit, left[-1])
        between = self._distances(top, top)
        picks: list[int] = []
        while left[at := int(left.argmax())] >= bound and left[at] > _GONE:
            picks.append(int(top[at]))
            np.minimum(left, between[:, at], out=left)
            left[at] = _GONE
        return picks
