"""Masks as tools save them, and files that may be no masks; the tests read them, docs/data.md lists them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow

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
    "inverted": (lambda: grey(0, 255), "marks 96% of the image"),
    "inverted labels": (lambda: grey(0, 1), "marks 96% of the image"),
    "all white": (lambda: grey(255, 255), "marks 100% of the image"),
    "a hole in the alpha": (lambda: rgba((9, 9, 9, 255), (9, 9, 9, 0)), "marks 96% of the image"),
    "black and white on transparent": (partly_clear, "background is unclear"),
    "a photograph": (photograph, "grey levels"),
    "a heat map": (heat, "grey levels"),
}
