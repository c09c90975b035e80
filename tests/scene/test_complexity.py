import json
import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import DataError, LineError
from saec.rounding import apart
from saec.scene import Complexity, features, fit_norm
from saec.scene.complexity import AREA, COMBINED, FEATURES

pytestmark = pytest.mark.numeric


def _part(seed: int, height: int = 96, width: int = 128, clutter: int = 6, noise: float = 3.0) -> np.ndarray:
    """A grey-ish plate with some bars and sensor noise."""
    rng = np.random.default_rng(seed)
    frame = np.full((height, width, 3), 120.0)
    for _ in range(clutter):
        y, x = rng.integers(0, height - 12), rng.integers(0, width - 12)
        frame[y : y + rng.integers(3, 12), x : x + rng.integers(3, 12)] += rng.uniform(-40, 40, 3)
    return np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def norm() -> dict[str, tuple[float, float]]:
    return fit_norm([features(_part(seed)) for seed in range(41)])


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_finite_on_any_frame(height: int, width: int, seed: int, kind: int) -> None:
    rng = np.random.default_rng(seed)
    top = (1, 2, 16, 256)[kind]
    frame = rng.integers(0, top, (height, width, 3), dtype=np.uint8)
    values = features(frame)
    assert list(values) == list(FEATURES)
    assert all(math.isfinite(v) and v >= 0 for v in values.values())
    assert values["busy"] <= 1
    assert values["directions"] <= 1
    assert values["entropy"] <= 8


@given(st.integers(0, 200), st.integers(1, 20), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_blind_to_brightness(base: int, shift: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(base, base + 30, (60, 44, 3), dtype=np.uint8)
    allowed = apart(frame.size, 8.0)  # sums over the pixels, none above the entropy's eight bits
    assert features(frame + np.uint8(shift)) == pytest.approx(features(frame), rel=0, abs=allowed)


def test_a_flat_frame_is_the_least_complex(norm: dict[str, tuple[float, float]]) -> None:
    line = Complexity(norm)
    flat = np.full((96, 128, 3), 120, np.uint8)
    assert set(features(flat).values()) == {0.0}
    least = line.of(flat)
    assert all(line.of(_part(seed)) >= least for seed in range(41, 61))
    assert least < -0.5


@pytest.mark.parametrize("what", ["noise", "clutter"])
def test_grows_with_noise_and_with_clutter(norm: dict[str, tuple[float, float]], what: str) -> None:
    line = Complexity(norm)
    steps = {"noise": [3, 10, 20, 40], "clutter": [6, 20, 60, 180]}[what]
    mean = [np.mean([line.of(_part(seed, **{what: step})) for seed in range(100, 108)]) for step in steps]
    assert all(a + 0.5 < b for a, b in pairwise(mean)), mean


def test_goods_have_median_zero_and_range_one(norm: dict[str, tuple[float, float]]) -> None:
    values = [Complexity(norm).of(_part(seed)) for seed in range(41)]
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    assert (median, high - low) == pytest.approx((0, 1), abs=1e-9)


@pytest.mark.parametrize(
    ("width", "name"),
    [(1.5, "detail_1"), (4.5, "detail_2"), (9, "detail_4"), (18, "detail_8"), (48, "layout")],
)
def test_each_scale_answers_to_structure_of_its_width(width: float, name: str) -> None:
    wave = np.sin(math.pi * (np.arange(256) + 0.3) / width)
    values = features(np.broadcast_to((128 + 60 * wave).astype(np.uint8)[:, None], (256, 256, 3)).copy())
    scales = {key: values[key] for key in ("detail_1", "detail_2", "detail_4", "detail_8", "layout")}
    assert max(scales, key=lambda key: scales[key]) == name


def test_colour_direction_layout_and_spread_answer_alone() -> None:
    grey = np.full((64, 64, 3), 120, np.uint8)
    tint = grey + np.array([0, 40, 0], np.uint8)
    assert features(tint)["colours"] > 3
    assert {k: v for k, v in features(tint).items() if v > 1e-6}.keys() == {"colours"}
    lines = grey.copy()
    lines[:, ::8] = 200
    crossed = lines.copy()
    crossed[::8] = 200
    assert features(lines)["directions"] < 0.01 < 0.8 < features(crossed)["directions"]
    spot = grey.copy()
    spot[8:12, 8:12] = 255
    assert features(spot)["busy"] == pytest.approx(1 / 64)
    assert features(spot)["peak"] == pytest.approx(math.log2(1 + np.std([135] * 16 + [0] * 48)), abs=1e-6)


def test_keeps_the_aspect_of_a_strip() -> None:
    blobs = cv2.GaussianBlur(np.random.default_rng(3).normal(size=(2000, 100)), (0, 0), 6)
    strip = np.dstack([np.clip(128 + 400 * blobs, 0, 255).astype(np.uint8)] * 3)
    assert features(strip)["directions"] > 0.9, "round blobs have no direction"
    assert features(cv2.resize(strip, (256, 256)).astype(np.uint8))["directions"] < 0.5, "squashed ones have"


def test_bounds_a_huge_frame() -> None:
    part = _part(2, 256, 256)
    huge = np.kron(part, np.ones((8, 8, 1), np.uint8))
    assert huge.size > 3 * AREA
    assert features(huge) == pytest.approx(features(part), abs=1e-6)
    assert all(math.isfinite(v) for v in features(np.zeros((1, 200_000, 3), np.uint8)).values())


def test_explains_itself_and_survives_json(norm: dict[str, tuple[float, float]]) -> None:
    again = Complexity(json.loads(json.dumps(norm)))
    noisy = _part(7, noise=30)
    assert again.of(noisy) == Complexity(norm).of(noisy)
    terms = again.explain(noisy)
    assert terms["detail_1"] > 4
    centre, scale = norm[COMBINED]
    distance = math.sqrt(sum(max(0, z) ** 2 for z in terms.values()) / len(terms))
    assert again.of(noisy) == pytest.approx((distance - centre) / scale)


def test_one_good_image_is_enough_and_none_is_not() -> None:
    only = _part(3)
    line = Complexity(fit_norm([features(only)]))
    assert line.of(only) == 0
    assert math.isfinite(line.of(_part(4, clutter=80)))
    with pytest.raises(DataError, match="no good images"):
        fit_norm([])


def test_a_norm_of_other_features_is_refused(norm: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(LineError, match=COMBINED):
        Complexity({name: norm[name] for name in FEATURES})
