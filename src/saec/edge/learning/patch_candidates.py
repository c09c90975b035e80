"""The patches among which the memory is chosen: a weighted random sample over all goods that needs no order.

Each cell of each good has the key -ln(u) / |z|^4: u in (0, 1) is a hash of its frame and place, z its
features in deviations. The cells with the smallest keys are kept (Efraimidis and Spirakis, Inf. Process.
Lett. 97, 2006; as a sketch of a union: Cohen and Kaplan, PODC 2007). So unusual good patches, which a memory
must hold and which are few, are nearly all kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.edge.learning.feature_sums import Features

CANDIDATES = 60_000
"""Patches that are kept, over all goods."""

POWER = 4
"""Power of a patch's distance from the middle with which its chance rises."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True, eq=False)
class PatchCandidates:
    """The sample.

    Attributes:
        keys: n, float64, rising: the key of each patch.
        owners: n, uint64: ``owner_number`` its frame.
        patches: n x C, int8, in steps.
    """

    keys: NDArray[np.float64]
    owners: NDArray[np.uint64]
    patches: NDArray[np.int8]

    @classmethod
    def empty(cls, channels: int) -> PatchCandidates:
        return cls(np.zeros(0), np.zeros(0, np.uint64), np.zeros((0, channels), np.int8))

    def add(self, frames: Sequence[tuple[str, Features]]) -> None:
        """Let the cells of goods take part: sha256 and features (C x h x w) of each."""
        found = [self._sampled(sha, features) for sha, features in frames]
        keys, owners, patches = zip(*found, strict=True)
        self._keep(
            np.concatenate([self.keys, *keys]),
            np.concatenate([self.owners, *owners]),
            np.concatenate([self.patches, *patches]),
        )

    def _sampled(
        self, sha: str, features: Features
    ) -> tuple[NDArray[np.float64], NDArray[np.uint64], NDArray[np.int8]]:
        """Keys, owners and features of the cells of a good that may be kept."""
        cells = features.reshape(len(features), -1).T
        owner = owner_number(sha)
        hashes = _mixed(owner + np.arange(len(cells), dtype=np.uint64) * _GOLDEN)
        shares = ((hashes >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        square = np.maximum((cells.astype(np.float32) ** 2).sum(1, dtype=np.float64), 1.0)
        keys = -np.log(shares) / square ** (POWER / 2)
        full = len(self.keys) >= CANDIDATES
        taken = np.flatnonzero(keys < self.keys[-1]) if full else np.arange(len(cells))
        return keys[taken], np.full(len(taken), owner, np.uint64), cells[taken]

    def remove(self, sha: str) -> None:
        """Take the patches of a frame out."""
        kept = self.owners != owner_number(sha)
        self._keep(self.keys[kept], self.owners[kept], self.patches[kept])

    def _keep(self, keys: NDArray[np.float64], owners: NDArray[np.uint64], patches: NDArray[np.int8]) -> None:
        order = np.argsort(keys, kind="stable")[:CANDIDATES]
        self.keys, self.owners, self.patches = keys[order], owners[order], patches[order]


def owner_number(sha: str) -> np.uint64:
    """A frame's number among the owners: the first 64 bits of its sha256."""
    return np.uint64(int(sha[:16], 16))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
