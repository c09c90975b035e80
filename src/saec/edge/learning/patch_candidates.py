"""The patches among which the memory is chosen: a random sample over all goods that needs no order.

Each cell of each good has a number that a hash of its frame and place gives; the cells with the smallest
numbers are kept (a bottom-k sketch; Cohen and Kaplan, PODC 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.feature_sums import Features

CANDIDATES = 30_000
"""Patches that are kept, over all goods."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True, eq=False)
class PatchCandidates:
    """The sample.

    Attributes:
        numbers: n, uint64, rising: the hash of each patch.
        owners: n, uint64: ``owner_number`` its frame.
        patches: n x C, int8, in steps.
    """

    numbers: NDArray[np.uint64]
    owners: NDArray[np.uint64]
    patches: NDArray[np.int8]

    @classmethod
    def empty(cls, channels: int) -> PatchCandidates:
        nothing = np.zeros(0, np.uint64)
        return cls(nothing, nothing, np.zeros((0, channels), np.int8))

    def add(self, sha: str, features: Features) -> None:
        """Let the cells of a good (C x h x w) take part."""
        cells = features.reshape(len(features), -1).T
        owner = owner_number(sha)
        numbers = _mixed(owner + np.arange(len(cells), dtype=np.uint64) * _GOLDEN)
        full = len(self.numbers) >= CANDIDATES
        taken = np.flatnonzero(numbers < self.numbers[-1]) if full else np.arange(len(cells))
        self._keep(
            np.concatenate([self.numbers, numbers[taken]]),
            np.concatenate([self.owners, np.full(len(taken), owner, np.uint64)]),
            np.concatenate([self.patches, cells[taken]]),
        )

    def remove(self, sha: str) -> None:
        """Take the patches of a frame out."""
        kept = self.owners != owner_number(sha)
        self._keep(self.numbers[kept], self.owners[kept], self.patches[kept])

    def _keep(
        self, numbers: NDArray[np.uint64], owners: NDArray[np.uint64], patches: NDArray[np.int8]
    ) -> None:
        order = np.argsort(numbers, kind="stable")[:CANDIDATES]
        self.numbers, self.owners, self.patches = numbers[order], owners[order], patches[order]


def owner_number(sha: str) -> np.uint64:
    """A frame's number among the owners: the first 64 bits of its sha256."""
    return np.uint64(int(sha[:16], 16))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
