"""AUROC with an interval that few images can bear."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = Sequence[float] | NDArray[np.float64]


def auroc(good: Scores, defect: Scores) -> float:
    """Probability that a defect scores above a good, ties counting half (Mann-Whitney).

    Args:
        good, defect: scores of each class, at least one each.
    """
    g, d = np.sort(np.asarray(good, dtype=np.float64)), np.asarray(defect, dtype=np.float64)
    wins = np.searchsorted(g, d, side="left").sum() + np.searchsorted(g, d, side="right").sum()
    return float(wins) / (2.0 * len(g) * len(d))


def auroc_interval(area: float, n_good: int, n_defect: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of an AUROC (Newcombe 2006, Statistics in Medicine 25:559-573, method 5).

    It inverts the standard error of Hanley and McNeil (1982) as Wilson's interval inverts the
    binomial's. Unlike the bootstrap's and DeLong's it does not shrink to a point when the classes
    separate, which with the few defects of a calibration they often do.

    Args:
        area: the AUROC, from 0 to 1.
        n_good, n_defect: images of each class.
        z: normal quantile of the confidence.
    """
    low = _lower(area, n_good, n_defect, z)
    return low, 1.0 - _lower(1.0 - area, n_good, n_defect, z)


def _lower(area: float, n_good: int, n_defect: int, z: float) -> float:
    """The area that lies z of its own standard errors below ``area``."""
    from scipy.optimize import brentq

    pairs = n_good * n_defect
    others = (n_good + n_defect) / 2 - 1

    def excess(t: float) -> float:
        variance = t * (1 - t) * (1 + others * ((1 - t) / (2 - t) + t / (1 + t))) / pairs
        return t + z * math.sqrt(variance) - area

    # At 0 the excess is -area, just below the area it is positive: the root lies between. Not at the
    # area itself: an area of 1 has no error there, which is the degenerate answer to be avoided.
    return float(brentq(excess, 0.0, area * (1 - 1e-9))) if area > 0 else 0.0
