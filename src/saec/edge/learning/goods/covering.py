"""Points that cover all others, for all folds at once: greedy k-centre.

The greedy is that of Gonzalez (Theor. Comput. Sci. 38, 1985). The cover is chosen once. A fold's cover is the
same without the fold's points, filled up by the same greedy. Work is cut into pieces of a fixed size, so
results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Indices = NDArray[np.int64]

NO_FOLD = -1
"""The fold of a point that no fold leaves out."""

_ROUND = 64
"""Farthest points that one round of the greedy looks at."""

_PIECE = 8192
"""Points whose distances are computed at once."""

_GONE = np.float32(-1.0)
"""Instead of a distance, for points that cannot be chosen (any more)."""


@dataclass(frozen=True, slots=True, eq=False)
class Covers:
    """Points that cover all, and those that cover all but a fold.

    Attributes:
        whole: indices of the points that cover all.
        nearest: n x (folds + 1), squared distance of each point to the nearest of ``whole`` of each fold; the
            last column is of those without a fold. Infinite where a fold has none.
    """

    whole: Indices
    nearest: NDArray[np.float32]


class Covering:
    """Points among which covers are chosen.

    Args:
        points: n x p, float32.
        folds: the fold of each point, from 0, or ``NO_FOLD``.
        count: points of a cover; all where there are no more.
    """

    def __init__(self, points: Points, folds: Indices, count: int) -> None:
        self._points, self._folds, self._count = points, folds, count
        self._squares = np.einsum("np,np->n", points, points)

    def covers(self, executor: Executor) -> Covers:
        """The points that cover all, and what their repair without a fold needs."""
        whole = self._whole(executor)
        return Covers(whole, self._nearest_by_fold(whole, executor))

    def _whole(self, executor: Executor) -> Indices:
        """Indices of points that cover all, the farthest from the middle first."""
        points = self._points
        if len(points) <= self._count:
            return np.arange(len(points))
        middle = points - points.mean(0)
        nearest = np.full(len(points), np.inf, np.float32)
        first = int(np.einsum("np,np->n", middle, middle).argmax())
        self._approach(nearest, [first], executor)
        return np.array([first, *self._extended(nearest, self._count - 1, executor)])

    def _nearest_by_fold(self, chosen: Indices, executor: Executor) -> NDArray[np.float32]:
        """Squared distance of each point to the nearest chosen one of each fold, see ``Covers``."""
        folds = int(self._folds.max(initial=0)) + 1
        group = np.where(self._folds[chosen] == NO_FOLD, folds, self._folds[chosen])
        order = np.argsort(group, kind="stable")
        present, starts = np.unique(group[order], return_index=True)

        def of(piece: slice) -> NDArray[np.float32]:
            found = np.full((len(self._points[piece]), folds + 1), np.inf, np.float32)
            found[:, present] = np.minimum.reduceat(self._distances(piece, chosen[order]), starts, axis=1)
            return found

        return np.concatenate(list(executor.map(of, self._pieces())))

    def without(self, covers: Covers, folds: Indices) -> Indices:
        """Indices of points that cover all but those of these folds."""
        left = ~np.isin(self._folds, folds)
        if left.sum() <= self._count:
            return np.flatnonzero(left)
        kept = covers.whole[left[covers.whole]]
        groups = np.setdiff1d(np.arange(covers.nearest.shape[1]), folds)
        nearest = covers.nearest[:, groups].min(1)
        nearest[~left] = _GONE
        nearest[kept] = _GONE
        return np.concatenate([kept, self._extended(nearest, self._count - len(kept))])

    def _pieces(self) -> Iterator[slice]:
        return (slice(start, start + _PIECE) for start in range(0, len(self._points), _PIECE))

    def _distances(self, piece: slice | list[int], chosen: Indices | list[int]) -> NDArray[np.float32]:
        """Squared distances of some points to the chosen ones."""
        distances: NDArray[np.float32] = self._points[piece] @ (-2.0 * self._points[chosen]).T
        distances += self._squares[chosen]
        distances += self._squares[piece][:, None]
        return distances

    def _approach(self, nearest: NDArray[np.float32], picks: list[int], executor: Executor | None) -> None:
        """Let the picks be chosen: the others are no farther from a chosen point than from them."""

        def of(piece: slice) -> None:
            np.minimum(nearest[piece], self._distances(piece, picks).min(1), out=nearest[piece])

        list(map(of, self._pieces()) if executor is None else executor.map(of, self._pieces()))
        nearest[picks] = _GONE

    def _extended(
        self, nearest: NDArray[np.float32], count: int, executor: Executor | None = None
    ) -> list[int]:
        """The next choices of the greedy; ``nearest`` is used up."""
        chosen: list[int] = []
        while len(chosen) < count:
            picks = self._farthest(nearest)[: count - len(chosen)]
            chosen += picks
            self._approach(nearest, picks, executor)
        return chosen

    def _farthest(self, nearest: NDArray[np.float32]) -> list[int]:
        """The next picks of the greedy, several at once and yet exact.

        Only the farthest points are looked at. As long as the farthest of them, after the picks of this
        round, is no nearer than the least of them was before, no point outside can be farther.
        """
        size = min(_ROUND, len(nearest))
        top = np.argpartition(nearest, len(nearest) - size)[len(nearest) - size :]
        top = top[np.lexsort((top, -nearest[top]))]
        left, bound = nearest[top].copy(), nearest[top[-1]]
        between = self._distances(top.tolist(), top)
        picks: list[int] = []
        while not picks or left.max() >= bound:
            at = int(left.argmax())
            if picks and left[at] <= 0:
                break
            picks.append(at)
            np.minimum(left, between[:, at], out=left)
            left[at] = _GONE
        return [int(top[at]) for at in picks]
