"""What is asked about a frame: views, crops, references in turn; and the numbers that come of it."""

from __future__ import annotations

import dataclasses
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saec.cloud.questions.answers import parse_label
from saec.cloud.questions.ensemble import (
    VIEWS,
    Plan,
    asks_of,
    explaining_ask,
    five_crops,
    mean_p,
    p_of,
    spent,
    turned,
)
from saec.cloud.questions.label_scores import label_logits, ranked_answers
from saec.cloud.questions.views import crop_box
from saec.errors import AnswerError
from saec.rounding import apart
from saec.settings import Spending
from saec.types import CloudQuery, Image, Spent
from tests.cloud.helpers_cloud import noise, query

pytestmark = pytest.mark.numeric

SIDES = st.integers(1, 40)


def _same(images: list[Image] | tuple[Image, ...], others: list[Image] | tuple[Image, ...]) -> bool:
    return len(images) == len(others) and all(map(np.array_equal, images, others))


@given(SIDES, SIDES)
def test_the_views_are_the_symmetries_of_a_square(height: int, width: int) -> None:
    image = np.arange(height * width * 3, dtype=np.int64).reshape(height, width, 3)
    views = [turned(cast(Image, image), n) for n in range(VIEWS)]
    assert np.array_equal(views[0], image)
    expected = [np.rot90(image, k) for k in range(4)] + [np.rot90(image[:, ::-1], k) for k in range(4)]
    assert {v.tobytes() + bytes(v.shape[:2]) for v in views} == {
        e.tobytes() + bytes(e.shape[:2]) for e in expected
    }
    assert np.array_equal(views[1], image[:, ::-1])
    assert np.array_equal(views[2], np.rot90(image, 2))


@given(SIDES, SIDES, SIDES)
def test_five_crops_are_corners_and_centre(height: int, width: int, side: int) -> None:
    image = noise(0, height, width)
    h, w = min(side, height), min(side, width)
    crops = five_crops(image, side)
    assert [c.shape for c in crops] == [(h, w, 3)] * 5
    assert np.array_equal(crops[0], image[:h, :w])
    assert np.array_equal(crops[1], image[:h, width - w :])
    assert np.array_equal(crops[2], image[height - h :, :w])
    assert np.array_equal(crops[3], image[height - h :, width - w :])
    y, x = (height - h) // 2, (width - w) // 2
    assert np.array_equal(crops[4], image[y : y + h, x : x + w])


def test_plainly_it_is_one_ask_with_the_first_references() -> None:
    asked = query(noise(0), noise(1), noise(2), noise(3))
    (ask,) = asks_of(asked, Plan(side=224, references=2))
    assert np.array_equal(ask.frame, asked.frame.image)
    assert _same(ask.references, asked.references[:2])
    assert ask.side == 224
    (bare,) = asks_of(asked, Plan(side=224, references=0, together=1))
    assert bare.references == ()


def test_frame_and_references_are_turned_alike() -> None:
    asked = query(noise(0, 20, 30), noise(1, 20, 30))
    asks = asks_of(asked, Plan(side=224, references=1, views=VIEWS))
    assert len(asks) == VIEWS
    for n, ask in enumerate(asks):
        assert np.array_equal(ask.frame, turned(asked.frame.image, n))
        assert np.array_equal(ask.references[0], turned(asked.references[0], n))


@pytest.mark.parametrize(
    ("k", "together", "shown"), [(4, 1, [1, 1, 1, 1]), (3, 2, [2, 1]), (2, None, [2]), (0, 1, [0])]
)
def test_references_that_do_not_fit_are_shown_in_turn(k: int, together: int | None, shown: list[int]) -> None:
    asked = query(noise(0), *(noise(i + 1) for i in range(4)))
    plan = Plan(side=224, references=k, together=together)
    asks = asks_of(asked, plan)
    assert [len(a.references) for a in asks] == shown
    assert _same([r for a in asks for r in a.references], asked.references[:k])
    assert _same(explaining_ask(asked, plan).references, asks[0].references)


