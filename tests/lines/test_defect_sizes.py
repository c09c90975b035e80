"""How large labelled defects are, by their masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.data.items import Item
from saec.lines import defect_sizes
from saec.lines.defect_sizes import smallest_defect
from saec.types import DEFECT, Mask

Rectangle = tuple[int, int, int, int]


def item(folder: Path, name: str, *rectangles: Rectangle, shape: tuple[int, int] = (60, 80)) -> Item:
    where = np.zeros(shape, np.uint8)
    for x, y, width, height in rectangles:
        where[y : y + height, x : x + width] = 255
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), where)
    return Item(path=folder / f"{name}.jpg", label=DEFECT, mask=Mask(files=(path,)))


def test_the_size_is_that_of_the_largest_part(tmp_path: Path) -> None:
    assert smallest_defect([item(tmp_path, "a", (2, 3, 4, 16), (40, 40, 2, 2))], (60, 80)) == pytest.approx(8)


def test_the_smallest_are_a_low_quantile(tmp_path: Path) -> None:
    items = [item(tmp_path, str(i), (0, 0, i, i)) for i in range(1, 12)]
    assert smallest_defect(items, (60, 80)) == pytest.approx(2)


def test_what_has_no_place_is_passed_over(tmp_path: Path) -> None:
    bare = Item(path=tmp_path / "x.jpg", label=DEFECT)
    empty, other = item(tmp_path, "empty"), item(tmp_path, "other", (0, 0, 9, 9), shape=(30, 30))
    assert smallest_defect([bare, empty, other], (60, 80)) is None
    assert smallest_defect([], (60, 80)) is None
    assert smallest_defect([bare, item(tmp_path, "a", (1, 1, 5, 5)), empty, other], (60, 80)) == 5


def test_many_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defect_sizes, "LOOKED_AT", 3)
    items = [item(tmp_path, str(i), (0, 0, i, i)) for i in range(1, 8)]
    assert smallest_defect(items, (60, 80)) == pytest.approx(1 + 0.1 * 2 * 3)
