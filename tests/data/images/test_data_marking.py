"""Masks mark what was meant, whatever tool saved them; what may not be meant is in doubt, never silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from saec.data.images.pixels import read_marks
from tests.data.mask_files import AS_MEANT, IN_DOUBT, M, grey, save


@pytest.mark.parametrize("name", AS_MEANT)
def test_masks_are_read_as_meant(tmp_path: Path, name: str) -> None:
    image = AS_MEANT[name]()
    form = "TIFF" if image.mode in "IF" else "PNG"
    marks = read_marks(save(tmp_path / "m", image, form))
    assert marks.doubt == ""
    np.testing.assert_array_equal(marks.where, M)


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {"quality": 75}), ("WEBP", {"quality": 80}), ("GIF", {}), ("BMP", {}), ("TIFF", {})],
)
@pytest.mark.parametrize("value", [255, 100])
def test_masks_of_other_formats(tmp_path: Path, form: str, options: dict[str, int], value: int) -> None:
    marks = read_marks(save(tmp_path / "m", grey(value, 0), form, **options))
    assert marks.doubt == ""
    assert np.count_nonzero(marks.where != M) <= 4


def test_jpeg_of_value_1_marks_its_place(tmp_path: Path) -> None:
    marks = read_marks(save(tmp_path / "m", grey(1, 0), "JPEG", quality=100))
    assert np.count_nonzero(marks.where != M) <= 8


@pytest.mark.parametrize("name", IN_DOUBT)
def test_what_may_not_be_meant_is_in_doubt(tmp_path: Path, name: str) -> None:
    make, words = IN_DOUBT[name]
    marks = read_marks(save(tmp_path / "m", make(), "PNG"))
    assert words in marks.doubt
    assert marks.remedy


def test_a_large_defect_within_the_image_is_in_no_doubt(tmp_path: Path) -> None:
    large = np.zeros((60, 80), np.uint8)
    large[5:55, 5:75] = 255
    marks = read_marks(save(tmp_path / "m", Pillow.fromarray(large), "PNG"))
    assert marks.doubt == ""
    assert marks.where.sum() == 50 * 70


@given(
    top=st.integers(0, 40), left=st.integers(0, 60), height=st.integers(1, 19), width=st.integers(1, 19),
    value=st.integers(1, 255),
)  # fmt: skip
def test_any_mark_of_any_value_is_read(
    tmp_path_factory: pytest.TempPathFactory, top: int, left: int, height: int, width: int, value: int
) -> None:
    marked = np.zeros((60, 80), np.uint8)
    marked[top : top + height, left : left + width] = value
    path = save(tmp_path_factory.mktemp("m") / "m", Pillow.fromarray(marked), "PNG")
    marks = read_marks(path)
    assert marks.doubt == ""
    np.testing.assert_array_equal(marks.where, marked > 0)