def test_crops_are_cut_of_all_images_and_shown_at_their_own_size() -> None:
    asked = query(noise(0, 1000, 700), noise(1, 1000, 700))
    asks = asks_of(asked, Plan(side=672, references=1, crops=True, views=2))
    assert len(asks) == 10
    assert {a.frame.shape for a in asks} == {(448, 448, 3)}
    assert {a.side for a in asks} == {448}
    assert np.array_equal(asks[8].references[0], asked.references[0][276:724, 126:574])
    small = asks_of(asked, Plan(side=224, references=0, crops=True))
    assert {a.frame.shape for a in small} == {(224, 224, 3)}


def test_a_frame_no_larger_than_a_crop_is_asked_about_once() -> None:
    assert len(asks_of(query(noise(0, 224, 200)), Plan(side=224, references=0, crops=True))) == 1
    assert len(asks_of(query(noise(0), noise(1, 300, 300)), Plan(side=224, references=1, crops=True))) == 5


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=9))
def test_p_is_the_softmax_of_the_means(pairs: list[tuple[float, float]]) -> None:
    means = np.mean(np.array(pairs), axis=0)
    expected = np.exp(means[1] - np.logaddexp(*means))
    assert mean_p(pairs) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_far_logits_do_not_overflow() -> None:
    assert mean_p([(0.0, 1e4)]) == 1.0
    assert mean_p([(1e4, 0.0)]) == 0.0


def test_ranking_sums_every_answer_token_of_each_answer() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 10, generator=generator)
    ids = torch.tensor([[9, 8, 1, 2, 3], [9, 9, 4, 5, 6]])
    got = ranked_answers(logits, ids, (7, 0))
    magnitude = float(torch.log_softmax(logits, -1).abs().max())
    allowed = apart(10 + 4, 4 * magnitude)  # four tokens, each a softmax over ten
    for row, pair in enumerate(got):
        for last, value in zip((7, 0), pair, strict=True):
            tokens = [*ids[row, -3:].tolist(), last]
            logs = torch.log_softmax(logits[row], -1)
            assert value == pytest.approx(float(sum(logs[i, t] for i, t in enumerate(tokens))), abs=allowed)
    for pair, plain in zip(got, label_logits(logits, (7, 0)), strict=True):
        assert pair[1] - pair[0] == pytest.approx(plain[1] - plain[0], abs=2 * allowed)


@pytest.mark.parametrize(("text", "label"), [("0", 0), ("1", 1), (" 1\n", 1)])
def test_a_label_alone_parses(text: str, label: int) -> None:
    assert parse_label(text, ("0", "1")) == label


@given(st.text(max_size=6).filter(lambda t: t.strip() not in ("0", "1")))
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(AnswerError, match="neither '0' nor '1'"):
        parse_label(text, ("0", "1"))


SPOT = (400, 300, 420, 320)


def _spot(*references: Image, complexity: float = 0.0) -> CloudQuery:
    return dataclasses.replace(query(noise(0, 672, 672), *references), hottest=SPOT, complexity=complexity)


def _crop(
    side: int = 672, beside: bool = False, views: int = 1, references: int = 1, together: int | None = 1
) -> Plan:
    return Plan(side, references, together, views, spending=Spending(rule="crop"), beside=beside)


def test_whole_and_crop_are_asked_in_turn_and_references_are_cut_alike() -> None:
    asked = _spot(noise(1, 672, 672))
    whole, near = asks_of(asked, _crop(side=224))
    assert (whole.side, whole.near, near.side, near.near) == (112, False, 224, True)
    crop = crop_box(672, 672, SPOT, 224)
    assert crop is not None
    left, top, right, bottom = crop
    assert np.array_equal(near.frame, asked.frame.image[top:bottom, left:right])
    assert np.array_equal(near.references[0], asked.references[0][top:bottom, left:right])
    assert whole.frame is asked.frame.image


