"""How large the labelled defects of a data set are, where their places are marked."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saec.data.items import Item
from saec.data.masks import MaskError, mask_pixels
from saec.errors import ImageError

LOOKED_AT = 100
"""Defects that are looked at, at most, evenly spread over the list."""

SMALLEST = 0.1
"""The quantile of the defects' sizes that counts as the smallest."""


def smallest_defect(items: Sequence[Item], frame: tuple[int, int]) -> float | None:
    """How large the smallest defects are in pixels of the frame: a low quantile over the images.

    The size of an image's defect is the square root of the area of its largest connected part: a dent's
    diameter, and between width and length of a scratch. A box counts as its area.

    Args:
        items: labelled defects; those without a mask, or with one that cannot be used, are passed over.
        frame: height and width of the images. Masks of another size are passed over.

    Returns:
        None where no item has a mask.
    """
    marked = [item for item in items if item.mask is not None]
    step = -(-len(marked) // LOOKED_AT)
    sizes = [size for item in marked[:: max(1, step)] if (size := _size(item, frame)) > 0]
    return float(np.quantile(sizes, SMALLEST)) if sizes else None


def _size(item: Item, frame: tuple[int, int]) -> float:
    assert item.mask is not None
    try:
        where = mask_pixels(item.mask, frame)
    except (MaskError, ImageError):
        return 0.0
    count, _, stats, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8))
    return float(np.sqrt(stats[1:count, cv2.CC_STAT_AREA].max(initial=0)))
