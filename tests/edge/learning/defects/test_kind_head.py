"""Kinds of defect drawn around their middles are named, and a kind never shown is unknown."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.kind_naming import name_kind
from saec.edge.learning.defects.kind_head import KindHead
from saec.edge.learning.defects.kind_head_fit import KindHeadFit, fit_kind_head
from saec.edge.learning.head.kind_outputs import kind_answers, pooled_features
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.types import UNKNOWN_KIND

CHANNELS = 20
MIDDLES = np.random.default_rng(0).normal(size=(5, 2 * CHANNELS + 4))
NAMES = ["burr", "crack", "dent", "hole", "stain"]


def draw(kind: int, n: int, seed: int, spread: float = 0.7) -> NDArray[np.float32]:
    noise = np.random.default_rng((seed, kind)).normal(size=(n, 2 * CHANNELS + 4))
    return (MIDDLES[kind] + spread * noise).astype(np.float32)


def fitted(kinds: int, n: int, spread: float = 0.7) -> KindHeadFit:
    pooled = np.concatenate([draw(k, n, 1, spread) for k in range(kinds)])
    fit = fit_kind_head(pooled, [NAMES[k] for k in range(kinds) for _ in range(n)], np.arange(kinds * n))
    assert fit is not None
    return fit


def named(head: KindHead, pooled: NDArray[np.float32]) -> list[str]:
    return [name_kind(head.kinds, told).name for told in answers(head, pooled)]


def answers(head: KindHead, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
    return kind_answers(NumpyOps(), pooled, head, len(pooled))


def test_known_kinds_are_named() -> None:
    head = fitted(4, 8).head
    for kind in range(4):
        names = named(head, draw(kind, 20, 2))
        assert names.count(NAMES[kind]) >= 17
        assert set(names) <= {NAMES[kind], UNKNOWN_KIND}


def test_a_kind_never_shown_is_unknown() -> None:
    head = fitted(4, 8).head
    assert named(head, draw(4, 40, 2)).count(UNKNOWN_KIND) >= 32


def test_a_frame_unlike_all_examples_is_unknown() -> None:
    head = fitted(2, 8).head
    far = draw(0, 20, 2) * 6.0
    distance = answers(head, far)[:, -1]
    assert (distance > 1.0).all()
    assert set(named(head, far)) == {UNKNOWN_KIND}


def test_confidence_is_as_often_right() -> None:
    """Kinds that overlap: of frames named with confidence .8 some four in five are right."""
    fit = fitted(3, 25, spread=2.2)
    sure, right = [], []
    for kind in range(3):
        for p in answers(fit.head, draw(kind, 200, 2, spread=2.2))[:, :-1]:
            sure.append(p[:3].max())
            right.append(p[:3].argmax() == kind)
    assert abs(np.mean(sure) - np.mean(right)) < 0.12


def test_scores_with_a_part_left_out_are_those_of_a_fit_without_it() -> None:
    """Up to the scale of the features, to which a part adds little among many."""
    pooled = np.concatenate([draw(k, 30, 1) for k in range(2)])
    kinds = [NAMES[k] for k in range(2) for _ in range(30)]
    parts = np.arange(60) // 2
    fit = fit_kind_head(pooled, kinds, parts)
    without = fit_kind_head(pooled[2:], kinds[2:], parts[2:])
    assert fit is not None
    assert without is not None
    x = (pooled[:2] - without.head.centre) * without.head.scale
    scores = x @ without.head.weights + without.head.offset
    logits = fit.head.sharpness * np.concatenate([scores, np.full((2, 1), fit.head.bar)], axis=1)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert np.abs(fit.unseen[:2] - expected).max() < 0.05


@pytest.mark.parametrize(
    ("kinds", "parts"),
    [
        (["burr"] * 6, [0, 1, 2, 3, 4, 5]),
        (["burr", "burr", "crack", "dent"], [0, 1, 2, 3]),
        (["burr", "burr", "crack", "crack"], [0, 1, 2, 2]),
        ([], []),
    ],
)
def test_too_few_kinds_or_parts_give_no_head(kinds: list[str], parts: list[int]) -> None:
    pooled = np.zeros((len(kinds), 2 * CHANNELS + 4), np.float32)
    assert fit_kind_head(pooled, kinds, np.array(parts, np.int64)) is None


def test_the_order_of_the_defects_does_not_matter() -> None:
    pooled = np.concatenate([draw(k, 8, 1) for k in range(3)])
    kinds = np.array([NAMES[k] for k in range(3) for _ in range(8)])
    order = np.random.default_rng(3).permutation(24)
    one = fit_kind_head(pooled, list(kinds), np.arange(24))
    other = fit_kind_head(pooled[order], list(kinds[order]), np.arange(24)[order])
    assert one is not None
    assert other is not None
    fresh = draw(1, 10, 2)
    for a, b in zip(answers(one.head, fresh), answers(other.head, fresh), strict=True):
        assert np.allclose(a, b, atol=1e-4)


def test_features_are_pooled_over_the_hottest_cells() -> None:
    rng = np.random.default_rng(0)
    features, residuals = rng.normal(size=(2, 3, 10, 4)).astype(np.float32)
    heat = -np.sort(-rng.normal(size=(3, 10)).astype(np.float32), axis=1)
    pooled = pooled_features(NumpyOps(), features, residuals, heat, 2, residuals.shape)
    assert pooled.shape == (3, 2 * 4 + 4)
    assert np.allclose(pooled[:, :4], features[:, :2].mean(1))
    assert np.allclose(pooled[:, 4:8], residuals[:, :2].mean(1))
    assert np.allclose(pooled[:, 8:], np.log1p(np.maximum(heat[:, [0, 1, 3, 7]], 0.0)))
