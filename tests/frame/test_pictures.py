from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from saec.errors import ImageError
from saec.frame.hottest_place import hottest_box
from saec.frame.map_pictures import OPACITY, colourise, encode_jpeg, overlay, save_picture, scale, shrink
from saec.types import EdgeOpinion, Image

THRESHOLDS = st.floats(-50, 50, allow_subnormal=False).filter(lambda t: t <= 0 or t > 1e-3)


def frame(height: int = 48, width: int = 64, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def opinion(
    values: NDArray[np.float32] | NDArray[np.float64], box: tuple[int, int, int, int] | None = None
) -> EdgeOpinion:
    values = np.asarray(values, np.float32)
    return EdgeOpinion(score=float(np.nanmax(values)), label=0, map=values, map_box=box)


def blob(
    shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int], value: float, rest: float = 0.0
) -> NDArray[np.float32]:
    values = np.full(shape, rest, np.float32)
    values[slice(*rows), slice(*columns)] = value
    return values


@settings(deadline=None)
@given(st.floats(0.01, 50), st.integers(0, 2**32 - 1))
def test_good_frame_shows_no_colour_at_all(threshold: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(-1, 0.499, (6, 8)).astype(np.float32) * np.float32(threshold)
    image = frame()
    np.testing.assert_array_equal(overlay(image, opinion(values, (0, 0, 64, 48)), threshold), image)


@settings(deadline=None)
@given(THRESHOLDS, arrays(np.float32, (3, 4), elements=st.floats(-100, 100, width=32)), st.integers(0, 11))
def test_colour_of_a_value_depends_on_no_other_value(
    threshold: float, values: NDArray[np.float32], index: int
) -> None:
    colours, alpha = colourise(values, threshold)
    alone, alone_alpha = colourise(values.reshape(-1)[index].reshape(1, 1), threshold)
    np.testing.assert_array_equal(colours.reshape(-1, 3)[index], alone[0, 0])
    assert alpha.reshape(-1)[index] == alone_alpha[0, 0]


@settings(deadline=None)
@given(THRESHOLDS)
def test_colour_grows_from_nothing_through_the_threshold_to_full(threshold: float) -> None:
    low, high = scale(threshold)
    assert low < threshold < high
    values = np.concatenate([np.linspace(low, high, 64), np.linspace(high, low + 8 * (high - low), 64)])
    values = values.astype(np.float32)[None]
    colours, alpha = colourise(values, threshold)
    assert alpha[0, 0] == 0
    assert alpha[0, 64:] == pytest.approx(OPACITY, abs=1e-3)
    assert (np.diff(alpha[0]) >= 0).all()
    lightness = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= -2).all(), "a grey print must keep the order"
    assert lightness[-1] - lightness[0] > 80


def test_a_hotter_spot_elsewhere_changes_no_colour_here() -> None:
    image = np.full((48, 64, 3), 90, np.uint8)
    values = blob((6, 8), (2, 4), (2, 5), 3.0)
    hotter = values.copy()
    hotter[5, 7] = 30.0
    picture, other = (overlay(image, opinion(v, (0, 0, 64, 48)), 2.0) for v in (values, hotter))
    np.testing.assert_array_equal(picture[:30, :44], other[:30, :44])
    assert (picture[40:, 56:] != other[40:, 56:]).any()


def test_map_colours_its_box_alone() -> None:
    image = frame()
    picture = overlay(image, opinion(np.full((4, 4), 9.0), (16, 8, 40, 32)), 2.0)
    outside = np.ones((48, 64), bool)
    outside[8:32, 16:40] = False
    np.testing.assert_array_equal(picture[outside], image[outside])
    assert (picture[8:32, 16:40] != image[8:32, 16:40]).any(axis=-1).mean() > 0.9


def test_contour_lies_at_the_threshold() -> None:
    values = blob((48, 64), (16, 32), (16, 48), 2.4, rest=0.0)
    picture = overlay(np.full((48, 64, 3), 90, np.uint8), opinion(values, (0, 0, 64, 48)), 2.0)
    assert (picture[16, 20:44] > 200).all(), "white line on the region's edge"
    assert (picture[24, 32] < 250).any(), "none inside it"


def test_nothing_that_is_not_finite_is_coloured() -> None:
    image = frame()
    values = np.full((6, 8), np.nan, np.float32)
    values[0, 0] = -np.inf
    np.testing.assert_array_equal(overlay(image, opinion(values, (0, 0, 64, 48)), 2.0), image)
    assert hottest_box(EdgeOpinion(0.0, 0, map=values), 2.0) is None


def test_frame_is_left_alone_and_never_enlarged() -> None:
    image = frame()
    before = image.copy()
    overlay(image, opinion(np.full((4, 4), 9.0), (0, 0, 64, 48)), 2.0)
    np.testing.assert_array_equal(image, before)
    assert shrink(image, 640).shape == image.shape
    assert shrink(frame(1000, 250), 640).shape == (640, 160, 3)
    assert shrink(frame(4000, 1), 640).shape == (640, 1, 3)


def test_opinion_without_map_gives_the_frame() -> None:
    image = frame()
    np.testing.assert_array_equal(overlay(image, EdgeOpinion(9.0, 1), 2.0), image)
    assert hottest_box(EdgeOpinion(9.0, 1), 2.0) is None


def test_picture_is_written_as_jpeg_into_new_folders(tmp_path: Path) -> None:
    path = tmp_path / "maps" / "deep" / "a.jpg"
    save_picture(path, frame(900, 300), opinion(np.full((4, 4), 9.0), (0, 0, 300, 900)), 2.0)
    written = cv2.imread(str(path))
    assert written is not None
    assert written.shape == (640, 213, 3)


def test_hottest_box_prefers_the_region_over_the_pixel() -> None:
    values = blob((12, 16), (2, 6), (8, 14), 4.0)
    values[10, 1] = 9.0
    assert hottest_box(opinion(values, (100, 50, 260, 170)), 2.0) == (180, 70, 240, 110)
    values[10, 1] = 900.0
    assert hottest_box(opinion(values, (100, 50, 260, 170)), 2.0) == (110, 150, 120, 160)


@settings(deadline=None)
@given(
    arrays(np.float32, (5, 7), elements=st.floats(-10, 10, width=32)),
    THRESHOLDS,
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 300), st.integers(1, 300)),
)
def test_hottest_box_lies_in_the_map_box_and_holds_a_hot_cell(
    values: NDArray[np.float32], threshold: float, place: tuple[int, int, int, int]
) -> None:
    x0, y0, width, height = place
    box = hottest_box(opinion(values, (x0, y0, x0 + width, y0 + height)), threshold)
    assert (box is None) == (not (values >= threshold).any())
    if box is not None:
        assert x0 <= box[0] < box[2] <= x0 + width
        assert y0 <= box[1] < box[3] <= y0 + height


def test_a_picture_that_no_jpeg_can_hold_is_named() -> None:
    with pytest.raises(ImageError, match=r"\(1, 70000, 3\) cannot be written"):
        encode_jpeg(np.zeros((1, 70_000, 3), np.uint8))
