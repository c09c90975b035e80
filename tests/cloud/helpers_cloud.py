"""What the cloud room's tests share."""

from __future__ import annotations

import numpy as np

from saec.types import CloudQuery, Frame, Image


def noise(seed: int, height: int = 224, width: int = 224) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def query(image: Image, *references: Image, name: str = "frame") -> CloudQuery:
    return CloudQuery(Frame(name, image), references, focus=(1, 2, 3, 4))
