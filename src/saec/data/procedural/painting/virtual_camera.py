"""Light and camera: material becomes a picture.

Shading is Blinn-Phong on the slopes of the height field, under one directional light and an even
sky (Blinn 1977). The camera adds uneven light, benign dust and sensor noise, and more of them when the
frame varies (``variation``). Everything works on any
rectangle of the frame, so that a defect is lit again without lighting the whole frame again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.canvas import Canvas
from saec.data.procedural.painting.noise import TILE, Field, f32, sensor_tile
from saec.data.procedural.painting.variation import SPECK_RADIUS, Variation

Image = NDArray[np.uint8]
Cut = tuple[slice, slice]

DUST_MAX = 5
"""Benign dust: at most this many specks in a frame,"""
DUST_RADIUS = 0.006
"""each at most this share of the frame's side in radius,"""
DUST_LEVELS = 9.0
"""and at most this many grey levels brighter or darker than what it lies on."""

_REACH = 2  # px around a pixel that a lens in focus blurs in


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp: direction it comes from, its share, and the colour and strength of the exposure.

    Attributes:
        azimuth: radians on screen, 0 is from the right, pi / 2 from above.
        elevation: radians above the surface.
        ambient: share of light that has no direction, 0..1.
        tint: RGB factors.
        sharpness: doublings of the highlight's exponent: 5 is Blinn-Phong with 32.
    """

    azimuth: float
    elevation: float
    ambient: float = 0.45
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    sharpness: int = 5


class VirtualCamera:
    """What is fixed for one frame: light, its evenness, dust, noise.

    Args:
        size: side of the frame in pixels.
        light: the lamp.
        blur: the lens's blur in pixels (sigma); 0 is sharp.
        noise: deviation of the sensor noise in grey levels.
        unevenness: amplitude of the slow changes of light over the frame, as a share.
        rng: the frame's randomness.
    """

    def __init__(
        self,
        size: int,
        light: Light,
        *,
        blur: float,
        noise: float,
        unevenness: float,
        rng: np.random.Generator,
    ) -> None:
        self.light = light
        self.blur, self._reach = blur, _REACH
        coarse = 1.0 + unevenness * rng.uniform(-1, 1, (4, 4)).astype(np.float32)
        self.gain = 255.0 * f32(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))
        self.grain = _grain(size, noise, rng)
        self.grain += _dust(size, int(rng.integers(0, DUST_MAX + 1)), DUST_RADIUS, DUST_LEVELS, rng)
        self.grain += np.float32(0.5)  # the cast to whole levels rounds down

    def vary(self, variation: Variation, rng: np.random.Generator) -> None:
        """Light, dust and focus of a frame that varies; the same for all that is shot afterwards."""
        size = len(self.gain)
        self.gain *= variation.light(size)
        self.grain += _dust(size, variation.specks, SPECK_RADIUS, variation.levels, rng)
        self.blur += variation.defocus * size / 224
        self._reach = max(_REACH, math.ceil(2.5 * self.blur))

    def shoot(self, canvas: Canvas, cut: Cut | None = None) -> Image:
        """The picture of a canvas, or of one rectangle of it, bit for bit as in the whole picture.

        Args:
            canvas: the material.
            cut: rows and columns; everything without it.
        """
        n = canvas.view.size
        rows, cols = cut or (slice(0, n), slice(0, n))
        wide = (self._widen(rows, n), self._widen(cols, n))
        inner = (_within(rows, wide[0]), _within(cols, wide[1]))
        gain, grain = self.gain[rows, cols], self.grain[:, rows, cols]
        channels = []
        for plane, noise in zip(_shade(canvas, self.light, wide), grain, strict=True):
            if self.blur > 0:
                plane = cv2.GaussianBlur(plane, (2 * self._reach + 1,) * 2, self.blur)
            levels = plane[inner] * gain
            levels += noise
            channels.append(np.clip(levels, 0, 255, out=levels).astype(np.uint8))
        return np.asarray(cv2.merge(channels), np.uint8)

    def _widen(self, s: slice, n: int) -> slice:
        """The same, with all pixels that lens blur and shading (1 px) read."""
        grow = self._reach + 1
        return slice(max(0, s.start - grow), min(n, s.stop + grow))


def _shade(canvas: Canvas, light: Light, cut: Cut) -> Field:
    """3 x H x W light that leaves the material towards the camera, 1 is white."""
    height = canvas.height[cut]
    k = canvas.view.scale / 8.0  # Sobel sums 8 times the slope per pixel
    gx = f32(cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=k))
    gy = f32(cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=k))
    inverse = 1.0 / np.sqrt(1.0 + gx * gx + gy * gy)
    lx, ly, lz = _direction(light.azimuth, light.elevation)
    diffuse = np.maximum((lz - gx * lx - gy * ly) * inverse, 0.0)
    diffuse *= (1.0 - light.ambient) / lz
    diffuse += light.ambient
    length = math.sqrt(lx * lx + ly * ly + (lz + 1.0) ** 2)
    hx, hy, hz = lx / length, ly / length, (lz + 1.0) / length
    shine = np.maximum((hz - gx * hx - gy * hy) * inverse, 0.0)
    for _ in range(light.sharpness):
        shine *= shine
    shine *= canvas.gloss[cut]
    out = canvas.albedo[:, *cut] * diffuse + shine
    out *= np.array(light.tint, np.float32)[:, None, None]
    return out


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    flat = math.cos(elevation)
    return flat * math.cos(azimuth), -flat * math.sin(azimuth), math.sin(elevation)


def _within(s: slice, wide: slice) -> slice:
    return slice(s.start - wide.start, s.stop - wide.start)


def _grain(size: int, sigma: float, rng: np.random.Generator) -> Field:
    y, x = (int(v) for v in rng.integers(0, TILE, 2))
    tile = sensor_tile()
    if size > TILE:
        tile = np.tile(tile, (1, size // TILE + 1, size // TILE + 1))
    return tile[:, y : y + size, x : x + size] * np.float32(sigma)


def _dust(size: int, count: int, most_radius: float, most_levels: float, rng: np.random.Generator) -> Field:
    """Specks within bounds (shares of the side, grey levels); anti-aliased at 1/16 px."""
    out = np.zeros((size, size), np.float32)
    for _ in range(count):
        x, y = rng.uniform(0.02, 0.98, 2) * size
        radius = max(0.5, rng.uniform(0.3, 1.0) * most_radius * size)
        levels = rng.uniform(-1.0, 1.0) * most_levels
        reach = int(radius) + 2
        x0, y0 = max(0, int(x) - reach), max(0, int(y) - reach)
        x1, y1 = min(size, int(x) + reach + 1), min(size, int(y) + reach + 1)
        d = np.hypot(np.arange(x0, x1)[None] - x, np.arange(y0, y1)[:, None] - y)
        out[y0:y1, x0:x1] = np.clip(radius + 0.5 - d, 0, 1) * levels
    return out
