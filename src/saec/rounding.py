"""How far apart rounding alone may bring two results that are one in exact arithmetic.

CPUs add up one sum in different orders, with fused products or without, so their last digits differ. What
they may differ by follows from the arithmetic, never from what one CPU gave.
"""

from __future__ import annotations

import math
from typing import Literal

Arithmetic = Literal["float64", "float32", "float16", "bfloat16"]

UNIT: dict[Arithmetic, float] = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
}
"""Unit roundoff: the largest relative error of one operation."""


def apart(length: float, magnitude: float, arithmetic: Arithmetic = "float32") -> float:
    """The largest difference of two results that rounding explains.

    One result of a sum of n terms is off by at most gamma_n = n u / (1 - n u) times the sum of the terms'
    magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, section 3.1). Single
    errors are of either sign, so sqrt(n) takes the place of n (Higham and Mary, SIAM J. Sci. Comput. 41,
    2019): with errors spread evenly over (-u, u) and terms of one sign, the worst case, that is three
    standard deviations. Two results may be off by twice as much. The errors of products that follow each
    other add up by their squares as well, so a chain is as long as all its sums together, as long as no
    step enlarges what enters it by more than it enlarges its magnitude.

    Args:
        length: operations that are rounded on the way from an input to the result, one after another.
        magnitude: sum of the magnitudes of what is added up; of a chain, of its result.
        arithmetic: the arithmetic in which it is computed.
    """
    u = UNIT[arithmetic]
    return 2 * math.sqrt(length) * u / (1 - min(length, 1 / (2 * u)) * u) * abs(magnitude)


def apart_in_probability(logit: float) -> float:
    """|dP| of a softmax over two logits that are each off by ``logit``: its slope is a quarter at most."""
    return logit / 2
