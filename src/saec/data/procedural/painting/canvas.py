"""The canvas: a product is painted as material (albedo, height, gloss), and lit afterwards.

Coordinates are the product's own: (0, 0) is its centre, the frame spans about -1..1, y points down.
A ``View`` carries them to pixels, so that a shifted, turned or larger frame shows the same product.
Heights are in product units too; only their slope is ever seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.noise import TILE, Field, Tile, f32, tile

Colour = tuple[float, float, float]
"""RGB, 0..1, linear in the sense that the camera applies no curve."""

Mask = NDArray[np.uint8]
"""H x W, 0..255, an anti-aliased coverage."""

Points = NDArray[np.float64] | Sequence[tuple[float, float]]

_SHIFT = 4  # fractional bits of pixel coordinates in OpenCV's drawing calls


@dataclass(frozen=True)
class View:
    """Where the camera stands: product coordinates to pixels.

    Attributes:
        size: side of the frame in pixels.
        angle: rotation in radians, clockwise on screen.
        zoom: 1 shows -1..1.
        x, y: position of the product's centre, in product units.
    """

    size: int
    angle: float = 0.0
    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0

    @cached_property
    def scale(self) -> float:
        """Pixels per product unit."""
        return 0.5 * self.size * self.zoom

    @cached_property
    def _linear(self) -> NDArray[np.float64]:
        c, s = math.cos(self.angle) * self.scale, math.sin(self.angle) * self.scale
        return np.array([[c, s], [-s, c]])

    @cached_property
    def _centre(self) -> NDArray[np.float64]:
        return 0.5 * self.size * np.array([1 + self.x, 1 + self.y]) - 0.5

    def pixels(self, points: Points) -> NDArray[np.float64]:
        """N x 2 pixel coordinates (x, y) of N product points."""
        out: NDArray[np.float64] = np.asarray(points, np.float64).reshape(-1, 2) @ self._linear + self._centre
        return out

    def inverse(self) -> NDArray[np.float64]:
        """2 x 3 matrix from pixel (x, y, 1) to product (u, v)."""
        linear = self._linear / self.scale**2
        return np.column_stack([linear, -linear @ self._centre])


class Canvas:
    """Material of one frame while a family paints it.

    Attributes:
        albedo: 3 x H x W float32, 0..1.
        height: H x W float32, product units.
        gloss: H x W float32, 0 (matt) .. 1 (mirror-like).
        body: H x W uint8, 255 where the product is.
        ground: the albedo before the first stamp: what shows where a piece breaks off.
        rng: the frame's own randomness; draw from it the same way whatever the parts are.
    """

    def __init__(self, view: View, rng: np.random.Generator) -> None:
        n = view.size
        self.view = view
        self.rng = rng
        self.albedo = np.zeros((3, n, n), np.float32)
        self.height = np.zeros((n, n), np.float32)
        self.gloss = np.zeros((n, n), np.float32)
        self.body = np.zeros((n, n), np.uint8)
        self.ground = self.albedo
        self._grid: tuple[Field, Field] | None = None

    # -- fields -----------------------------------------------------------------------------

    def grid(self) -> tuple[Field, Field]:
        """Product coordinates (u, v) of each pixel, each H x W."""
        if self._grid is None:
            m = self.view.inverse().astype(np.float32)
            t = np.arange(self.view.size, dtype=np.float32)
            self._grid = (
                m[0, 0] * t[None] + m[0, 1] * t[:, None] + m[0, 2],
                m[1, 0] * t[None] + m[1, 1] * t[:, None] + m[1, 2],
            )
        return self._grid

    def noise(self, name: Tile, period: float, *, stretch: float = 1.0, angle: float = 0.0) -> Field:
        """A noise field that moves with the product, at a phase drawn for this frame.

        Args:
            name: which tile.
            period: product units that one tile spans; 4.6 is one tile pixel per pixel at 224 px.
            stretch: how many times longer than wide its grain is, along ``angle``.
            angle: radians.
        """
        k = TILE / period
        c, s = math.cos(angle) * k, math.sin(angle) * k
        to_tile = np.array([[c / stretch, s / stretch], [-s, c]]) @ self.view.inverse()
        to_tile[:, 2] += self.rng.uniform(0.5 * TILE, 1.5 * TILE, 2)
        n = self.view.size
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return f32(cv2.warpAffine(tile(name), to_tile, (n, n), flags=flags, borderMode=cv2.BORDER_WRAP))

    # -- masks ------------------------------------------------------------------------------

    def blank(self) -> Mask:
        """A new empty mask of the frame's size."""
        return np.zeros((self.view.size, self.view.size), np.uint8)

    def polygon(self, points: Points, mask: Mask | None = None, value: int = 255) -> Mask:
        """Fill a polygon of product points into ``mask`` (a new one without it)."""
        mask = self.blank() if mask is None else mask
        fill(mask, self.view.pixels(points), value)
        return mask

    def disc(self, x: float, y: float, r: float, mask: Mask | None = None, value: int = 255) -> Mask:
        """Fill a disc into ``mask``."""
        mask = self.blank() if mask is None else mask
        px, py = self.view.pixels([(x, y)])[0]
        centre = (round(px * (1 << _SHIFT)), round(py * (1 << _SHIFT)))
        radius = round(r * self.view.scale * (1 << _SHIFT))
        cv2.circle(mask, centre, max(1, radius), value, -1, cv2.LINE_AA, _SHIFT)
        return mask

    def stroke(
        self, points: Points, width: float, mask: Mask | None = None, value: int = 255, closed: bool = False
    ) -> Mask:
        """Fill a line of product points with a width in product units; ends are cut square."""
        mask = self.blank() if mask is None else mask
        p = np.asarray(points, np.float64).reshape(-1, 2)
        if closed:
            p = np.vstack([p, p[:1]])
        fill(mask, self.view.pixels(outline(p, width)), value)
        return mask

    # -- material ---------------------------------------------------------------------------

    def fill_ground(self, colour: Colour | Field, gloss: float = 0.0) -> None:
        """Paint the background everywhere; it is no part of the product."""
        self.albedo[:] = planes(colour)
        self.gloss[:] = gloss
        self.ground = self.albedo.copy()

    def whole(self, albedo: Field, height: Field | float = 0.0, gloss: Field | float = 0.0) -> None:
        """Paint a texture: the product is the whole frame."""
        self.albedo[:] = albedo
        self.height[:] = height
        self.gloss[:] = gloss
        self.body[:] = 255
        self.ground = self.albedo * np.float32(0.35)

    def shadow(self, mask: Mask, *, reach: float = 0.05, strength: float = 0.45) -> None:
        """Darken the ground beside ``mask``: a soft shadow, straight below it on screen and around."""
        px = max(1.0, reach * self.view.scale)
        m = np.array([[1, 0, 0.5 * px], [0, 1, 0.6 * px]])
        cast = cv2.GaussianBlur(cv2.warpAffine(mask, m, mask.shape[::-1]), (0, 0), 0.6 * px)
        self.albedo *= 1.0 - cast.astype(np.float32) * (strength / 255.0)
        self.ground = self.albedo.copy()

    def stamp(
        self,
        mask: Mask,
        colour: Colour | Field,
        *,
        rise: float = 0.0,
        bevel: float = 0.0,
        relief: Field | None = None,
        gloss: float | None = None,
        body: bool = True,
    ) -> None:
        """Lay material over the canvas where ``mask`` is.

        Args:
            mask: coverage.
            colour: one colour or a 3 x H x W field.
            rise: how far its top stands above what lies there, product units; negative sinks.
            bevel: width of its rounded edge, product units.
            relief: H x W height added within the mask.
            gloss: its gloss; what lies there keeps its own without it.
            body: whether it belongs to the product, so that surface defects may lie on it.
        """
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0:
            return
        cut = (slice(y, y + h), slice(x, x + w))
        a = mask[cut].astype(np.float32) * np.float32(1 / 255)
        top = colour[:, *cut] if isinstance(colour, np.ndarray) else planes(colour)
        self.albedo[:, *cut] += a * (top - self.albedo[:, *cut])
        if rise or relief is not None:
            lift = (
                dome(mask[cut], bevel * self.view.scale) * np.float32(rise) if bevel else a * np.float32(rise)
            )
            self.height[cut] += lift if relief is None else lift + a * relief[cut]
        if gloss is not None:
            self.gloss[cut] += a * (np.float32(gloss) - self.gloss[cut])
        if body:
            np.maximum(self.body[cut], mask[cut], out=self.body[cut])


