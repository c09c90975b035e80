"""Masks mark what was meant, whatever tool saved them; what may not be meant is in doubt, never silent."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from saec.data.images import read_marks

M = np.zeros((60, 80), np.bool_)
M[20:31, 30:46] = True
NOISE = np.random.default_rng(0)


def grey(on: int, off: int, mode: type = np.uint8) -> Pillow.Image:
    return Pillow.fromarray(np.where(M, on, off).astype(mode))


def rgba(ground: tuple[int, ...], paint: tuple[int, ...]) -> Pillow.Image:
    return Pillow.fromarray(
        np.where(M[..., None], np.array(paint), np.array(ground)).astype(np.uint8), "RGBA"
    )


def palette(*colours: int) -> Pillow.Image:
    image = Pillow.fromarray(M.astype(np.uint8), "P")
    image.putpalette([*colours, *[0] * (768 - len(colours))])
    return image


def white_alpha() -> Pillow.Image:
    return Pillow.fromarray(np.stack([np.full(M.shape, 255), M * 255], axis=2).astype(np.uint8), "LA")


def red_on_white() -> Pillow.Image:
    return Pillow.fromarray(np.where(M[..., None], (255, 0, 0), (255, 255, 255)).astype(np.uint8))


def noisy_ground() -> Pillow.Image:
    ground = NOISE.integers(0, 2, (*M.shape, 3))
    return Pillow.fromarray(np.where(M[..., None], 255, ground).astype(np.uint8))


def soft() -> Pillow.Image:
    return Pillow.fromarray(cv2.GaussianBlur(M.astype(np.uint8) * 255, (3, 3), 0))


def two_labels() -> Pillow.Image:
    labels = M.astype(np.uint8)
    labels[25:, :] *= 8
    return Pillow.fromarray(labels)


AS_MEANT: dict[str, Callable[[], Pillow.Image]] = {
    "white": lambda: grey(255, 0),
    "value 1": lambda: grey(1, 0),
    "a saturated value": lambda: grey(236, 0),
    "16 bit, value 1": lambda: grey(1, 0, np.uint16),
    "16 bit, value 256": lambda: grey(256, 0, np.uint16),
    "32 bit, value 1": lambda: grey(1, 0, np.int32),
    "floats": lambda: grey(1, 0, np.float32),
    "one bit": lambda: Pillow.fromarray(M),
    "ground of 3": lambda: grey(255, 3),
    "grey on white": lambda: grey(128, 255),
    "red on transparent black": lambda: rgba((0, 0, 0, 0), (255, 0, 0, 255)),
    "red on transparent white": lambda: rgba((255, 255, 255, 0), (255, 0, 0, 255)),
    "half transparent red": lambda: rgba((255, 255, 255, 0), (255, 0, 0, 128)),
    "black paint on transparent": lambda: rgba((0, 0, 0, 0), (0, 0, 0, 255)),
    "opaque alpha": lambda: rgba((0, 0, 0, 255), (255, 255, 255, 255)),
    "white whose alpha is the mask": white_alpha,
    "palette of VOC": lambda: palette(0, 0, 0, 128, 0, 0),
    "palette all black": lambda: palette(0, 0, 0, 0, 0, 0),
    "palette with white ground": lambda: palette(255, 255, 255, 255, 0, 0),
    "palette with grey ground": lambda: palette(200, 200, 200, 255, 0, 0),
    "palette of black on white": lambda: palette(255, 255, 255, 0, 0, 0),
    "red on white": red_on_white,
    "noise of 1 in the ground": noisy_ground,
    "soft edges": soft,
    "labels 1 and 8": two_labels,
}


def save(path: Path, image: Pillow.Image, form: str, **options: Any) -> Path:
    data = io.BytesIO()
    image.save(data, form, **options)
    path.write_bytes(data.getvalue())
    return path


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


def photograph() -> Pillow.Image:
    return Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80), dtype=np.uint8))


def heat() -> Pillow.Image:
    y, x = np.mgrid[:60, :80]
    return Pillow.fromarray(np.clip(255 - 6 * np.hypot(y - 30, x - 40), 0, 255).astype(np.uint8))


def partly_clear() -> Pillow.Image:
    layers = np.zeros((*M.shape, 4), np.uint8)
    layers[M] = 255
    layers[:, 20:, 3] = 255
    return Pillow.fromarray(layers, "RGBA")


IN_DOUBT: dict[str, tuple[Callable[[], Pillow.Image], str]] = {
    "inverted": (lambda: grey(0, 255), "covers 96% of the image"),
    "inverted labels": (lambda: grey(0, 1), "covers 96% of the image"),
    "all white": (lambda: grey(255, 255), "covers 100% of the image"),
    "a hole in the alpha": (lambda: rgba((9, 9, 9, 255), (9, 9, 9, 0)), "covers 96% of the image"),
    "black and white on transparent": (partly_clear, "two tell the ground"),
    "a photograph": (photograph, "grey levels"),
    "a heat map": (heat, "grey levels"),
}


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
