"""What of a frame is shown: crops lie where they must, and the scene decides when there is one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from saec.cloud.questions.views import STEP, Sight, crop_box, sights
from saec.settings import Spending

CROP, SCENE = Spending(rule="crop"), Spending(rule="scene")


@st.composite
def places(draw: Callable[..., Any]) -> tuple[int, int, tuple[int, int, int, int], int, int]:
    """A frame, a place in it, the side of a sight, and a token's."""
    height, width = draw(st.integers(1, 3000)), draw(st.integers(1, 3000))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    longest = draw(st.integers(1, 400))
    x1 = min(width, x0 + draw(st.integers(1, longest)))
    y1 = min(height, y0 + draw(st.integers(1, longest)))
    unit = draw(st.sampled_from([28, 20, 32]))
    return height, width, (x0, y0, x1, y1), unit * draw(st.integers(1, 24)), unit


@given(places())
def test_a_crop_is_a_square_in_the_frame_around_its_place(
    place: tuple[int, int, tuple[int, int, int, int], int, int],
) -> None:
    height, width, (x0, y0, x1, y1), side, unit = place
    crop = crop_box(height, width, (x0, y0, x1, y1), side, unit)
    assume(crop is not None)
    assert crop is not None
    left, top, right, bottom = crop
    assert 0 <= left <= x0 < x1 <= right <= width
    assert 0 <= top <= y0 < y1 <= bottom <= height
    assert right - left == bottom - top
    assert (right - left) % unit == 0


@given(places())
def test_a_crop_is_shown_pixel_by_pixel_or_enlarged_unless_its_place_is_larger(
    place: tuple[int, int, tuple[int, int, int, int], int, int],
) -> None:
    height, width, box, side, unit = place
    crop = crop_box(height, width, box, side, unit)
    assume(crop is not None)
    assert crop is not None
    longest = max(box[2] - box[0], box[3] - box[1])
    assert crop[2] - crop[0] <= max(side, 1.5 * longest + unit)


@given(places())
def test_a_crop_shows_clearly_less_than_the_frame(
    place: tuple[int, int, tuple[int, int, int, int], int, int],
) -> None:
    height, width, box, side, unit = place
    crop = crop_box(height, width, box, side, unit)
    assume(crop is not None)
    assert crop is not None
    assert (crop[2] - crop[0]) ** 2 <= 0.5 * height * width


def test_sides_are_whole_tokens_of_the_model() -> None:
    seen = sights(672, 672, (300, 300, 320, 320), 0.0, CROP, 240, 20)
    assert [sight.side for sight in seen] == [120, 240]
    part = seen[1].part
    assert part is not None
    left, top, right, bottom = part
    assert (right - left, bottom - top) == (240, 240)


def test_a_small_place_has_a_crop_wherever_it_lies() -> None:
    for x, y in ((0, 0), (671, 0), (300, 400), (671, 671)):
        crop = crop_box(672, 672, (x, y, x + 1, y + 1), 224)
        assert crop is not None
        assert crop[2] - crop[0] == 224
    assert crop_box(1000, 100, (50, 500, 60, 510), 224) is not None, "in a strip too"


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [(672, 672, (0, 0, 500, 20)), (27, 900, (5, 5, 6, 6)), (39, 39, (5, 5, 6, 6))],
    ids=["a large place", "a narrow frame", "a tiny frame"],
)
def test_where_a_crop_would_show_nothing_more_there_is_none(
    height: int, width: int, box: tuple[int, int, int, int]
) -> None:
    assert crop_box(height, width, box, 224) is None
    assert sights(height, width, box, 0.0, CROP, 224) == (Sight(224),)


@given(places(), st.none() | st.floats(-2, 10), st.sampled_from([Spending(), CROP, SCENE]))
def test_there_is_always_a_whole_and_nothing_is_larger_than_it_may_be(
    place: tuple[int, int, tuple[int, int, int, int], int, int], complexity: float | None, spending: Spending
) -> None:
    height, width, box, side, unit = place
    whole, *crops = sights(height, width, box, complexity, spending, side, unit)
    assert whole.part is None
    small = unit * math.ceil(spending.small_px / unit)
    assert whole.side in ((min(small, side), side) if crops else (side,))
    for crop in crops:
        assert crop.part is not None
        assert crop.side <= side
        assert crop.side % unit == whole.side % unit == 0
    assert len(crops) <= (0 if spending.rule == "whole" else 1)


def test_without_a_place_the_whole_is_shown() -> None:
    for spending in (CROP, SCENE):
        assert sights(672, 672, None, 0.0, spending, 224) == (Sight(224),)


def test_the_scene_shows_more_of_a_frame_that_has_more_to_see() -> None:
    spot = (300, 300, 320, 320)
    complexity: float | None
    for complexity in (1.0, 9.0, float("nan")):
        assert [s.side for s in sights(672, 672, spot, complexity, SCENE, 224)] == [224, 224]
    for complexity in (None, -1.0, 0.9):
        assert [s.side for s in sights(672, 672, spot, complexity, SCENE, 224)] == [112, 224]


def test_the_scene_needs_no_crop_of_a_frame_that_is_seen_in_full() -> None:
    spot = (100, 100, 110, 110)
    assert len(sights(224, 224, spot, 0.0, SCENE, 224)) == 1
    assert len(sights(448, 448, spot, 0.0, SCENE, 224)) == 2
    assert len(sights(448, 448, spot, 0.0, SCENE, 448)) == 1


def test_the_scene_shows_a_larger_place_in_a_larger_crop() -> None:
    def near(length: int) -> int:
        place = (600, 600, 600 + length, 610)
        return sights(1344, 1344, place, 0.0, SCENE, 448)[1].side

    assert [near(n) for n in (10, 149, 150, 220, 290, 400)] == [224, 224, 336, 336, 448, 448]
    assert near(10) % STEP == 0
