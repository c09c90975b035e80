"""What rounding explains of the cloud's numbers, for the tests that compare two ways to one answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saec.cloud.fast.rounding_bound import logits_apart, opinions_apart

TOKENS = 1000
"""More than any conversation of the tests has."""


def p_apart(engine: Any) -> float:
    """Largest difference of an engine's P(defect) in float32."""
    return opinions_apart(engine.model, engine._answers, TOKENS)


def odds_apart(engine: Any) -> float:
    """Largest difference of its log-odds: of two logits."""
    return 4 * p_apart(engine)


def same_opinions(engine: Any, ours: Any, theirs: Any) -> None:
    """Assert that P(defect) differs by no more than rounding explains."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=p_apart(engine))


def same_logits(core: Any, ours: Any, theirs: Any) -> None:
    """Assert that no token's logit, (conversations, vocabulary), differs by more than rounding explains."""
    off = (ours - theirs).abs() / logits_apart(core.model, TOKENS)
    assert off.max() <= 1, f"{off.max():.3g} times what rounding explains"


def log_odds(p: float) -> float:
    return math.log(p / (1 - p))
