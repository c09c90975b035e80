"""Flat PNG files, quick to write and all different."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def flat(path: Path, level: int, side: int = 8) -> Path:
    """A grey image of one level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((side, side, 3), level, np.uint8))[1].tobytes())
    return path
