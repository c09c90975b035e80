"""What is kept of the frames is a function of the set of frames, whatever their order, and has a bound."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saec.edge.learning import patch_candidates, taught_frames
from saec.edge.learning.feature_sums import FeatureSums, Steps, by_block
from saec.edge.learning.taught_frames import PICKED, TaughtFrame, TaughtFrames, block_size, group_of
from saec.errors import DataError, LineError
from saec.types import DEFECT, GOOD

SHAPE = (5, 4, 6)


def sha(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def features(number: int) -> NDArray[np.float32]:
    return np.random.default_rng(number).normal(0, 1 + number % 3, SHAPE).astype(np.float32)


def about(number: int, label: int = GOOD, part: str = "", *, picked: bool = False) -> TaughtFrame:
    return TaughtFrame(sha=sha(number), label=label, group=group_of(part, sha(number)), picked=picked)


def first_fit(count: int = 16) -> TaughtFrames:
    taught = TaughtFrames()
    for number in range(count):
        taught.add(about(number), features(number))
    taught.settle()
    return taught


def same(a: TaughtFrames, b: TaughtFrames, folder: Path) -> bool:
    a.save(folder / "a.npz")
    b.save(folder / "b.npz")
    return (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for a few frames and patches, so that some are left out."""
    monkeypatch.setattr(taught_frames, "LEAST_KEPT", {GOOD: 7, DEFECT: 7, PICKED: 4})
    monkeypatch.setattr(taught_frames, "KEPT_BYTES", {GOOD: 0, DEFECT: 0, PICKED: 0})
    monkeypatch.setattr(patch_candidates, "CANDIDATES", 60)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_frames_does_not_count(seed: int, tmp_path: Path) -> None:
    later = [(n, DEFECT if n % 4 == 0 else GOOD, f"part {n // 3}") for n in range(16, 46)]
    one, other = first_fit(), first_fit()
    for number, label, part in later:
        one.add(about(number, label, part), features(number))
    for at in np.random.default_rng(seed).permutation(len(later)):
        number, label, part = later[at]
        other.add(about(number, label, part), features(number))
        if at % 5 == 0:  # written and read in between
            other.save(tmp_path / "between.npz")
            other = TaughtFrames.read(tmp_path / "between.npz")
    assert same(one, other, tmp_path)
    kept = [frame.group for label in (GOOD, DEFECT) for frame in one.frames(label)]
    whole = {group_of(part, sha(n)): 0 for n, _, part in later}
    for number, _, part in later:
        whole[group_of(part, sha(number))] += 1
    assert 0 < len(one.frames(GOOD)) <= 7
    assert kept


@pytest.mark.usefixtures("little_room")
def test_frames_of_one_part_are_kept_or_left_out_together() -> None:
    taught = first_fit()
    for number in range(16, 40):
        taught.add(about(number, part=f"part {number % 8}"), features(number))
    groups = [frame.group for frame in taught.frames(GOOD)]
    for part in range(8):
        assert groups.count(group_of(f"part {part}", "")) in (0, 3)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("seed", range(2))
def test_picked_goods_have_room_of_their_own(seed: int, tmp_path: Path) -> None:
    picked = [(number, True) for number in range(16, 40)]
    plain, mixed = first_fit(), first_fit()
    some = [*picked, *((number, False) for number in range(40, 60))]
    for at in np.random.default_rng(seed).permutation(len(some)):
        number, is_picked = some[at]
        mixed.add(about(number, picked=is_picked), features(number))
    for number in range(40, 60):
        plain.add(about(number), features(number))
    mixed.save(tmp_path / "mixed.npz")
    kept = TaughtFrames.read(tmp_path / "mixed.npz").frames(GOOD)
    assert [frame for frame in kept if not frame.picked] == plain.frames(GOOD)
    assert [frame.sha for frame in kept if frame.picked] == sorted(sha(number) for number, _ in picked)[:4]
    assert mixed.count == 16 + len(some)


def test_a_forgotten_frame_leaves_nothing_behind(tmp_path: Path) -> None:
    taught, never = first_fit(), first_fit()
    taught.add(about(20), features(20))
    taught.add(about(21, DEFECT), features(21))
    assert not same(taught, never, tmp_path)
    taught.forget(sha(20))
    taught.forget(sha(21))
    assert same(taught, never, tmp_path)
    with pytest.raises(DataError, match="not kept"):
        taught.forget(sha(20))


def test_a_frame_is_taught_once() -> None:
    taught = first_fit()
    with pytest.raises(DataError, match="taught before"):
        taught.add(about(3), features(3))


@pytest.mark.parametrize("count", [3, 15, 16, 20])
def test_sums_are_those_of_the_kept_features(count: int) -> None:
    taught = first_fit(count)
    assert taught.sums is not None
    kept = taught.features(taught.frames(GOOD)).astype(np.int64)
    assert taught.sums.count == count
    assert (taught.sums.first == kept.sum(0)).all()
    cells = by_block(kept.astype(np.float32), taught.sums.block).astype(np.int64)
    assert (taught.sums.second == cells @ cells.swapaxes(1, 2)).all()


@given(st.lists(st.integers(-127, 127), min_size=24, max_size=24), st.integers(1, 40))
def test_sums_are_exact(values: Sequence[int], times: int) -> None:
    frame = np.resize(np.array(values, np.int8), (3, 2, 4, 4))[0:1].repeat(times, 0)
    sums = FeatureSums.empty(2, 4, 4, (2, 2))
    sums.add(frame)
    for one in frame:
        sums.subtract(one[None])
    assert sums.count == 0
    assert not sums.first.any()
    assert not sums.second.any()


def test_int8_holds_features_to_a_step() -> None:
    some = np.stack([features(number) for number in range(8)])
    steps = Steps.of(some)
    error = np.abs(steps.real(steps.whole(some)) - some)
    assert (error <= steps.size[:, None, None] * 0.501).all()


def test_blocks_grow_with_the_grid() -> None:
    assert block_size(28, 28) == (4, 4)
    assert block_size(40, 16) == (4, 4)
    assert block_size(18, 14) == (3, 2)
    assert block_size(64, 64) == (4, 4)
    assert block_size(128, 128) == (8, 8)
    assert block_size(2, 2) == (2, 2)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None])
def test_a_damaged_file_is_named(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "taught.npz"
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(LineError, match=r"taught\.npz"):
        TaughtFrames.read(path)


def test_no_goods_teach_nothing() -> None:
    with pytest.raises(DataError, match="no good images"):
        TaughtFrames().settle()
