"""What a form says of a frame, and what no person can have said."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import SaecError
from saec.station.page.views.review.answer_form import LONGEST_KIND, answered_frame, read_answer
from saec.station.review.review_records import MarkedPlace, ReviewAnswer, Stroke

BOX = '{"boxes":[[1,2,30,40]],"strokes":[]}'


def test_the_three_answers() -> None:
    assert read_answer({"answer": "good"}) == ReviewAnswer(label=0)
    assert read_answer({"answer": "defect"}) == ReviewAnswer(label=1)
    assert read_answer({"answer": "unsure", "second": "yes"}) == ReviewAnswer(label=None, second=True)


def test_a_kind_alone_is_a_defect_and_a_good_has_neither_kind_nor_place() -> None:
    assert read_answer({"kind": "  deep \t hole "}) == ReviewAnswer(label=1, kind="deep hole")
    assert read_answer({"answer": "good", "kind": "hole", "place": BOX}) == ReviewAnswer(label=0)


def test_a_place_is_boxes_and_strokes() -> None:
    place = '{"boxes":[[1,2,30,40]],"strokes":[{"width":3.5,"points":[[1,2],[3.5,4]]}]}'
    told = read_answer({"answer": "defect", "place": place, "seconds": "2.50"})
    assert told.place == MarkedPlace(((1, 2, 30, 40),), (Stroke(3.5, ((1.0, 2.0), (3.5, 4.0))),))
    assert told.seconds == 2.5


@pytest.mark.parametrize(
    "place",
    [
        "x",
        "[]",
        '{"boxes":[[1,2,3]]}',
        '{"boxes":[[1,2,3,4.5]]}',
        '{"boxes":[[NaN,2,3,4]]}',
        '{"strokes":[{"width":NaN,"points":[]}]}',
        '{"strokes":[{"width":1e999,"points":[[1,1]]}]}',
        '{"strokes":[{"width":1,"points":[[1]]}]}',
        '{"boxes":' + "[" * 50_000,
        '{"other":' + "[" * 50_000,
        "\ud800",
    ],
)
def test_a_place_that_cannot_be_read_is_refused(place: str) -> None:
    with pytest.raises(SaecError, match="place"):
        read_answer({"answer": "defect", "place": place})


@pytest.mark.parametrize("form", [{}, {"answer": "x"}, {"answer": "0"}, {"kind": " "}])
def test_what_is_no_answer_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(SaecError, match="neither"):
        read_answer(form)


@pytest.mark.parametrize("kind", ["x" * (LONGEST_KIND + 1), "a\x00b", "a\u202eb"])
def test_a_kind_that_cannot_be_shown_is_refused(kind: str) -> None:
    with pytest.raises(SaecError, match="kind"):
        read_answer({"answer": "defect", "kind": kind})


@pytest.mark.parametrize("seconds", ["", "nan", "inf", "-1", "99999", "soon"])
def test_a_time_that_nobody_took_is_unknown(seconds: str) -> None:
    assert read_answer({"answer": "good", "seconds": seconds}).seconds is None


@pytest.mark.parametrize("seq", ["", "-1", "1.0", "x", "٣", "9" * 30])
def test_a_form_without_a_frame_is_refused(seq: str) -> None:
    with pytest.raises(SaecError, match="no frame"):
        answered_frame({"seq": seq})


@given(st.dictionaries(st.sampled_from(["answer", "kind", "place", "seconds", "second"]), st.text()))
def test_any_form_is_read_or_refused(form: dict[str, str]) -> None:
    with contextlib.suppress(SaecError):
        read_answer(form)
