"""How often people are wrong, and what they then saw, from frames that several people answered.

The model is that of Hui and Walter (1980): samples with different shares of defects, and readers who do not
know of each other and err with the same two rates. Whom a frame is shown to next may depend on the answers
before, and on nothing else: such a plan drops out of the likelihood (Rubin 1976). The posterior is drawn by
the Gibbs sampler of Joseph, Gyorkos and Coupal (1995), many chains at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saec.schedule.review_rates.stratum_sample import StratumSample

Array = NDArray[np.float64]

PRIOR = (0.5, 4.5)
"""Beta prior of either error rate: as much as five readings would say, and half of one wrong."""

WORST = 0.5
"""Nobody is wrong more often than right; it also tells good from defect."""

_CHAINS, _FIRST, _KEPT = 512, 60, 16
_TRIES = 50  # draws beyond the bound; what still is there lies on it
_SHARE_PRIOR = 0.5


class ReaderDraws(NamedTuple):
    """Draws of what the readings leave open.

    Attributes:
        false_alarms: draws; chance that a reader says defect of a good.
        misses: draws; chance that a reader says good of a defect.
        defects: draws x samples; true defects among the frames with an answer.
    """

    false_alarms: Array
    misses: Array
    defects: NDArray[np.int64]


def reader_draws(samples: Sequence[StratumSample], seed: int = 0) -> ReaderDraws:
    """Draws of the posterior of both error rates and of the true defects of each sample.

    Args:
        samples: random samples; those with a share of their own are apart.
        seed: the seed of the draws.
    """
    rng = np.random.default_rng(seed)
    rows = [
        (at, answers, said, n)
        for at, one in enumerate(samples)
        for (answers, said), n in sorted(one.readings.items())
        if n
    ]
    owner, answers, said, frames = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    belongs = (owner[:, None] == np.arange(len(samples))).astype(np.int64)
    sizes = frames @ belongs
    false_alarms, misses = rng.uniform(0.0, 0.2, (2, _CHAINS, 1))
    agreed = (said @ (frames[:, None] * belongs) + _SHARE_PRIOR) / (answers * frames @ belongs + 1.0)
    shares = np.tile(agreed, (_CHAINS, 1))
    kept: list[tuple[Array, Array, NDArray[np.int64]]] = []
    for turn in range(_FIRST + _KEPT):
        mine = shares[:, owner]
        as_defect = mine * misses ** (answers - said) * (1 - misses) ** said
        as_good = (1 - mine) * false_alarms**said * (1 - false_alarms) ** (answers - said)
        true = rng.binomial(frames, as_defect / (as_defect + as_good))
        defects = true @ belongs
        shares = rng.beta(defects + _SHARE_PRIOR, sizes - defects + _SHARE_PRIOR)
        false = frames - true
        false_alarms = _error_rate(rng, false @ said, false @ (answers - said))
        misses = _error_rate(rng, true @ (answers - said), true @ said)
        if turn >= _FIRST:
            kept.append((false_alarms[:, 0], misses[:, 0], defects))
    columns = list(zip(*kept, strict=True))
    return ReaderDraws(
        np.concatenate(columns[0]), np.concatenate(columns[1]), np.concatenate(columns[2]).astype(np.int64)
    )


def _error_rate(rng: np.random.Generator, wrong: NDArray[np.int64], right: NDArray[np.int64]) -> Array:
    """A rate of each chain from its beta law, drawn again where it is beyond ``WORST``; chains x 1."""
    a, b = PRIOR[0] + wrong, PRIOR[1] + right
    drawn = rng.beta(a, b)
    for _ in range(_TRIES):
        if not (beyond := drawn > WORST).any():
            break
        drawn[beyond] = rng.beta(a[beyond], b[beyond])
    found: Array = np.clip(drawn, 1e-9, WORST)[:, None]
    return found
