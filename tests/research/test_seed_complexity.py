"""The seed's formula against a second computation of it in plain NumPy (and Pillow's JPEG)."""

import io
import math
from typing import Literal

import numpy as np
import pytest
from PIL import Image as Pil

from saec.errors import ConfigError
from saec_research.seed.seed_complexity import seed_complexity

pytestmark = pytest.mark.numeric


def _picture(name: str, size: int = 192) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    grey = {
        "flat": np.full((size, size), 90),
        "ramp": x * 255 // (size - 1),
        "disc": np.where((x - size / 2) ** 2 + (y - size / 2) ** 2 < (size / 3) ** 2, 200, 40),
        "waves": 128 + 60 * np.sin(x / 5) + 50 * np.cos(y / 9 + x / 30),
        "noise": np.random.default_rng(7).integers(0, 256, (size, size)),
    }[name]
    return grey.astype(np.uint8)


def _neighbours(
    grey: np.ndarray, mode: Literal["edge", "reflect", "constant"]
) -> dict[tuple[int, int], np.ndarray]:
    padded = np.pad(grey.astype(np.int64), 1, mode=mode)
    h, w = grey.shape
    return {(r, c): padded[1 + r : 1 + r + h, 1 + c : 1 + c + w] for r in (-1, 0, 1) for c in (-1, 0, 1)}


def _sobel(grey: np.ndarray, mode: Literal["edge", "reflect", "constant"]) -> tuple[np.ndarray, np.ndarray]:
    n = _neighbours(grey, mode)
    dx = (n[-1, 1] + 2 * n[0, 1] + n[1, 1]) - (n[-1, -1] + 2 * n[0, -1] + n[1, -1])
    dy = (n[1, -1] + 2 * n[1, 0] + n[1, 1]) - (n[-1, -1] + 2 * n[-1, 0] + n[-1, 1])
    return dx, dy


def _canny(grey: np.ndarray, low: int, high: int) -> np.ndarray:
    """Canny 1986: L1 magnitude, suppression in four directions, hysteresis over eight neighbours."""
    dx, dy = _sobel(grey, "edge")
    magnitude = abs(dx) + abs(dy)
    m = _neighbours(magnitude, "constant")
    tangent = abs(dy) / np.maximum(abs(dx), 1e-9)
    flat, steep = tangent < math.tan(math.pi / 8), tangent > math.tan(3 * math.pi / 8)
    across = (m[0, 0] > m[0, -1]) & (m[0, 0] >= m[0, 1])
    along = (m[0, 0] > m[-1, 0]) & (m[0, 0] >= m[1, 0])
    falling = (m[0, 0] > m[-1, -1]) & (m[0, 0] > m[1, 1])
    rising = (m[0, 0] > m[-1, 1]) & (m[0, 0] > m[1, -1])
    diagonal = np.where((dx < 0) == (dy < 0), falling, rising)
    thin = np.where(flat, across, np.where(steep, along, diagonal)) & (magnitude > low)
    edge = thin & (magnitude > high)
    while True:
        grown = thin & np.logical_or.reduce(list(_neighbours(edge, "constant").values()))
        if (grown == edge).all():
            return np.where(edge, 255, 0)
        edge = grown


def _reference(grey: np.ndarray) -> tuple[float, ...]:
    share = np.unique(grey, return_counts=True)[1] / grey.size
    entropy = -sum(p * math.log(p) for p in share) / math.log(256)
    n = _neighbours(grey, "reflect")
    variance = (n[-1, 0] + n[1, 0] + n[0, -1] + n[0, 1] - 4 * n[0, 0]).var()
    gradient = np.hypot(*_sobel(grey, "reflect")).mean()
    data = io.BytesIO()
    Pil.fromarray(grey).save(data, "JPEG", quality=30)
    residue = abs(np.asarray(Pil.open(data)).astype(int) - grey).mean()
    edges = _canny(grey, 64, 128).mean()
    value = (
        0.3 * entropy
        + 0.25 * edges
        + 0.2 * math.log(1 + variance) / 8
        + 0.15 * gradient / 16
        + 0.1 * residue / 255
    )
    return value, entropy, edges, variance, gradient, residue


@pytest.mark.parametrize("name", ["flat", "ramp", "disc", "waves", "noise"])
def test_equals_the_formula(name: str) -> None:
    grey = _picture(name)
    got = seed_complexity(np.dstack([grey] * 3))
    expected = _reference(grey)
    assert (got.entropy, got.variance, got.gradient) == pytest.approx(
        (expected[1], expected[3], expected[4]), abs=1e-9
    )
    assert got.edges == pytest.approx(expected[2], rel=1e-3), "only angles at exactly 22.5 degrees may differ"
    assert got.residue == pytest.approx(expected[5], abs=0.02), "two JPEG codecs may round apart"
    assert got.value == pytest.approx(expected[0], rel=1e-3)


def test_published_form_of_flat_and_stripes() -> None:
    assert seed_complexity(np.full((50, 80, 3), 77, np.uint8)).value == 0.0
    stripes = np.zeros((192, 192, 3), np.uint8)
    stripes[:, 96:] = 255
    got = seed_complexity(stripes)
    assert got.entropy == pytest.approx(math.log(2) / math.log(256))
    assert got.edges == pytest.approx(255 / 192), "one column of edge pixels"
    assert got.gradient == pytest.approx(2 * 4 * 255 / 192), "two columns of 4 x 255"


def test_halves_a_frame_by_averaging_and_takes_bt601_grey() -> None:
    large = np.kron(_picture("waves"), np.ones((2, 2), np.uint8))
    assert seed_complexity(np.dstack([large] * 3)) == seed_complexity(np.dstack([_picture("waves")] * 3))
    colour = np.zeros((192, 192, 3), np.uint8)
    colour[:96], colour[96:] = (255, 0, 0), (0, 0, 255)
    grey = np.full((192, 192), round(0.114 * 255), np.uint8)
    grey[:96] = round(0.299 * 255)
    assert seed_complexity(colour) == seed_complexity(np.dstack([grey] * 3))


def test_size_is_checked_and_used() -> None:
    frame = np.dstack([_picture("noise")] * 3)
    assert seed_complexity(frame, 96) != seed_complexity(frame, 192)
    with pytest.raises(ConfigError, match="not positive"):
        seed_complexity(frame, 0)
