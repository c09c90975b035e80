"""Fitting the patch detector, here on features that are quick to compute: block means and ranges."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from saec.edge.training import patch_fit as module
from saec.edge.training.feature_store import Spill
from saec.edge.training.good_statistics import build_distances
from saec.edge.training.patch_fit import MIN_GOODS, ORDERED, PatchFit, _scale, cover_from_middle, fit_patch
from saec.edge.training.patch_network import Distances, PatchNet, Scale
from saec.errors import DataError
from saec.rounding import apart
from saec.schedule.statistics.threshold import threshold_for

pytestmark = pytest.mark.numeric

SIDE = 96


class Blocks(torch.nn.Module):
    """Mean, least and greatest value of each colour over 16 x 16 blocks."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x = frames.permute(0, 3, 1, 2).float()
        return torch.cat([F.avg_pool2d(x, 16), F.max_pool2d(x, 16), -F.max_pool2d(-x, 16)], 1)


def features(frame: np.ndarray) -> np.ndarray:
    return Blocks()(torch.from_numpy(frame)[None])[0].numpy()


def finish(distances: Distances, scale: Scale) -> PatchNet:
    return PatchNet(Blocks(), distances, scale)


def good(seed: int) -> np.ndarray:
    """A plate with a rim, lit and grained a little otherwise each time."""
    rng = np.random.default_rng(seed)
    x = np.full((SIDE, SIDE, 3), 120.0) + rng.normal(0, 4, 3)
    x[16:80, 16:80] += 40 + rng.normal(0, 3)
    return np.clip(x + rng.normal(0, 3, x.shape), 0, 255).astype(np.uint8)


def spoilt(seed: int, top: int = 48, left: int = 48) -> np.ndarray:
    frame = good(seed)
    frame[top : top + 14, left : left + 14] = (200, 30, 30)
    return frame


def fold_of(count: int, folds: int = 4) -> np.ndarray:
    return np.arange(count) % folds


def fit(frames: list[np.ndarray] | Iterator[np.ndarray], count: int, **options: Any) -> PatchFit:
    settings: dict[str, Any] = {"folds": fold_of(count), "memory": 64, "seed": 0, **options}
    return fit_patch(frames, settings.pop("folds"), features, finish, **settings)


def score(made: PatchFit, frame: np.ndarray) -> float:
    with torch.inference_mode():
        return float(made.net(torch.from_numpy(frame)[None])[0])


@pytest.fixture(scope="module")
def sixty() -> PatchFit:
    return fit([good(i) for i in range(60)], 60)


def test_the_same_goods_give_the_same_detector(sixty: PatchFit) -> None:
    again = fit((good(i) for i in range(60)), 60)
    first, second = sixty.net.state_dict(), again.net.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert np.array_equal(sixty.scores, again.scores)
    assert sixty.order == again.order
    other = fit((good(i) for i in range(60)), 60, seed=1)
    assert not np.array_equal(sixty.scores, other.scores)


def test_the_order_of_the_goods_matters_little(sixty: PatchFit) -> None:
    turned = fit([good(i) for i in reversed(range(60))], 60, folds=fold_of(60)[::-1])
    np.testing.assert_allclose(turned.scores[::-1], sixty.scores, rtol=0.2, atol=0.6)
    assert turned.order[0] == 59 - sixty.order[0]
    assert np.corrcoef(turned.scores[::-1], sixty.scores)[0, 1] > 0.75


def test_asked_overkill_comes_true_on_fresh_goods(sixty: PatchFit) -> None:
    fresh = np.array([score(sixty, good(i)) for i in range(1000, 1200)])
    for asked in (0.05, 0.2):
        threshold = threshold_for(sixty.scores, asked)
        assert asked / 4 <= (fresh >= threshold).mean() <= 2 * asked
    bad = [score(sixty, spoilt(i)) for i in range(2000, 2020)]
    assert min(bad) > threshold_for(sixty.scores, 0.05)


