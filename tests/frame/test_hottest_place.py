"""The hottest place of an anomaly map, whatever the threshold."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from saec.frame.hottest_place import hottest_place, unusual_place
from saec.types import EdgeOpinion
from tests.run_fakes import CALIBRATION


def opinion(values: NDArray[np.float64], box: tuple[int, int, int, int] | None = None) -> EdgeOpinion:
    return EdgeOpinion(float(np.nanmax(values)), 0, map=np.asarray(values, np.float32), map_box=box)


def test_it_is_the_box_of_the_region_around_the_maximum() -> None:
    values = np.zeros((10, 12))
    values[2:4, 3:6] = 3.0
    values[3, 5] = 4.0
    values[8, 0:5] = 3.9  # larger, and not as hot
    assert hottest_place(opinion(values)) == (3, 2, 6, 4)
    assert hottest_place(opinion(values, (100, 50, 220, 150))) == (130, 70, 160, 90)


def test_what_lies_below_half_way_up_is_not_in_it() -> None:
    values = np.ones((5, 9))
    values[2] = [1, 1.9, 2.1, 3, 2.1, 1.9, 1, 1, 1]
    assert hottest_place(opinion(values)) == (2, 2, 5, 3)


def test_a_flat_map_and_no_map_have_no_place() -> None:
    assert hottest_place(opinion(np.full((4, 4), 2.0))) is None
    assert hottest_place(EdgeOpinion(1.0, 0)) is None
    assert hottest_place(EdgeOpinion(1.0, 0, map=np.full((3, 3), np.nan, np.float32))) is None


def test_what_is_masked_does_not_count() -> None:
    values = np.full((8, 8), -np.inf)
    values[4:6, 2:7] = 1.0
    values[4, 3] = 5.0
    assert hottest_place(opinion(values)) == (3, 4, 4, 5)


GOODS = msgspec.structs.replace(CALIBRATION, threshold=5.0, goods=[1.0, 2.0, 9.0])


@pytest.mark.parametrize(("score", "unusual"), [(0.0, False), (3.4, False), (3.5, True), (8.0, True)])
def test_a_frame_like_the_goods_has_no_unusual_place(score: float, unusual: bool) -> None:
    """The median good has 2, the threshold is 5: half the way is 3.5."""
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = 1.0
    seen = EdgeOpinion(score, 0, map=values)
    assert unusual_place(seen, GOODS) == ((2, 1, 3, 2) if unusual else None)
    sure = EdgeOpinion(0.0, 0, map=values)
    assert unusual_place(sure, GOODS, score=score) == unusual_place(seen, GOODS)


def test_without_goods_the_threshold_is_the_measure() -> None:
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = 1.0
    assert unusual_place(EdgeOpinion(4.9, 0, map=values), CALIBRATION) is None
    assert unusual_place(EdgeOpinion(5.0, 1, map=values), CALIBRATION) == (2, 1, 3, 2)


@given(
    arrays(np.float32, (5, 7), elements=st.floats(-10, 10, width=32) | st.just(float("nan"))),
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 300), st.integers(1, 300)),
)
def test_it_lies_in_the_maps_box_and_holds_the_maximum(
    values: NDArray[np.float32], place: tuple[int, int, int, int]
) -> None:
    x0, y0, width, height = place
    found = hottest_place(EdgeOpinion(0.0, 0, map=values, map_box=(x0, y0, x0 + width, y0 + height)))
    known = values[np.isfinite(values)]
    assert (found is None) == (len(known) == 0 or known.max() == np.median(known))
    if found is not None:
        assert x0 <= found[0] < found[2] <= x0 + width
        assert y0 <= found[1] < found[3] <= y0 + height
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        assert found[0] <= x0 + (column + 0.5) * width / 7 <= found[2]
        assert found[1] <= y0 + (row + 0.5) * height / 5 <= found[3]
