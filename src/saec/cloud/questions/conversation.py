"""One conversation as the model takes it, before it is on any device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from saec.cloud.questions.image_patches import Grid
from saec.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One conversation.

    Attributes:
        ids: its tokens, with as many image tokens as the images have.
        images: its images in order, at the sizes at which they are shown.
        grids: patches of each image.
        shape: equal for conversations that differ in nothing but their pixels.
        before: equal for those whose images before the last are the same.
    """

    ids: tuple[int, ...]
    images: tuple[Image, ...]
    grids: tuple[Grid, ...]
    shape: tuple[Any, ...]
    before: str


def pixel_digest(images: tuple[Image, ...]) -> str:
    """Hash of images' pixels."""
    total = hashlib.blake2b(digest_size=16)
    for image in images:
        total.update(image.tobytes() if not image.flags.c_contiguous else image.data)
    return total.hexdigest()
