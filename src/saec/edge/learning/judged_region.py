"""The region of interest as a mask: of the frame, of the prepared frame, and of the cells of the map."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.edge.preparation import prepare
from saec.errors import DataError, LineError
from saec.profile import Preparation

MASK = "roi.png"
"""The mask's file in a line profile: 0 outside, 255 inside, of the frames' size."""

LEAST_CELLS = 16
"""Cells of the map below which a region of interest is too small to judge."""


def keep_mask(given: Path, size: tuple[int, int], folder: Path) -> None:
    """Write a mask that a user gave into a line profile.

    Args:
        given: an image whose non-zero pixels are judged.
        size: height and width of the frames.
        folder: the profile, which exists.

    Raises:
        DataError: it cannot be read, or has another size.
    """
    mask = cv2.imread(str(given), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if mask is None:
        raise DataError(f"{given} is not an image that can be read", "give a mask as PNG")
    if mask.shape[:2] != size:
        raise DataError(
            f"{given} has {mask.shape[1]} x {mask.shape[0]} pixels, "
            f"but the frames have {size[1]} x {size[0]}",
            "give a mask of the frames' size",
        )
    cv2.imwrite(str(folder / MASK), np.where(mask > 0, 255, 0).astype(np.uint8))


def prepared_mask(folder: Path, preparation: Preparation) -> NDArray[np.uint8]:
    """A profile's mask as the graph sees it, height x width, 0..255.

    Raises:
        LineError: it cannot be read.
    """
    pixels = cv2.imread(str(folder / MASK), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise LineError(f"{folder / MASK} cannot be read", "restore it or fit the line again")
    prepared: NDArray[np.uint8] = prepare(
        np.repeat(pixels[..., None], 3, axis=2).astype(np.uint8), preparation
    )[..., 0]
    return prepared


def cells_inside(mask: NDArray[np.uint8], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells of the map (2h x 2w) that a prepared mask covers by half.

    Raises:
        DataError: they are too few.
    """
    inside: NDArray[np.bool_] = cv2.resize(mask, grid[::-1], interpolation=cv2.INTER_AREA) > 127
    if (count := int(inside.sum())) < LEAST_CELLS:
        raise DataError(
            f"the mask lets only {count} cells of the anomaly map be judged; at least {LEAST_CELLS} are "
            "needed",
            "give a mask with a larger white area",
        )
    return inside


def marked_cells(mask: NDArray[np.bool_], preparation: Preparation, shape: tuple[int, ...]) -> list[int]:
    """The cells (of h x w, row by row) that a mask of the whole frame touches, as indices."""
    drawn = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)
    share = cv2.resize(prepare(drawn, preparation)[..., 0], shape[::-1], interpolation=cv2.INTER_AREA)
    cells: list[int] = np.flatnonzero(share > 0).tolist()
    return cells
