"""`check` names each fault that was planted, on the right files, and nothing on a clean set."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.data.checks.image_faults import Checked, check_root
from saec.data.parts import PartIds

Draw = Callable[..., Path]


def one(root: Path, *, near: bool = False, **options: object) -> Checked:
    (checked,) = check_root(root, near=near, **options)  # type: ignore[arg-type]
    return checked


def found(checked: Checked) -> dict[str, list[list[str]]]:
    faults: dict[str, list[list[str]]] = {}
    for fault in checked.faults:
        assert fault.message
        assert fault.remedy
        faults.setdefault(f"{fault.level} {fault.code}", []).append(fault.paths)
    return faults


def test_clean_sets_have_no_faults(mvtec: Path, ksdd2: Path, visa: Path) -> None:
    checked = list(check_root(mvtec, near=True))
    assert [c.name for c in checked] == ["bolt", "cap"]
    assert checked[0].counts == {"train": {"good": 6}, "test": {"good": 3, "bent": 4, "dirty": 2}}
    for clean in [*checked, one(ksdd2), *check_root(visa, near=False)]:
        assert clean.faults == []


def test_damaged_images(mvtec: Path) -> None:
    good = mvtec / "bolt" / "train" / "good"
    (good / "000.png").write_bytes(b"")
    (good / "001.png").write_bytes((good / "001.png").read_bytes()[:200])
    (good / "gone.png").symlink_to("nowhere.png")
    assert found(one(mvtec / "bolt")) == {
        "error empty-file": [["train/good/000.png"]],
        "error unreadable": [["train/good/001.png"], ["train/good/gone.png"]],
    }


def test_copies(mvtec: Path) -> None:
    root = mvtec / "bolt"
    shutil.copy(root / "train/good/000.png", root / "train/good/copy.png")
    shutil.copy(root / "train/good/001.png", root / "test/good/copy.png")
    shutil.copy(root / "test/good/000.png", root / "test/bent/copy.png")
    assert found(one(root)) == {
        "warning duplicate-within": [["train/good/000.png", "train/good/copy.png"]],
        "error duplicate-across": [["test/good/copy.png", "train/good/001.png"]],
        "error two-labels": [["test/bent/copy.png", "test/good/000.png"]],
        "warning mask-missing": [["test/bent/copy.png"]],
    }


def test_parts_in_two_roles(tmp_path: Path, draw: Draw) -> None:
    for at, name in enumerate(("train/good/p1_a", "train/good/p2_a", "test/good/p2_b", "test/defect/p3_a")):
        draw(tmp_path / f"{name}.png", at)
    checked = one(tmp_path, parts=PartIds(r"(p\d)_"))
    assert found(checked) == {"error part-across": [["test/good/p2_b.png", "train/good/p2_a.png"]]}
    assert "p2" in checked.faults[0].message


def test_part_ids_that_do_not_fit_are_a_fault(mvtec: Path) -> None:
    assert list(found(one(mvtec / "bolt", parts=PartIds(r"(p\d)_")))) == ["error layout"]


def test_empty_classes(mvtec: Path) -> None:
    shutil.rmtree(mvtec / "bolt" / "test" / "good")
    (mvtec / "bolt" / "test" / "dent").mkdir()
    assert found(one(mvtec / "bolt")) == {
        "error empty-class": [["test/dent"]],
        "warning one-class-holdout": [["."]],
    }
    for path in (mvtec / "cap" / "train" / "good").iterdir():
        path.unlink()
    assert list(found(one(mvtec / "cap"))) == ["error empty-class", "warning no-train-goods"]


def test_sizes_and_blank_images(mvtec: Path, draw: Draw) -> None:
    good = mvtec / "bolt" / "train" / "good"
    draw(good / "tall.png", 90, size=(40, 20))
    draw(good / "large.png", 91, size=(32, 40))
    (good / "blank.png").write_bytes(cv2.imencode(".png", np.full((16, 20), 7, np.uint8))[1].tobytes())
    assert found(one(mvtec / "bolt")) == {
        "warning odd-aspect": [["train/good/tall.png"]],
        "warning odd-size": [["train/good/large.png"]],
        "warning one-value": [["train/good/blank.png"]],
    }


def test_masks(mvtec: Path, mask: Draw) -> None:
    truth = mvtec / "bolt" / "ground_truth"
    mask(truth / "bent" / "000_mask.png", marked=False)
    mask(truth / "bent" / "001_mask.png", size=(8, 10))
    (truth / "bent" / "002_mask.png").write_bytes(b"no image")
    mask(truth / "bent" / "077_mask.png")
    pairs = {i: [f"ground_truth/bent/{i}_mask.png", f"test/bent/{i}.png"] for i in ("000", "001", "002")}
    assert found(one(mvtec / "bolt")) == {
        "error mask-empty": [pairs["000"]],
        "error mask-size": [pairs["001"]],
        "error mask-unreadable": [pairs["002"]],
        "warning mask-orphan": [["ground_truth/bent/077_mask.png"]],
    }


def test_images_that_the_layout_passes_over(mvtec: Path, draw: Draw) -> None:
    draw(mvtec / "bolt" / "train" / "loose.png", 500)
    assert found(one(mvtec / "bolt")) == {"warning ignored": [["train/loose.png"]]}


@pytest.mark.parametrize(
    ("most", "bits", "expected"),
    [(4095, 16, "warning bits"), (4095, 12, None), (4095, 10, "error bits"), (60000, 16, None)],
)
def test_significant_bits(tmp_path: Path, draw: Draw, most: int, bits: int, expected: str | None) -> None:
    draw(tmp_path / "test" / "defect" / "a.png", 1)
    for split in ("train", "test"):
        deep = np.random.default_rng(len(split)).integers(0, most + 1, (16, 20, 3)).astype(np.uint16)
        deep[0, 0] = most
        path = tmp_path / split / "good" / "a.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    assert list(found(one(tmp_path, bits=bits))) == ([expected] if expected else [])


def test_near_duplicates_are_found_and_lookalikes_are_not(tmp_path: Path) -> None:
    base = cv2.GaussianBlur(np.random.default_rng(0).normal(128, 400, (64, 64)), (0, 0), 4)

    def product(seed: int) -> np.ndarray:
        spot = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 60, (64, 64)), (0, 0), 3)
        return np.clip(base + spot, 0, 255).astype(np.uint8)

    for split, seeds in (("train", range(20)), ("test", range(20, 32))):
        folder = tmp_path / split / "good"
        folder.mkdir(parents=True)
        for seed in seeds:
            (folder / f"{seed}.png").write_bytes(cv2.imencode(".png", product(seed))[1].tobytes())
    (tmp_path / "test" / "defect").mkdir()
    again = cv2.imencode(".jpg", product(5), [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    (tmp_path / "test" / "defect" / "again.jpg").write_bytes(again.tobytes())
    assert found(one(tmp_path)) == {}
    assert found(one(tmp_path, near=True)) == {
        "warning near-duplicate": [["test/defect/again.jpg", "train/good/5.png"]]
    }


def test_a_folder_of_no_layout_is_a_fault(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / "cats" / "a.png", 0)
    assert list(found(one(tmp_path))) == ["error layout"]


def test_unlabelled_images_are_checked(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "a.png", 0)
    (tmp_path / "b.png").write_bytes(b"")
    assert found(one(tmp_path)) == {"error empty-file": [["b.png"]]}
