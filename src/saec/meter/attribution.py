"""Whose energy it was: what the counters saw, shared out among the work that went on at the time.

The rule
--------
At every moment a device (GPU, CPU) draws its idle power, which nobody caused, and power above that. What is
above idle is shared among the spans of work that are under way on that device at that moment, each by its
weight; a frame in a batch of n weighs 1/n. What is drawn above idle while no span is under way is
unattributed and stays so. Between two samples of a counter its power is taken as constant.

So idle + unattributed + all shares = what the counter counted, to rounding. A frame's *net* energy is its
shares; its *gross* energy adds an equal part of idle and unattributed, so that the gross energies of all
frames add up to the whole.

Where two stages run at once on one device, half of it each is a convention, not a measurement: no counter
tells threads apart. Stages on different devices do not share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saec.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Counter:
    """A device's energy counter over time.

    Attributes:
        times: the times of the samples, seconds, rising.
        joules: the counter at those times, never falling.
        idle_w: what the device draws when nobody works on it, watts.
    """

    times: Array
    joules: Array
    idle_w: float = 0.0

    def __post_init__(self) -> None:
        if len(self.times) != len(self.joules) or len(self.times) < 2:
            raise DataError("an energy counter gave fewer than two samples", "measure for longer")
        if not (np.isfinite(self.joules).all() and np.isfinite(self.times).all()):
            raise DataError("an energy counter gave NaN or infinite values", "measure again")
        if (np.diff(self.times) <= 0).any() or (np.diff(self.joules) < 0).any():
            raise DataError("an energy counter gave samples out of order", "measure again")


@dataclass(frozen=True, slots=True, eq=False)
class EnergyShares:
    """What became of a device's energy, joules; ``idle + unattributed + spans.sum() == total``."""

    total: float
    idle: float
    unattributed: float
    spans: Array


def attribute(counter: Counter, begins: Array, ends: Array, weights: Array) -> EnergyShares:
    """Share a counter's energy among spans of work on its device.

    Args:
        counter: the device's.
        begins, ends: N times of each span, seconds on the counter's clock; what lies outside the samples gets
            nothing.
        weights: N weights, positive: one for each span while it lasts.

    Returns:
        The energy of each span in the order given, and what was nobody's.

    Raises:
        DataError: a span that ends before it begins, or a weight that is not positive.
    """
    if (ends < begins).any() or not (weights > 0).all():
        raise DataError(
            "the measured times contradict each other: a piece of work ends before it begins, or has no "
            "share in the energy",
            "measure again; if it comes again, report it",
        )
    first, last = counter.times[0], counter.times[-1]
    begins, ends = np.clip(begins, first, last), np.clip(ends, first, last)
    moments = np.unique(np.concatenate([counter.times, begins, ends]))
    seconds = np.diff(moments)
    active = _active(moments, begins, ends, weights)
    counted = np.diff(np.interp(moments, counter.times, counter.joules))
    idle = np.minimum(counted, counter.idle_w * seconds)
    above = counted - idle
    worked = active > 0
    per_weight = np.divide(above, active, out=np.zeros_like(above), where=worked)
    so_far = np.concatenate([[0.0], np.cumsum(per_weight)])
    at = np.searchsorted(moments, ends), np.searchsorted(moments, begins)
    return EnergyShares(
        total=float(counter.joules[-1] - counter.joules[0]),
        idle=float(idle.sum()),
        unattributed=float(above[~worked].sum()),
        spans=weights * (so_far[at[0]] - so_far[at[1]]),
    )


def _active(moments: Array, begins: Array, ends: Array, weights: Array) -> Array:
    """Sum of the weights under way in each interval between moments; exactly 0 where no span is."""
    at = np.searchsorted(moments, begins), np.searchsorted(moments, ends)
    change, count = np.zeros(len(moments)), np.zeros(len(moments))
    for where, sign in zip(at, (1.0, -1.0), strict=True):
        np.add.at(change, where, sign * weights)
        np.add.at(count, where, sign)
    weight, n = np.cumsum(change)[:-1], np.cumsum(count)[:-1]
    return np.where(n > 0.5, weight, 0.0)


def batch_weights(keys: Sequence[object]) -> Array:
    """The weight of each span where spans of one key are one piece of work, such as a batch: 1 / its size."""
    sizes: dict[object, int] = {}
    for key in keys:
        sizes[key] = sizes.get(key, 0) + 1
    return np.array([1.0 / sizes[key] for key in keys])
