"""Frames drawn from a law teach the head: what it finds, what it leaves alone, and that it does not peep."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.defects.defect_cells import LabelledCells, hot_cells
from saec.edge.learning.defects.defect_head_fit import (
    DefectHeadFit,
    LinearHead,
    fit_defect_head,
    frame_scores,
)
from saec.schedule.statistics.auroc import auroc

CHANNELS, CELLS, FOLDS = 12, 200, 5
HOTTEST = 2


def draw(n: int, seed: int, push: float = 0.0, heat: float = 0.0, direction: int = 0) -> LabelledCells:
    """Frames, five cells of which are defective: pushed in one direction, and so much hotter than others."""
    rng = np.random.default_rng((seed, direction))
    features = rng.normal(size=(n, CHANNELS, CELLS)).astype(np.float32)
    warmth = rng.normal(size=(n, CELLS)).astype(np.float32)
    for i in range(n):
        cells = rng.permutation(CELLS)[:5]
        features[i, direction, cells] += push
        warmth[i, cells] += heat
    z = np.take_along_axis(features, hot_cells(warmth)[:, None, :], 2).transpose(0, 2, 1)
    return LabelledCells(
        features=features,
        mean=np.zeros(CHANNELS, np.float32),
        deviation=np.ones(CHANNELS, np.float32),
        heat=warmth,
        residuals=z / np.float32(2.0),
        scores=np.sort(warmth, axis=1)[:, -HOTTEST:].mean(1).astype(np.float64),
        folds=np.arange(n) % FOLDS,
        parts=np.arange(n),
    )


GOODS = draw(80, 0)
DEFECTS = draw(15, 1, push=4.0, heat=2.0)


def judged(fit: DefectHeadFit, frames: LabelledCells) -> NDArray[np.float64]:
    """Scores of frames that the fit has not seen."""
    hot = frames.hot_features() @ fit.hot.weights - fit.hot.offset
    full = fit.full.weights @ frames.features - fit.full.offset
    heads = np.array([frame_scores(cells.astype(np.float32), fit.hottest) for cells in (hot, full)])
    over = np.maximum(heads - fit.weights.level[:, None], 0.0)
    return frames.scores + fit.weights.gain @ over


def gained(fit: DefectHeadFit, defects: LabelledCells) -> tuple[float, float]:
    """AUROC of goods-only scores and of scores with the head, on fresh goods."""
    goods = draw(100, 50)
    before = auroc(goods.scores, defects.scores)
    return before, auroc(judged(fit, goods), judged(fit, defects))


def test_what_it_learned_finds_more_of_the_same() -> None:
    fit = fit_defect_head(GOODS, DEFECTS)
    before, after = gained(fit, draw(50, 51, push=4.0, heat=2.0))
    assert fit.weights.hot > 0 or fit.weights.full > 0
    assert before < 0.95 < after


def test_it_finds_defects_that_the_map_does_not_see() -> None:
    defects = draw(20, 1, push=5.0, heat=1.0)
    fit = fit_defect_head(GOODS, defects)
    before, after = gained(fit, draw(50, 51, push=5.0, heat=0.0))
    assert before < 0.7
    assert after > before + 0.2


def test_what_differs_between_defects_counts_less_than_what_they_share() -> None:
    """All defects are pushed by 3 in one direction, and a fifth of them by 15 in another."""
    defects = draw(30, 1, heat=4.0)
    features = defects.features.copy()
    for frame, cells in enumerate(hot_cells(defects.heat)[:, :5]):
        features[frame, 0, cells] += 3.0
        features[frame, 1, cells] += 15.0 if frame % 5 == 0 else 0.0
    fit = fit_defect_head(GOODS, dataclasses.replace(defects, features=features))
    for head in (fit.hot, fit.full):
        assert head.weights[0] > 1.3 * head.weights[1]


def test_another_kind_stays_as_visible() -> None:
    fit = fit_defect_head(GOODS, DEFECTS)
    before, after = gained(fit, draw(50, 51, push=4.0, heat=3.0, direction=3))
    assert after > before - 0.02


def test_defects_that_look_good_mostly_teach_nothing() -> None:
    fits = [fit_defect_head(GOODS, draw(10, seed)) for seed in range(10, 22)]
    weights = [max(fit.weights.hot, fit.weights.full) for fit in fits]
    assert weights.count(0.0) >= 8
    gains = [np.subtract(*gained(fit, draw(50, 51, push=4.0, heat=3.0))[::-1]) for fit in fits]
    assert np.mean(gains) > -0.02


@pytest.mark.parametrize("folds", [[0], [2, 2, 2]])
def test_defects_that_cannot_be_left_out_count_nothing(folds: list[int]) -> None:
    defects = draw(len(folds), 1, push=8.0, heat=2.0)
    fit = fit_defect_head(GOODS, dataclasses.replace(defects, folds=np.array(folds)))
    assert (fit.weights.hot, fit.weights.full) == (0.0, 0.0)
    assert (fit.goods == GOODS.scores).all()
    assert (fit.defects == defects.scores).all()


def test_a_score_is_by_heads_that_have_not_seen_the_part() -> None:
    """Other frames of the fold may change as they like."""
    before = fit_defect_head(GOODS, DEFECTS)
    features = DEFECTS.features.copy()
    features[5] *= -3.0  # of fold 0, as the frames 0 and 10 are
    goods = GOODS.features.copy()
    goods[10] += 5.0
    after = fit_defect_head(
        dataclasses.replace(GOODS, features=goods), dataclasses.replace(DEFECTS, features=features)
    )
    for label, alike in ((0, np.arange(0, 80, 5)), (1, np.array([0, 10]))):
        alike = alike[alike != 10] if label == 0 else alike
        assert np.allclose(before.unseen[label].heads[:, alike], after.unseen[label].heads[:, alike])
    assert not np.allclose(before.unseen[1].heads[:, 1], after.unseen[1].heads[:, 1])


def reordered(frames: LabelledCells, order: NDArray[np.int64]) -> LabelledCells:
    parts = {
        field.name: getattr(frames, field.name)[order]
        for field in dataclasses.fields(frames)
        if field.name not in {"mean", "deviation", "marked"}
    }
    return dataclasses.replace(frames, **parts)


def test_the_order_of_the_frames_does_not_matter() -> None:
    order, other = np.random.default_rng(3).permutation(80), np.random.default_rng(4).permutation(15)
    fit = fit_defect_head(GOODS, DEFECTS)
    again = fit_defect_head(reordered(GOODS, order), reordered(DEFECTS, other))
    mine, others = fit.weights, again.weights
    assert (mine.hot, mine.full) == pytest.approx((others.hot, others.full), abs=1e-3)
    assert np.allclose(fit.goods[order], again.goods, atol=1e-4)
    assert np.allclose(fit.defects[other], again.defects, atol=1e-4)


def test_features_may_be_in_steps() -> None:
    def stepped(frames: LabelledCells) -> LabelledCells:
        whole = np.clip(np.rint(frames.features * 12.0), -127, 127).astype(np.int8)
        return dataclasses.replace(frames, features=whole, deviation=np.full(CHANNELS, 12.0, np.float32))

    fit, again = fit_defect_head(GOODS, DEFECTS), fit_defect_head(stepped(GOODS), stepped(DEFECTS))
    mine, others = fit.weights, again.weights
    assert (mine.hot, mine.full) == pytest.approx((others.hot, others.full), abs=0.25)  # one step of weights
    assert np.abs(fit.goods - again.goods).max() < 0.2


def test_a_mask_shows_what_the_map_does_not() -> None:
    """Defective cells are no hotter than others: only the mask tells which they are."""
    defects = draw(15, 1, push=5.0)
    marked = tuple(np.flatnonzero(frame[0] > 2.5) for frame in defects.features)
    without, told = (
        fit_defect_head(GOODS, dataclasses.replace(defects, marked=marks)) for marks in ((), marked)
    )
    fresh = draw(50, 51, push=5.0)
    assert gained(told, fresh)[1] > max(0.95, gained(without, fresh)[1] - 0.01)


def test_a_mask_beside_every_hot_cell_leaves_the_hot_half_out() -> None:
    cold = tuple(np.argsort(heat)[:3] for heat in DEFECTS.heat)
    fit = fit_defect_head(GOODS, dataclasses.replace(DEFECTS, marked=cold))
    assert fit.weights.hot == 0.0
    assert np.isfinite(fit.goods).all()


def test_few_goods_are_enough_to_fit() -> None:
    fit = fit_defect_head(draw(4, 0), draw(3, 1, push=4.0, heat=2.0))
    assert np.isfinite(fit.goods).all()
    assert np.isfinite(fit.defects).all()


def test_scores_of_goods_are_in_deviations() -> None:
    head: LinearHead = fit_defect_head(GOODS, DEFECTS).hot
    scores = GOODS.hot_features() @ head.weights - head.offset
    assert abs(float(scores.mean())) < 1e-3
    assert 0.8 < float(scores.std()) < 1.0
