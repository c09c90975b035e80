"""Folds that keep together what belongs together: the images of one part, and exact duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError


def group_ids(parts: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """The group of each image: images of one part, or with the same bytes, directly or by way of others.

    Args:
        parts: part id of each image, "" when unknown.
        hashes: content hash of each image.

    Returns:
        For each image the smallest hash of its group, so that it does not depend on the order of the images.
    """
    root: dict[str, str] = {}

    def find(key: str) -> str:
        root.setdefault(key, key)
        while root[key] != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    for part, sha in zip(parts, hashes, strict=True):
        if part:
            root[find(f"part:{part}")] = find(sha)
        find(sha)
    smallest: dict[str, str] = {}
    for sha in sorted(set(hashes)):
        smallest.setdefault(find(sha), sha)
    return [smallest[find(sha)] for sha in hashes]


def part_folds(groups: Sequence[str], k: int, seed: int) -> NDArray[np.int64]:
    """The fold (0 to k - 1) of each item; items of one group share a fold.

    Groups are dealt out from large to small, each to the fold that holds the fewest items; among equals the
    seed decides. Named groups keep their fold whatever the order of the items.

    Args:
        groups: group of each item, for example from `group_ids`; an item with "" is a group of its own.
        k: number of folds.
        seed: the seed of the shuffle among groups of one size.

    Raises:
        DataError: fewer groups than folds, so that a fold would be empty.
    """
    keys = [group or f"\0{at}" for at, group in enumerate(groups)]
    names, index, sizes = np.unique(np.array(keys, dtype=object), return_inverse=True, return_counts=True)
    if k < 1 or len(names) < k:
        raise DataError(
            f"there are only {len(names)} different parts for {k} folds",
            "use fewer folds, or give images of more parts",
        )
    shuffled = np.random.default_rng(seed).permutation(len(names))
    fold_of = np.zeros(len(names), np.int64)
    filled = np.zeros(k, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold = int(filled.argmin())
        fold_of[group] = fold
        filled[fold] += sizes[group]
    return np.asarray(fold_of[index.ravel()])
