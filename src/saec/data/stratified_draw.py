"""Some images of many, such that they stand for all: drawn by label and kind, not the first by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

Stratum = tuple[int | None, str]
"""Label and kind."""


def stratified_sample(strata: Sequence[Stratum], count: int, *, seed: int = 0) -> list[int]:
    """Indices of at most ``count`` items, in their order.

    Labels have the shares that they have among all, and within a label its kinds do, as nearly as whole
    numbers allow; each label that there is has one item if ``count`` has room for all labels. What is drawn
    for a count holds what is drawn for a smaller one.

    Args:
        strata: label and kind of each item.
        count: how many are wanted.
        seed: the seed of the choice within a kind, and between shares that are equal.
    """
    rng = np.random.default_rng(seed)
    by_label: dict[int | None, list[int]] = defaultdict(list)
    for index, (label, _) in enumerate(strata):
        by_label[label].append(index)
    rows = []
    for _, members in sorted(by_label.items(), key=lambda kv: (kv[0] is None, kv[0] or 0)):
        by_kind: dict[str, list[int]] = defaultdict(list)
        for index in members:
            by_kind[strata[index][1]].append(index)
        kinds = [[kind[i] for i in rng.permutation(len(kind))] for _, kind in sorted(by_kind.items())]
        rows.append(_woven(kinds, rng))
    first = [row[0] for row in rows]
    rest = [index for index in _woven(rows, rng) if index not in set(first)]
    return sorted([*first, *rest][:count])


def _woven(rows: Iterable[Sequence[int]], rng: np.random.Generator) -> list[int]:
    """One row of several, in every beginning of which each has nearly its share."""
    placed = [
        ((place + 0.5) / len(row), float(rng.random()), index)
        for row in rows
        for place, index in enumerate(row)
    ]
    return [index for _, _, index in sorted(placed)]
