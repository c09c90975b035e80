"""Which image comes when, with which references: functions of seed and position, with no state of their own.

So a run that goes on after a kill sees what it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from saec.errors import DataError
from saec.tune.samples import TrainingSample
from saec.types import DEFECT, GOOD


def epoch_order(labels: Sequence[int], epoch: int, seed: int) -> list[int]:
    """Indices of the images of one epoch: good and defect in turn, about as many as there are images.

    Each class is gone through in an order of chance, again and again across the epochs; so the many goods
    all have their turn, and the few defects weigh as much as they do.

    Args:
        labels: the labels of all images, both classes.
        epoch: the epoch's number, from 0.
        seed: the seed of the orders.
    """
    half = math.ceil(len(labels) / 2)
    order = []
    for label in (GOOD, DEFECT):
        members = [i for i, value in enumerate(labels) if value == label]
        order.append([members[i] for i in _endless(len(members), epoch * half, half, (seed, label))])
    return [index for pair in zip(*order, strict=True) for index in pair]


def _endless(n: int, start: int, count: int, seed: tuple[int, int]) -> list[int]:
    """``count`` numbers from position ``start`` of an endless row of permutations of 0 to n - 1."""
    rounds = range(start // n, (start + count - 1) // n + 1)
    row = np.concatenate([np.random.default_rng([*seed, r]).permutation(n) for r in rounds])
    first = start - rounds[0] * n
    return [int(i) for i in row[first : first + count]]


def references_of(
    sample: TrainingSample, goods: Sequence[TrainingSample], count: int, seed: Sequence[int]
) -> list[TrainingSample]:
    """Random goods of the sample's category, neither the same image nor another view of its part.

    Raises:
        DataError: there are too few.
    """
    others = [
        g
        for g in goods
        if g.category == sample.category
        and g.sha256 != sample.sha256
        and not (sample.part and g.part == sample.part)
    ]
    if len(others) < count:
        raise DataError(
            f"{sample.id} needs {count} references, but {sample.category or 'the data'} has only "
            f"{len(others)} other good images",
            "give more good training images, or ask for fewer references",
        )
    rng = np.random.default_rng([*seed, int(sample.sha256[:12], 16)])
    return [others[int(i)] for i in rng.permutation(len(others))[:count]]
