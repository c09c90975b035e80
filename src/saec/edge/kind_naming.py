"""The name of a defect's kind from what the detector's graph says of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saec.types import UNKNOWN_KIND, KindOpinion

LEAST_CONFIDENCE = 0.5
"""A kind that is less likely than this is not named."""


def name_kind(kinds: Sequence[str], told: NDArray[np.float32]) -> KindOpinion:
    """The kind of one frame's defect, or an unknown one.

    Args:
        kinds: the K kinds that the line knows.
        told: K + 2 numbers: the probability of each kind and of an unknown one, and the distance to the
            nearest known defect, above 1 where the frame is like none of them.
    """
    probabilities, distance = told[:-1], float(told[-1])
    best = int(probabilities.argmax())
    if best < len(kinds) and probabilities[best] >= LEAST_CONFIDENCE and distance <= 1.0:
        return KindOpinion(kinds[best], float(probabilities[best]))
    return KindOpinion(UNKNOWN_KIND, float(probabilities[-1]))