def test_a_reference_of_another_size_is_cut_at_the_same_place() -> None:
    asked = _spot(noise(1, 336, 1344))
    _, near = asks_of(asked, _crop(side=224))
    crop = crop_box(672, 672, SPOT, 224)
    assert crop is not None
    left, top, right, bottom = crop
    expected = asked.references[0][top // 2 : bottom // 2, 2 * left : 2 * right]
    assert np.array_equal(near.references[0], expected)


def test_a_cut_is_no_part_of_a_references_memory() -> None:
    reference = noise(1, 672, 672)
    reference.flags.writeable = False
    _, near = asks_of(_spot(reference), _crop(side=224))
    assert near.references[0].flags.writeable, "or an engine would remember it as the line's"


def test_every_reference_and_view_has_both_sights() -> None:
    asks = asks_of(_spot(noise(1, 672, 672), noise(2, 672, 672)), _crop(views=2, references=2))
    assert [ask.near for ask in asks] == [False, False, True, True] * 2
    assert np.array_equal(asks[3].frame, turned(asks[2].frame, 1))


def test_one_conversation_shows_each_product_whole_and_then_near() -> None:
    asked = _spot(noise(1, 672, 672), noise(2, 672, 672))
    (ask,) = asks_of(asked, _crop(side=224, beside=True, references=2, together=None))
    pictures = ask.pictures()
    assert [side for _, side in pictures] == [112, 224] * 3
    assert [image.shape[0] for image, _ in pictures] == [672, 224] * 3
    wholes = [image for image, side in pictures if side == 112]
    assert _same(wholes, [*asked.references, asked.frame.image])


def test_words_are_asked_of_the_whole_frame_or_of_both() -> None:
    asked = _spot(noise(1, 672, 672))
    assert explaining_ask(asked, _crop(side=224)).side == 224
    assert explaining_ask(asked, _crop(side=224, beside=True, together=None)).beside is not None


def test_without_a_hottest_place_it_is_one_ask_of_the_whole() -> None:
    asked = dataclasses.replace(_spot(noise(1, 672, 672)), hottest=None)
    for beside in (False, True):
        (ask,) = asks_of(asked, _crop(side=224, beside=beside))
        assert (ask.side, ask.near, ask.beside) == (224, False, None)


def _p(wholes: list[tuple[float, float]], crops: list[tuple[float, float]] | tuple[()] = ()) -> float:
    return p_of([False] * len(wholes) + [True] * len(crops), [*wholes, *crops])


PAIRS = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=4)


@given(PAIRS, PAIRS)
def test_a_defect_lies_in_either_sight(
    wholes: list[tuple[float, float]], crops: list[tuple[float, float]]
) -> None:
    odds = (2**0.5 - 1, 2**0.5 - 1)  # of a prior at which neither of two holds it with one half
    good = 1.0
    for seen, prior in zip((wholes, crops), odds, strict=True):
        margin = np.mean([d - g for g, d in seen])
        good *= 1 / (1 + prior * np.exp(margin))
    assert _p(wholes, crops) == pytest.approx(1 - good, rel=1e-6, abs=1e-12)
    assert _p(wholes) == pytest.approx(mean_p(wholes))


def test_sights_that_say_nothing_leave_even_odds() -> None:
    assert _p([(0.0, 0.0)], [(0.0, 0.0)]) == pytest.approx(0.5)


@given(st.floats(-50, 50))
def test_no_sight_talks_the_other_out_of_a_sure_defect(other: float) -> None:
    for sights_ in (([(0.0, 8.0)], [(0.0, other)]), ([(0.0, other)], [(0.0, 8.0)])):
        assert _p(*sights_) > 0.999


def test_what_was_spent_counts_every_pass() -> None:
    asked = _spot(noise(1, 672, 672), noise(2, 672, 672))
    took = spent(
        asks_of(asked, _crop(side=224, references=2)), lambda _, side: (side // 28) ** 2, text=10, sent=5
    )
    assert took == Spent(("whole 112", "crop 224"), 2 * (16 + 64), 2 * (16 + 64), 10, 5)
    one = spent(
        asks_of(asked, _crop(side=224, beside=True, references=2, together=None)),
        lambda _, side: (side // 28) ** 2,
        text=None,
        sent=0,
    )
    assert one == Spent(("whole 112", "crop 224"), 16 + 64, 2 * (16 + 64), None, 0)
