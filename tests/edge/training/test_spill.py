"""A spill is a list of arrays that lies in a file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from saec.edge.training.feature_store import Spill

SHAPE = (2, 3)


def array(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


@given(st.permutations(range(7)), st.lists(st.integers(0, 6), max_size=4))
def test_reads_what_was_written_in_any_order(order: list[int], again: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spill = Spill(Path(folder) / "spill", SHAPE)
        expected = {}
        for time, index in enumerate([*order, *again]):
            spill[index] = expected[index] = array(time)
            assert np.array_equal(spill[index], expected[index])
        assert len(spill) == 7
        for index, value in enumerate(spill):
            assert np.array_equal(value, expected[index])
        spill.close()


def test_appends_and_empties_what_stood_there(tmp_path: Path) -> None:
    first = Spill(tmp_path / "spill", SHAPE)
    first.append(array(0))
    first.append(array(1))
    first.close()
    second = Spill(tmp_path / "spill", SHAPE)
    assert len(second) == 0
    second.append(array(2))
    assert np.array_equal(second[0], array(2))
    second.close()
    assert (tmp_path / "spill").stat().st_size == 4 * 6


def test_what_is_read_is_a_copy(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "spill", SHAPE)
    spill.append(array(0))
    spill[0][:] = 7.0
    assert np.array_equal(spill[0], array(0))
    spill.append(array(1)[:, ::-1])  # not contiguous
    assert np.array_equal(spill[1], array(1)[:, ::-1])
    spill.close()
