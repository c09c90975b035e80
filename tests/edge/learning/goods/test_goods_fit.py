"""The fit to goods: what it computes equals the head's arithmetic; folds do not see what they score."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from saec.edge.learning.feature_sums import FeatureSums, Steps
from saec.edge.learning.goods.good_moments import standard_of, whitening
from saec.edge.learning.goods.goods_fit import CURVED, GoodsKept, fit_goods
from saec.edge.learning.head.detector_head import PatchModel, distances, head, scaled, scored
from saec.edge.learning.head.tensor_ops import NumpyOps
from saec.edge.learning.patch_candidates import PatchCandidates, owner_number
from saec.errors import DataError
from saec.schedule.statistics.threshold import threshold_for

CHANNELS, HEIGHT, WIDTH, BLOCK = 6, 4, 8, (2, 4)


def frames(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Features of goods: each place has its own mean."""
    places = np.random.default_rng(99).normal(0, 3, (CHANNELS, HEIGHT, WIDTH))
    noise = np.random.default_rng(seed).normal(0, 1, (count, CHANNELS, HEIGHT, WIDTH))
    features: NDArray[np.float32] = (places + noise).astype(np.float32)
    return features


def kept(features: NDArray[np.float32], folds: int, inside: NDArray[np.bool_] | None = None) -> GoodsKept:
    steps = Steps.of(features[:16])
    whole = steps.whole(features)
    sums = FeatureSums.empty(CHANNELS, HEIGHT, WIDTH, BLOCK)
    sums.add(whole)
    candidates = PatchCandidates.empty(CHANNELS)
    shas = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(len(whole))]
    for sha, one in zip(shas, whole, strict=True):
        candidates.add([(sha, one)])
    owners = np.array([owner_number(sha) for sha in shas])
    return GoodsKept(steps, sums, candidates, whole, owners, np.arange(len(whole)) % folds, inside)


def test_whitened_goods_have_unit_covariance() -> None:
    goods = kept(frames(400), 4)
    white = whitening(goods.sums, standard_of(goods.sums))
    off = goods.features - goods.sums.first / goods.sums.count
    first_block = off[:, :, : BLOCK[0], : BLOCK[1]].transpose(1, 0, 2, 3).reshape(CHANNELS, -1)
    assert np.cov(white[0] @ first_block) == pytest.approx(np.eye(CHANNELS), abs=0.15)


