"""Image preprocessing of Qwen2.5-VL: one resize to an explicit size, normalisation, patches.

Equal to transformers' ``Qwen2VLImageProcessor`` (its Pillow back end) for the same size; written here
because that class wants torchvision for its video part, and because the size is decided by us: a
resize done twice, or by another back end, moves the logits.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from saec.errors import ModelError
from saec.texts import read_text
from saec.types import Image

WINDOW = 112
"""Side of a vision window in pixels: sides that are multiples of it make all windows equal."""

Grid = tuple[int, int, int]
"""Frames in time, patch rows, patch columns."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a checkpoint's images are prepared, as far as it concerns still ones.

    Attributes:
        mean, std: per channel, of pixels scaled to 0..1.
        patch: side of a patch in pixels.
        merge: patches per side that the vision tower merges to one token.
        temporal: frames per patch; a still image is repeated.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    patch: int
    merge: int
    temporal: int

    @classmethod
    def read(cls, folder: Path) -> Preprocessing:
        """Read it from a checkpoint's folder.

        Raises:
            ModelError: no file says it, or lacks a key.
        """
        path, raw = _image_processor(folder)
        try:
            red, green, blue = (float(v) for v in raw["image_mean"])
            std_red, std_green, std_blue = (float(v) for v in raw["image_std"])
            return cls(
                mean=(red, green, blue),
                std=(std_red, std_green, std_blue),
                patch=int(raw["patch_size"]),
                merge=int(raw["merge_size"]),
                temporal=int(raw["temporal_patch_size"]),
            )
        except KeyError as e:
            raise ModelError(f"{path} lacks {e.args[0]}", "restore the checkpoint's original file") from e
        except (ValueError, TypeError) as e:
            raise ModelError(f"{path} cannot be used: {e}", "restore the checkpoint's original file") from e


def _image_processor(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The image processor's settings and their file: since transformers 5 a part of the processor's.

    Where both files are there the processor's counts, as for transformers.
    """
    for name, part in (("processor_config.json", "image_processor"), ("preprocessor_config.json", None)):
        path = folder / name
        if not path.is_file():
            continue
        try:
            raw = json.loads(read_text(path, error=ModelError))
            found = raw.get(part) if part else raw
        except (ValueError, AttributeError) as e:
            raise ModelError(f"{path} is damaged: {e}", "restore the checkpoint's original file") from e
        if isinstance(found, dict):
            return path, found
    raise ModelError(
        f"{folder} does not say how to prepare images: it has no "
        "preprocessor_config.json, and no processor_config.json with an "
        "image_processor",
        "restore the checkpoint's original files, or save its processor there (processor.save_pretrained)",
    )


def fit_size(
    height: int, width: int, side: int, unit: int, *, square: bool = False, most: int | None = None
) -> tuple[int, int]:
    """The size, in multiples of ``unit`` pixels, at which the model sees an image.

    About side x side pixels with the image's aspect; among nearly equal choices a multiple of
    ``WINDOW`` wins, since equal windows need no padding. Depends on nothing but its arguments.

    Args:
        height, width: size of the image in pixels.
        side: square root of the wanted number of pixels.
        unit: pixels per token and side (28 for Qwen2.5-VL).
        square: ignore the aspect, for a checkpoint that has seen squares only.
        most: tokens that the image may take; the side shrinks to it.

    Returns:
        Height and width in pixels.
    """
    if most is not None:
        side = max(unit, min(side, unit * math.isqrt(most)))
    if square:
        rounded = max(unit, round(side / unit) * unit)
        return rounded, rounded
    root = math.sqrt(height / width)
    choices = [(h, w) for h in _around(side * root, unit) for w in _around(side / root, unit)]
    if most is not None:
        # A strip that is longer than all tokens in one row takes the fewest that it can.
        fewest = min(h * w for h, w in choices)
        choices = [(h, w) for h, w in choices if h * w <= max(most * unit**2, fewest)]
    return min(choices, key=lambda size: (_misfit(size, height / width, side), size))


def _around(length: float, unit: int) -> list[int]:
    """Multiples of ``unit`` within a window's half side of a length; always at least one."""
    low = max(1, math.floor((length - WINDOW / 2) / unit))
    high = max(low, math.ceil((length + WINDOW / 2) / unit))
    return [unit * n for n in range(low, high + 1)]


def _misfit(size: tuple[int, int], ratio: float, side: int) -> float:
    """Log error of aspect and of area, plus a small price for windows that are not equal."""
    h, w = size
    aspect = abs(math.log(h / w / ratio))
    area = abs(math.log(h * w / side**2))
    return aspect + area + (0.0 if h % WINDOW == 0 and w % WINDOW == 0 else 0.1)


def resized(image: Image, size: tuple[int, int]) -> Image:
    """The image at height x width pixels, by Pillow's bicubic filter; itself where it has that size."""
    if image.shape[:2] == size:
        return image
    height, width = size
    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BICUBIC))


def patches(image: Image, size: tuple[int, int], how: Preprocessing) -> tuple[NDArray[np.float32], Grid]:
    """Resize once (Pillow, bicubic), normalise and cut into patches.

    Args:
        image: H x W x 3 RGB uint8.
        size: height and width in pixels, multiples of patch x merge.
        how: the checkpoint's preprocessing.

    Returns:
        Patches (rows * columns, 3 * temporal * patch * patch) float32, in the order in which the
        tower merges them, and the grid (1, rows, columns).
    """
    height, width = size
    image = resized(image, size)
    scale = np.float32(1 / 255)
    pixels = (image.astype(np.float32) * scale - np.array(how.mean, np.float32)) / np.array(
        how.std, np.float32
    )
    rows, columns = height // how.patch, width // how.patch
    blocks = pixels.reshape(
        rows // how.merge, how.merge, how.patch, columns // how.merge, how.merge, how.patch, 3
    ).transpose(0, 3, 1, 4, 6, 2, 5)
    repeated = np.repeat(blocks[:, :, :, :, :, None], how.temporal, axis=5)
    return np.ascontiguousarray(repeated.reshape(rows * columns, -1)), (1, rows, columns)