def fill(mask: Mask, pixels: NDArray[np.float64], value: int = 255) -> None:
    """Anti-aliased polygon of pixel points, to 1/16 px."""
    cv2.fillPoly(mask, [np.rint(pixels * (1 << _SHIFT)).astype(np.int32)], value, cv2.LINE_AA, _SHIFT)


def planes(colour: Colour | Field) -> Field:
    """A colour as 3 x 1 x 1, a field as it is."""
    return colour if isinstance(colour, np.ndarray) else np.array(colour, np.float32)[:, None, None]


def dome(mask: Mask, width: float) -> Field:
    """0 outside, rising as a quarter circle over ``width`` px to 1 inside ``mask``."""
    inside = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    d = cv2.distanceTransform((inside > 127).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    t = np.minimum(d * np.float32(1 / max(width, 1.0)), 1.0)
    return f32(cv2.GaussianBlur(np.sqrt(t * (2.0 - t)), (5, 5), 1.0))


def outline(points: NDArray[np.float64], width: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """The polygon around an open line of N points with a width (one, or one per point)."""
    step = np.empty_like(points)
    step[1:-1] = points[2:] - points[:-2]
    step[0], step[-1] = points[1] - points[0], points[-1] - points[-2]
    length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)
    side = np.empty_like(points)
    half = 0.5 * np.asarray(width) / length
    side[:, 0], side[:, 1] = -step[:, 1] * half, step[:, 0] * half
    return np.concatenate([points + side, (points - side)[::-1]])
