"""A data set without splits: a drawn share is held out, and a line knows it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.data.dataset import Dataset, open_dataset
from saec.data.holdout import divided_by, hold_out, undivided
from saec.data.manifest import Manifest
from saec.data.parts import PartIds
from saec.types import DEFECT, GOOD
from tests.flat_images import flat


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    root = tmp_path / "plain"
    for number, (kind, count) in enumerate((("good", 20), ("cut", 10), ("hole", 10))):
        for i in range(count):
            flat(root / kind / f"part{i // 2}-{i % 2}.png", 50 * number + i)
    return root


def sizes(dataset: Dataset, split: str) -> dict[str, int]:
    found = [item.kind for item in dataset.select(split)]
    return {kind: found.count(kind) for kind in sorted(set(found))}


def test_a_share_of_goods_and_of_each_kind_is_held_out(plain: Path) -> None:
    dataset = open_dataset(plain)
    assert undivided(dataset)
    divided = hold_out(dataset, 0.3, seed=0)
    assert sizes(divided, "test") == {"cut": 3, "good": 6, "hole": 3}
    assert sizes(divided, "train") == {"cut": 7, "good": 14, "hole": 7}
    assert not undivided(divided)
    assert divided == hold_out(dataset, 0.3, seed=0)
    assert divided != hold_out(dataset, 0.3, seed=1)


def test_images_of_a_part_and_copies_stay_together(plain: Path) -> None:
    (plain / "good" / "part99-0.png").write_bytes((plain / "good" / "part0-0.png").read_bytes())
    parts = PartIds(r"(part\d+)-", None)
    divided = hold_out(open_dataset(plain, parts=parts), 0.4, seed=3)
    by_part: dict[str, set[str]] = {}
    for item in divided.items:
        by_part.setdefault(item.part.replace("part99", "part0"), set()).add(item.split)
    assert all(len(splits) == 1 for splits in by_part.values())


def test_a_line_knows_its_split_again_and_new_images_are_held_out(plain: Path) -> None:
    dataset = open_dataset(plain)
    divided = hold_out(dataset, 0.3, seed=0)
    manifest = Manifest()
    manifest.add("train", divided.select("train", GOOD))
    manifest.add("calibration", divided.select("train", DEFECT))
    manifest.add("holdout", divided.holdout())
    assert divided_by(dataset, manifest).items == divided.items
    flat(plain / "good" / "new.png", 222)
    again = divided_by(open_dataset(plain), manifest)
    assert sizes(again, "test") == {"cut": 3, "good": 7, "hole": 3}


def test_a_data_set_with_splits_stays_as_it_is(plain: Path, tmp_path: Path) -> None:
    root = tmp_path / "split"
    flat(root / "train" / "good" / "0.png", 1)
    flat(root / "test" / "good" / "0.png", 2)
    dataset = open_dataset(root)
    assert not undivided(dataset)
    assert divided_by(dataset, Manifest()) is dataset