def test_the_map_is_hottest_at_the_defect(sixty: PatchFit) -> None:
    with torch.inference_mode():
        heat = sixty.net(torch.from_numpy(spoilt(1, top=64, left=16))[None])[1][0].numpy()
    assert heat.shape == (SIDE // 8, SIDE // 8)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 7 <= y <= 10
    assert 1 <= x <= 4


def test_a_planted_outlier_scores_as_one_that_was_never_seen() -> None:
    frames = [good(i) for i in range(24)]
    frames[9] = spoilt(9)
    made = fit(frames, 24)
    others = np.delete(made.scores, 9)
    assert made.scores[9] > np.median(others) + 6 * 1.4826 * np.median(np.abs(others - np.median(others)))
    # fitted on it, the final detector knows it: that score would tell nothing
    assert score(made, frames[9]) < made.scores[9] / 2


def test_frames_of_one_fold_do_not_vouch_for_each_other() -> None:
    frames = [good(i) for i in range(24)]
    frames[4], frames[5] = spoilt(4), spoilt(5)
    apart = fit(frames, 24, folds=fold_of(24))
    folds = fold_of(24)
    folds[5] = folds[4]
    together = fit(frames, 24, folds=folds)
    assert together.scores[[4, 5]].min() > 2 * apart.scores[[4, 5]].max()


@pytest.mark.parametrize(
    ("count", "folds", "message"),
    [
        (MIN_GOODS - 1, 4, "9 good images are too few"),
        (MIN_GOODS, 1, "all good images have the same part id"),
    ],
)
def test_too_little_to_fit_on_is_refused(count: int, folds: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit([good(i) for i in range(count)], count, folds=fold_of(count, folds))


def test_two_folds_do_not_tell_whether_more_goods_would_help() -> None:
    frames = [good(i) for i in range(12)]
    assert fit(frames, 12, folds=fold_of(12, 2)).half_gap is None
    assert fit(frames, 12, folds=fold_of(12, 3)).half_gap is not None


def test_more_goods_help_less_and_less() -> None:
    few, many = (
        np.mean([fit([good(i + 1000 * r) for i in range(n)], n, memory=4096).half_gap for r in range(3)])
        for n in (12, 60)
    )
    assert 0 < 2 * many < few


def test_what_lies_outside_the_region_is_nothing() -> None:
    inside = np.zeros((SIDE // 8, SIDE // 8), bool)
    inside[:, :4] = True

    def noisy(frame: np.ndarray, seed: int) -> np.ndarray:
        frame[:, 80:] = np.random.default_rng(seed).integers(0, 256, (SIDE, 16, 3))
        return frame

    made = fit([noisy(good(i), i) for i in range(16)], 16, inside=inside)
    frame = good(99)
    seen, blind = score(made, spoilt(99, left=2)), score(made, spoilt(99, left=82))
    assert blind == score(made, frame)
    assert seen > made.scores.max()
    with torch.inference_mode():
        heat = made.net(torch.from_numpy(spoilt(99, left=82))[None])[1][0].numpy()
    assert not heat[~inside].any()


def spilt(folder: Path, maps: np.ndarray) -> Spill:
    spill = Spill(folder / "maps", maps.shape[1:])
    for one in maps:
        spill.append(one)
    return spill


def test_what_is_shown_outside_the_region_does_not_set_the_scale(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).gamma(4, size=(12, 2, 12, 16)).astype(np.float32)
    inside = np.zeros((12, 16), bool)
    inside[:, :10] = True
    calm, _ = _scale(spilt(tmp_path, maps), inside)
    seen = maps[..., :10]
    median = np.median(seen, axis=(0, 2, 3))
    rtol = apart(8, 1.0)
    np.testing.assert_allclose(calm.centre.flatten(), median, rtol=rtol)
    spread = np.quantile(seen, 0.9, axis=(0, 2, 3)) - median
    rtol *= float((1 + 2 * median / spread).max())  # a difference of two
    np.testing.assert_allclose(calm.spread.flatten(), spread, rtol=rtol)
    maps[..., 10:] *= 100
    wild, _ = _scale(spilt(tmp_path, maps), inside)
    assert torch.equal(wild.spread, calm.spread)
    for name in ("expected", "deviation"):
        assert torch.equal(getattr(wild, name)[:, :10], getattr(calm, name)[:, :10])


def test_a_good_does_not_vouch_for_itself(tmp_path: Path) -> None:
    """However far out one good lies, what its place shows is taken from the others."""
    scores = []
    for height in (100, 1000):
        maps = np.random.default_rng(0).gamma(4, size=(12, 2, 12, 16)).astype(np.float32)
        maps[3, :, 5:7, 5:7] += height
        scores.append(_scale(spilt(tmp_path, maps), None)[1][3])
    assert scores[1] > 8 * scores[0]


def test_memory_is_flat_in_the_number_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATES", 120)
    candidates: list[int] = []
    alive, most = weakref.WeakSet[Token](), 0
    build = build_distances

    def counted(moments: Any, points: Any, *rest: Any) -> Any:
        candidates.append(len(points))
        return build(moments, points, *rest)

    monkeypatch.setattr(module, "build_distances", counted)

    def frames() -> Iterator[np.ndarray]:
        nonlocal most
        for i in range(60):
            frame = good(i).view(Token)
            alive.add(frame)
            gc.collect(0)
            most = max(most, len(alive))
            yield frame

    fit(frames(), 60)
    assert most <= 3
    assert max(candidates) <= 120
    assert len(candidates) == 4 + 1 + 1  # folds, half of the goods, all of them


class Token(np.ndarray):
    """An array that can be counted."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # what can be counted has a hash


@pytest.mark.parametrize("count", [10, ORDERED + 30])
def test_the_order_covers_the_goods_from_the_middle(count: int) -> None:
    vectors = torch.from_numpy(np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32))
    order = cover_from_middle(vectors)
    assert len(order) == len(set(order)) == min(count, ORDERED)
    x = vectors.numpy()
    assert order[0] == ((x - x.mean(0)) ** 2).sum(1).argmin()
    nearest = ((x - x[order[0]]) ** 2).sum(1)
    for index in order[1:]:
        assert nearest[index] == pytest.approx(nearest.max())
        nearest = np.minimum(nearest, ((x - x[index]) ** 2).sum(1))


def test_the_order_of_identical_goods_names_each_once() -> None:
    assert sorted(cover_from_middle(torch.ones(6, 3))) == list(range(6))
