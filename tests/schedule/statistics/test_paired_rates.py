"""Paired error rates of sampled images: intervals that cover, weights that count, parts that are one."""

from __future__ import annotations

import numpy as np
import pytest

from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.schedule.statistics.paired_rates import PairedImage, paired_rates, sampled_interval


def images(mended: int, spoiled: int, both: int, neither: int, **more: float) -> list[PairedImage]:
    pairs = [(True, False)] * mended + [(False, True)] * spoiled
    pairs += [(True, True)] * both + [(False, False)] * neither
    return [PairedImage(before, after, **more) for before, after in pairs]  # type: ignore[arg-type]


def test_nothing_is_nothing() -> None:
    assert paired_rates([]) is None
    with pytest.raises(ValueError, match="weight"):
        paired_rates(images(1, 0, 0, 3, weight=0.0))


def test_without_weights_it_is_what_counting_gives() -> None:
    found = paired_rates(images(6, 1, 3, 40))
    assert found is not None
    assert (found.images, found.parts, found.effective) == (50, 50, pytest.approx(50))
    assert (found.before, found.after) == (pytest.approx(9 / 50), pytest.approx(4 / 50))
    assert found.before_span == pytest.approx(clopper_pearson(9, 50))
    assert found.difference == pytest.approx(-5 / 50)
    assert found.difference_span[0] < -0.1 < found.difference_span[1]
    assert (found.mended, found.spoiled) == (6, 1)
    assert found.p == pytest.approx(0.125)


def test_equal_weights_change_nothing_and_turning_round_turns_the_sign() -> None:
    one, ten = paired_rates(images(5, 2, 1, 30)), paired_rates(images(5, 2, 1, 30, weight=10.0))
    turned = paired_rates(images(2, 5, 1, 30))
    assert one is not None
    assert ten is not None
    assert turned is not None
    assert ten.difference_span == pytest.approx(one.difference_span)
    assert turned.difference == pytest.approx(-one.difference)
    assert turned.difference_span == pytest.approx((-one.difference_span[1], -one.difference_span[0]))


def test_without_any_difference_the_interval_is_not_empty() -> None:
    few, many = paired_rates(images(0, 0, 0, 10)), paired_rates(images(0, 0, 0, 1000))
    assert few is not None
    assert many is not None
    assert few.difference_span[0] < -0.1
    assert few.difference_span[1] > 0.1
    assert many.difference_span[1] < 0.01
    assert few.p == 1.0


def test_copies_of_a_part_are_no_new_evidence() -> None:
    pairs = images(4, 1, 2, 20)
    one = paired_rates([PairedImage(p.before, p.after, 1.0, f"part-{at}") for at, p in enumerate(pairs)])
    five = paired_rates(
        [PairedImage(p.before, p.after, 1.0, f"part-{at}") for at, p in enumerate(pairs) for _ in range(5)]
    )
    assert one is not None
    assert five is not None
    assert (five.images, five.parts) == (5 * one.images, one.parts)
    assert five.effective == pytest.approx(one.effective)
    assert five.before_span == pytest.approx(one.before_span)
    assert five.difference_span == pytest.approx(one.difference_span)


def test_the_ends_of_an_interval() -> None:
    assert sampled_interval(0.0, 12.5)[0] == 0.0
    assert sampled_interval(1.0, 12.5)[1] == 1.0
    low, high = sampled_interval(0.25, 12.5)
    assert 0.05 < low < 0.25 < high < 0.6


def test_intervals_cover_where_images_are_drawn_with_unlike_probabilities() -> None:
    """Frames judged defects are drawn ten times as often; the second judge mends some and spoils some."""
    drawn = np.random.default_rng(20)
    held_rate = held_difference = rounds = 0
    for _ in range(400):
        rejected = drawn.random(3000) < 0.3
        before = np.where(rejected, drawn.random(3000) < 0.02, drawn.random(3000) < 0.15)
        after = np.where(before, drawn.random(3000) < 0.5, drawn.random(3000) < 0.03)
        chance = np.where(rejected, 0.1, 0.02)
        taken = drawn.random(3000) < chance
        found = paired_rates(
            [
                PairedImage(bool(before[i]), bool(after[i]), 1 / float(chance[i]))
                for i in np.flatnonzero(taken)
            ]
        )
        assert found is not None
        rounds += 1
        held_rate += found.after_span[0] <= after.mean() <= found.after_span[1]
        low, high = found.difference_span
        held_difference += low <= after.mean() - before.mean() <= high
    assert held_rate >= 0.93 * rounds
    assert held_difference >= 0.92 * rounds
