"""Where a mark goes: deep enough in the body that it fits, or on the body's outline."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.canvas import Canvas, Mask
from saec.data.procedural.painting.design import RIM
from saec.data.procedural.painting.marks import Spot
from saec.data.procedural.painting.noise import Field, f32

_COARSE = 64  # places are drawn on a grid of at least this many cells a side


def spot_for(canvas: Canvas, kind: str, radius: float, rng: np.random.Generator) -> Spot:
    """A random place for a mark of a kind and a radius (pixels)."""
    step = max(1, canvas.view.size // _COARSE)
    small = np.asarray(
        cv2.resize(canvas.body, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA), np.uint8
    )
    rim = kind in RIM
    at = np.flatnonzero(_outline(small) if rim else _interior(small, 0.6 * radius / step))
    row, col = divmod(int(at[rng.integers(len(at))]), small.shape[1])
    x, y = (float(v) for v in (np.array([col, row]) + rng.uniform(0, 1, 2)) * step)
    return Spot(x, y, radius, _mean_colour(canvas, x, y, of_body=rim), _outward(small, col, row), rng)


def _outline(body: Mask) -> NDArray[np.bool_]:
    """Cells of the body that touch the ground; the frame's edge is no outline."""
    inside = (body > 127).astype(np.uint8)
    framed = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    eroded = cv2.erode(framed, np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    return np.not_equal(inside, eroded)


def _interior(body: Mask, depth: float) -> NDArray[np.bool_]:
    """Cells at least so deep in the body, or nearly as deep as it gets; the frame's edge counts."""
    framed = cv2.copyMakeBorder((body > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    away = f32(cv2.distanceTransform(framed, cv2.DIST_L2, 3))[1:-1, 1:-1]
    return np.greater_equal(away, min(depth, 0.75 * float(away.max())))


def _mean_colour(canvas: Canvas, x: float, y: float, *, of_body: bool) -> Field:
    r = max(3, canvas.view.size // 40)
    cut = (slice(max(0, int(y) - r), int(y) + r + 1), slice(max(0, int(x) - r), int(x) + r + 1))
    patch, on = canvas.albedo[:, *cut].reshape(3, -1), canvas.body[cut].reshape(-1) > 127
    return f32((patch[:, on] if of_body and on.any() else patch).mean(axis=1))


def _outward(body: Mask, col: int, row: int) -> float:
    """Direction away from the body at a cell, radians."""
    near = body[max(0, row - 4) : row + 5, max(0, col - 4) : col + 5]
    soft = f32(cv2.GaussianBlur(near, (5, 5), 0))
    gy, gx = np.gradient(soft)
    return math.atan2(-float(gy.mean()), -float(gx.mean()))
