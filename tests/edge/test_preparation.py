"""From frame to the graph's input: size, aspect, region of interest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from saec.edge.preparation import LEAST, MULTIPLE, SHORT, check_roi, covered, input_size, prepare
from saec.errors import ConfigError, ImageError
from saec.profile import Preparation

LENGTHS = st.integers(8, 6000)
SIDES = st.sampled_from([128, 256, 320, 448, 640])


@given(LENGTHS, LENGTHS, SIDES)
def test_sides_are_multiples_and_turn_with_the_frame(height: int, width: int, side: int) -> None:
    h, w = input_size(height, width, side)
    assert h % MULTIPLE == w % MULTIPLE == 0
    assert min(h, w) >= LEAST
    assert input_size(width, height, side) == (w, h)


@given(LENGTHS, LENGTHS, SIDES)
def test_one_scale_gives_both_sides(height: int, width: int, side: int) -> None:
    assume(side / math.sqrt(max(height, width) / min(height, width)) >= LEAST)
    h, w = input_size(height, width, side)
    half = MULTIPLE / 2
    assert max((h - half) / height, (w - half) / width) <= min((h + half) / height, (w + half) / width)


@given(LENGTHS, LENGTHS, SIDES)
def test_area_is_bounded_and_large_frames_are_not_enlarged(height: int, width: int, side: int) -> None:
    h, w = input_size(height, width, side)
    half = MULTIPLE / 2
    assert (h - half) * (w - half) <= side * side or LEAST in (h, w)
    if min(height, width) >= SHORT:
        assert h <= height + half
        assert w <= width + half


@pytest.mark.parametrize(
    ("frame", "side", "size"),
    [
        ((1024, 1024), 448, (448, 448)),
        ((1260, 500), 448, (704, 288)),
        ((500, 1260), 448, (288, 704)),
        ((320, 320), 448, (320, 320)),
        ((60, 100), 448, (128, 224)),
        ((4000, 100), 448, (2848, 64)),
    ],
)
def test_sizes(frame: tuple[int, int], side: int, size: tuple[int, int]) -> None:
    assert input_size(*frame, side) == size


@given(st.tuples(*[st.integers(-2, 12)] * 4))
def test_a_roi_must_lie_within_the_frame(roi: tuple[int, int, int, int]) -> None:
    frame = np.zeros((8, 10, 3), np.uint8)
    x0, y0, x1, y1 = roi
    if min(roi) >= 0 and frame[y0:y1, x0:x1].shape[:2] == (y1 - y0, x1 - x0) and frame[y0:y1, x0:x1].size:
        check_roi(roi, 8, 10)
    else:
        with pytest.raises(ConfigError, match="10 x 8 pixels"):
            check_roi(roi, 8, 10)


def test_no_roi_is_all_of_the_frame() -> None:
    check_roi(None, 8, 10)
    assert covered(np.zeros((8, 10, 3), np.uint8), Preparation(height=64, width=64)) == (0, 0, 10, 8)


def test_the_roi_is_what_is_seen() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    preparation = Preparation(height=64, width=96, roi=(10, 20, 106, 84))
    made = prepare(image, preparation)
    assert np.array_equal(made, image[20:84, 10:106])
    assert made.flags["C_CONTIGUOUS"]
    assert covered(image, preparation) == (10, 20, 106, 84)


def test_a_frame_smaller_than_the_roi_is_refused() -> None:
    preparation = Preparation(height=64, width=64, roi=(0, 0, 64, 64))
    with pytest.raises(ImageError, match="60 x 80 px"):
        prepare(np.zeros((80, 60, 3), np.uint8), preparation)


@given(st.integers(8, 300), st.integers(8, 300), st.tuples(*[st.integers(0, 255)] * 3))
def test_a_flat_frame_stays_flat(height: int, width: int, colour: tuple[int, int, int]) -> None:
    image = np.full((height, width, 3), colour, np.uint8)
    made = prepare(image, Preparation(height=64, width=96))
    assert made.shape == (64, 96, 3)
    assert made.dtype == np.uint8
    assert (made == np.array(colour, np.uint8)).all()


@given(st.integers(64, 700), st.integers(64, 700))
def test_a_shrunk_frame_keeps_the_light_of_every_pixel(height: int, width: int) -> None:
    """The mean stays, and the last row and column have their share."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[-1], frame[:, -1] = 240, 240
    made = prepare(frame, Preparation(height=64, width=64))
    assert made.shape == (64, 64, 3)
    assert made[-1].min() > 0
    assert made[:, -1].min() > 0
    assert abs(float(made.mean()) - float(frame.mean())) < 2


@pytest.mark.parametrize(("height", "width"), [(128, 192), (448, 320), (1024, 64)])
def test_whole_factors_are_plain_averages(height: int, width: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    blocks = frame.reshape(64, height // 64, 64, width // 64, 3).astype(float).mean((1, 3))
    made = prepare(frame, Preparation(height=64, width=64))
    np.testing.assert_allclose(made, blocks, atol=0.5 + 1e-6)
