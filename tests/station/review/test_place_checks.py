"""A marked place is cut off at the picture's borders; what no person paints is refused."""

from __future__ import annotations

import math

import pytest

from saec.errors import SaecError
from saec.station.review.place_checks import MOST_BOXES, MOST_POINTS, MOST_STROKES, checked_place
from saec.station.review.review_records import MarkedPlace, Stroke

WIDTH, HEIGHT = 64, 48


def kept(place: MarkedPlace) -> MarkedPlace | None:
    return checked_place(place, WIDTH, HEIGHT)


def test_what_lies_inside_stays_as_it_is() -> None:
    place = MarkedPlace(boxes=((0, 0, 64, 48),), strokes=(Stroke(3.0, ((1.5, 2.0), (63.0, 47.0))),))
    assert kept(place) == place


def test_what_reaches_over_the_border_is_cut_off() -> None:
    stroke = Stroke(4.0, ((-1.0, 20.0), (70.0, 20.0)))
    place = kept(MarkedPlace(boxes=((-5, -5, 10, 100),), strokes=(stroke,)))
    assert place == MarkedPlace(((0, 0, 10, 48),), (Stroke(4.0, ((0.0, 20.0), (64.0, 20.0))),))


def test_nothing_marked_is_no_place() -> None:
    assert kept(MarkedPlace()) is None
    assert kept(MarkedPlace(strokes=(Stroke(3.0, ()),))) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(bad: float) -> None:
    for stroke in (Stroke(bad, ((1.0, 1.0),)), Stroke(2.0, ((1.0, 1.0), (bad, 1.0)))):
        with pytest.raises(SaecError, match="finite"):
            kept(MarkedPlace(strokes=(stroke,)))


@pytest.mark.parametrize("box", [(64, 0, 70, 9), (-9, 0, 0, 9), (5, 5, 5, 9), (9, 9, 5, 5), (0, 48, 9, 99)])
def test_a_box_outside_or_without_area_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(SaecError, match="outside"):
        kept(MarkedPlace(boxes=(box,)))


@pytest.mark.parametrize("width", [0.0, -1.0, 65.0])
def test_a_brush_without_width_or_wider_than_the_picture_is_refused(width: float) -> None:
    with pytest.raises(SaecError, match="brush"):
        kept(MarkedPlace(strokes=(Stroke(width, ((1.0, 1.0),)),)))


def test_a_stroke_outside_is_refused() -> None:
    with pytest.raises(SaecError, match="outside"):
        kept(MarkedPlace(strokes=(Stroke(2.0, ((-9.0, -9.0), (99.0, 99.0))),)))


@pytest.mark.parametrize(
    "place",
    [
        MarkedPlace(boxes=((0, 0, 1, 1),) * (MOST_BOXES + 1)),
        MarkedPlace(strokes=(Stroke(1.0, ((1.0, 1.0),)),) * (MOST_STROKES + 1)),
        MarkedPlace(strokes=(Stroke(1.0, ((1.0, 1.0),) * (MOST_POINTS + 1)),)),
    ],
)
def test_more_than_a_person_paints_is_refused(place: MarkedPlace) -> None:
    with pytest.raises(SaecError, match="at most"):
        kept(place)
