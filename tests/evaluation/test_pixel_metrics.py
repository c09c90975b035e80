import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import label as components
from sklearn.metrics import roc_auc_score

from saec.errors import DataError
from saec.evaluation.pixel_metrics import PRO_LIMIT, PixelMetrics, _bins

MAPS = arrays(np.float32, (6, 7), elements=st.integers(-8, 8).map(lambda i: i / 4))
MASKS = arrays(np.bool_, (6, 7))


def plain_pro(maps: list[NDArray[np.float32]], masks: list[NDArray[np.bool_]]) -> float:
    """PRO threshold by threshold, as the paper defines it."""
    good = np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)])
    regions = []
    for m, k in zip(maps, masks, strict=True):
        named, n = components(k, np.ones((3, 3)))
        regions += [m[named == i + 1] for i in range(n)]
    cuts = np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]
    x = [0.0, *[(good >= c).mean() for c in cuts]]
    y = [0.0, *[np.mean([(r >= c).mean() for r in regions]) for c in cuts]]
    area = 0.0
    for x0, x1, y0, y1 in zip(x, x[1:], y, y[1:], strict=False):
        if x0 < PRO_LIMIT and x1 > x0:
            end = min(x1, PRO_LIMIT)
            at_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + at_end) / 2
    return area / PRO_LIMIT


def added(maps: list[NDArray[np.float32]], masks: list[NDArray[np.bool_]]) -> PixelMetrics:
    pixels = PixelMetrics()
    for m, k in zip(maps, masks, strict=True):
        pixels.add(m, k.shape, mask=k)
    return pixels


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(MAPS, MASKS), min_size=1, max_size=3))
def test_agrees_with_the_definitions(frames: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> None:
    maps, masks = [m for m, _ in frames], [k for _, k in frames]
    pixels = added(maps, masks)
    truth = np.concatenate([k.ravel() for k in masks])
    if truth.all() or not truth.any():
        assert pixels.pixel_auroc() is None
        assert pixels.pro() is None
        return
    assert pixels.pixel_auroc() == pytest.approx(roc_auc_score(truth, np.concatenate(maps).ravel()))
    assert pixels.pro() == pytest.approx(plain_pro(maps, masks))


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=2, max_size=30))
def test_bins_keep_the_order(values: list[float]) -> None:
    x = np.sort(np.array(values, dtype=np.float32))
    bins = _bins(x)
    assert (np.diff(bins) >= 0).all()
    apart = np.abs(np.diff(x)) > np.maximum(np.abs(x[1:]), np.abs(x[:-1])) / 1000 + 1e-37
    assert (np.diff(bins)[apart] > 0).all()


def test_zero_has_one_bin() -> None:
    assert len(set(_bins(np.array([0.0, -0.0], dtype=np.float32)).tolist())) == 1


def perfect() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:9, 5:9] = mask[20:35, 20:45] = True
    return mask.astype(np.float32), mask


def test_a_perfect_map_is_perfect_and_an_inverted_one_is_not() -> None:
    m, k = perfect()
    assert added([m], [k]).pixel_auroc() == 1
    assert added([m], [k]).pro() == pytest.approx(1)
    assert added([-m], [k]).pixel_auroc() == 0
    assert added([-m], [k]).pro() == 0


def test_a_map_that_tells_nothing_is_chance() -> None:
    _, k = perfect()
    flat = np.ones((40, 50), dtype=np.float32)
    assert added([flat], [k]).pixel_auroc() == pytest.approx(0.5)
    assert added([flat], [k]).pro() == pytest.approx(PRO_LIMIT / 2)


def test_each_region_counts_the_same_whatever_its_size() -> None:
    m, k = perfect()
    m[20:35, 20:45] = 0
    small_found = added([m], [k]).pro()
    m, k = perfect()
    m[5:9, 5:9] = 0
    assert added([m], [k]).pro() == pytest.approx(small_found, abs=0.01)


def test_regions_that_touch_at_a_corner_are_one() -> None:
    mask = np.eye(4, dtype=bool)
    assert added([np.zeros((4, 4), np.float32)], [mask]).regions == 1


def test_goods_alone_measure_nothing() -> None:
    pixels = PixelMetrics()
    pixels.add(np.ones((4, 4), np.float32), (8, 8))
    assert pixels.pixel_auroc() is None
    assert pixels.pro() is None


def test_a_map_covers_its_box_at_any_resolution() -> None:
    mask = np.zeros((80, 100), dtype=bool)
    mask[40:60, 50:70] = True
    small = np.zeros((30, 40), dtype=np.float32)
    small[10:20, 15:25] = 1.0
    pixels = PixelMetrics()
    pixels.add(small, (80, 100), box=(20, 20, 100, 80), mask=mask)
    auroc = pixels.pixel_auroc()
    assert auroc is not None
    assert auroc > 0.99


def test_faults_are_named() -> None:
    m = np.zeros((4, 4), np.float32)
    with pytest.raises(DataError, match="mask has 4 x 5"):
        PixelMetrics().add(m, (4, 4), mask=np.zeros((5, 4), bool))
    with pytest.raises(DataError, match="not inside a frame of 4 x 4 pixels"):
        PixelMetrics().add(m, (4, 4), box=(0, 0, 5, 4))
    with pytest.raises(DataError, match="NaN or infinite"):
        PixelMetrics().add(m * np.nan, (4, 4))