def test_cross_fitted_maps_are_those_of_a_detector_without_the_fold() -> None:
    goods = kept(frames(60), 3)
    fit = fit_goods(goods, memory=10_000, seed=0)
    out = goods.folds == 0
    candidates = PatchCandidates.empty(CHANNELS)
    kept_patches = ~np.isin(goods.candidates.owners, goods.owners[out])
    candidates.keys = goods.candidates.keys[kept_patches]
    candidates.owners = goods.candidates.owners[kept_patches]
    candidates.patches = goods.candidates.patches[kept_patches]
    rest = GoodsKept(
        goods.steps,
        goods.sums.without(goods.features[out]),
        candidates,
        goods.features[~out],
        goods.owners[~out],
        goods.folds[~out] - 1,
    )
    without = fit_goods(rest, memory=10_000, seed=0).model
    real = goods.steps.real(goods.features[out])
    maps = scaled(NumpyOps(), distances(NumpyOps(), real, without, len(real)), fit.model, len(real))
    # they differ in what standardises the features, and in whose maps make the scale: hardly at all
    assert np.corrcoef(maps.ravel(), fit.maps[out].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_nothing(workers: int) -> None:
    goods = kept(frames(20), 5)
    one, other = (fit_goods(goods, memory=50, seed=1, workers=count) for count in (2, workers))
    assert np.array_equal(one.maps, other.maps)
    assert np.array_equal(one.memory, other.memory)
    assert np.array_equal(one.model.whiten, other.model.whiten)


def test_a_defect_scores_above_all_goods() -> None:
    fit = fit_goods(kept(frames(40), 8), memory=300, seed=0)
    unseen = frames(20, seed=5)
    broken = unseen.copy()
    broken[:, :, 1:3, 2:4] += 6.0
    good = head(NumpyOps(), unseen, PatchModel(fit.model), 20).score
    bad = head(NumpyOps(), broken, PatchModel(fit.model), 20).score
    assert bad.min() > good.max()


def test_goods_score_as_if_unseen() -> None:
    """Cross-fitted maps lie where those of new goods lie, above those of goods that were seen."""
    features = frames(60)
    fit = fit_goods(kept(features, 6), memory=150, seed=0)

    def level(some: NDArray[np.float32]) -> float:
        maps = distances(NumpyOps(), some, fit.model, len(some))
        return float(scaled(NumpyOps(), maps, fit.model, len(some)).mean())

    seen, unseen, crossed = level(features), level(frames(200, seed=7)), float(fit.maps.mean())
    assert abs(crossed - unseen) < 0.35 * (unseen - seen)


def test_fold_memories_hold_none_of_the_fold() -> None:
    goods = kept(frames(20), 5)
    fit = fit_goods(goods, memory=60, seed=0)
    for fold, memory in enumerate(fit.fold_memories):
        assert len(memory) == 60
        assert not np.isin(goods.candidates.owners[memory], goods.owners[goods.folds == fold]).any()


def test_goods_that_are_not_kept_count_in_every_fold() -> None:
    goods = kept(frames(30), 5)
    some = GoodsKept(
        goods.steps,
        goods.sums,
        goods.candidates,
        goods.features[:15],
        goods.owners[:15],
        goods.folds[:15],
    )
    fit = fit_goods(some, memory=10_000, seed=0)
    assert len(fit.maps) == 15
    for memory in fit.fold_memories:
        assert np.isin(goods.owners[15:], goods.candidates.owners[memory]).all()


def test_three_goods_are_enough() -> None:
    fit = fit_goods(kept(frames(3), 3), memory=100, seed=0)
    assert np.isfinite(fit.maps).all()
    assert np.isfinite(head(NumpyOps(), frames(2, seed=4), PatchModel(fit.model), 2).score).all()


def test_a_dead_channel_does_no_harm() -> None:
    features = frames(8)
    features[:, 2] = 5.0
    assert np.isfinite(fit_goods(kept(features, 4), memory=100, seed=0).maps).all()


def test_cells_outside_the_region_do_not_count() -> None:
    inside = np.zeros((2 * HEIGHT, 2 * WIDTH), np.bool_)
    inside[:, :WIDTH] = True
    fit = fit_goods(kept(frames(12), 4, inside), memory=100, seed=0)
    assert fit.model.inside is not None
    assert fit.model.inside.tolist() == np.flatnonzero(inside).tolist()


def test_too_few_goods_or_a_single_part_are_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        fit_goods(kept(frames(2), 2), memory=10, seed=0)
    with pytest.raises(DataError, match="same part"):
        fit_goods(kept(frames(5), 1), memory=10, seed=0)


def test_more_goods_would_help_where_there_are_few() -> None:
    few = fit_goods(kept(frames(12), 6), memory=10_000, seed=0).half_gap
    many = fit_goods(kept(frames(200), 10), memory=10_000, seed=0).half_gap
    assert few is not None
    assert many is not None
    assert few > many > 0
    assert fit_goods(kept(frames(9), 9), memory=100, seed=0).half_gap is None


@pytest.mark.parametrize(("count", "lowered"), [(CURVED, True), (CURVED - 1, False)])
def test_scores_are_lowered_to_those_of_the_final_detector(count: int, lowered: bool) -> None:
    fit = fit_goods(kept(frames(count), 5), memory=10_000, seed=0)
    raw = scored(NumpyOps(), fit.maps, fit.model, len(fit.maps)).score
    assert np.ptp(fit.scores / raw) < 1e-5
    assert bool((raw - fit.scores).mean() > 0) == lowered


def test_a_fold_memory_is_chosen_as_if_the_fold_had_never_been() -> None:
    goods = kept(frames(20), 5)
    before = fit_goods(goods, memory=60, seed=0)
    owned = np.isin(goods.candidates.owners, goods.owners[goods.folds == 0])
    goods.candidates.patches[owned] *= -1
    after = fit_goods(goods, memory=60, seed=0)
    assert not np.array_equal(after.memory, before.memory)
    assert np.array_equal(after.fold_memories[0], before.fold_memories[0])


@pytest.mark.parametrize("count", [20, 40, 80])
def test_unseen_goods_are_rejected_as_often_as_asked(count: int) -> None:
    """A small memory, of which a good's own patches are many: they must not count when it is judged."""
    rates = []
    for line in range(40):
        fit = fit_goods(kept(frames(count, seed=line), 10), memory=150, seed=0)
        unseen = head(NumpyOps(), frames(200, seed=1000 + line), PatchModel(fit.model), 200).score
        rates.append((unseen >= threshold_for(fit.scores.astype(np.float64), 0.05)).mean())
    error = np.std(rates) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - 0.05) < max(0.01, 2 * error)
