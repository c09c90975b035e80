"""Surface and rim defects, as marks: what a defect does to a small rectangle of material.

A mark is laid with a strength; strength 1 is as drawn. ``painting.py`` chooses the
strength so that the measured contrast is what a difficulty asks for. Shapes are drawn at ``_OVER``
times the resolution and averaged down, so that a hair-thin line is as fine as it should be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.canvas import Canvas, dome, fill, outline
from saec.data.procedural.painting.noise import Field, f32

_OVER = 3
_WHOLE = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a mark goes.

    Attributes:
        x, y: pixels.
        radius: half the mark's length in pixels.
        colour: mean albedo of the material around.
        outward: direction away from the body in radians (rim kinds), else 0.
        rng: the defect's randomness.
    """

    x: float
    y: float
    radius: float
    colour: NDArray[np.float32]
    outward: float
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class Mark:
    """What changes in a rectangle of material at strength 1.

    Attributes:
        x, y: left upper corner in pixels; may lie outside the frame.
        cover: h x w, 0..1, how far the colour is replaced.
        colour: the new colour, or None where the ground shows (a piece broken off).
        height: h x w change of height in pixels.
        gloss: the new gloss under the cover.
        outside: lies beside the body instead of on it.
        strengths: the least and the largest strength; a missing piece is missing whole.
    """

    x: int
    y: int
    cover: Field
    colour: NDArray[np.float32] | None
    height: Field
    gloss: float = 0.0
    outside: bool = False
    strengths: tuple[float, float] = (0.15, 2.5)


class _Pad:
    """A small over-sampled drawing board around a spot; coordinates are pixels from the spot."""

    def __init__(self, spot: Spot, reach: float) -> None:
        self.half = max(3, math.ceil(reach) + 2)
        self.x, self.y = round(spot.x) - self.half, round(spot.y) - self.half
        self.n = 2 * self.half + 1

    def polygon(self, points: NDArray[np.float64]) -> Field:
        big = np.zeros((self.n * _OVER, self.n * _OVER), np.uint8)
        fill(big, (points + self.half + 0.5) * _OVER - 0.5)
        return self._down(big)

    def lines(self, lines: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Field:
        """Lines with a width per point, in pixels."""
        big = np.zeros((self.n * _OVER, self.n * _OVER), np.uint8)
        for points, width in lines:
            fill(big, (outline(points, width) + self.half + 0.5) * _OVER - 0.5)
        return self._down(big)

    def _down(self, big: NDArray[np.uint8]) -> Field:
        small = cv2.resize(big, (self.n, self.n), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) * np.float32(1 / 255)


def _blob(rng: np.random.Generator, radius: float, rough: float, squash: float = 1.0) -> NDArray[np.float64]:
    """A closed irregular outline: a circle with a few random harmonics."""
    t = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    r = np.ones_like(t)
    for k in range(2, 9):
        r += rough / k * rng.normal() * np.cos(k * t + rng.uniform(0, 6.3))
    r = np.clip(r, 0.45, 1.6) * radius
    turn = rng.uniform(0, 6.3)
    x, y = r * np.cos(t), r * np.sin(t) * squash
    return np.column_stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)])


def _wander(
    rng: np.random.Generator, length: float, *, turn: float, jag: float, n: int = 24
) -> NDArray[np.float64]:
    """A line of n points and a length, centred on 0, bending slowly (``turn``) and jaggedly (``jag``)."""
    bend = np.cumsum(rng.normal(0, turn, n)) + rng.normal(0, jag, n) + rng.uniform(0, 6.3)
    step = length / (n - 1)
    p = np.cumsum(np.column_stack([np.cos(bend), np.sin(bend)]) * step, axis=0)
    return np.asarray(p - p.mean(axis=0), np.float64)


def _taper(n: int, width: float) -> NDArray[np.float64]:
    out: NDArray[np.float64] = width * np.sqrt(np.sin(np.linspace(0.05, math.pi - 0.05, n)))
    return out


def _other(spot: Spot, dark: float = 0.5) -> NDArray[np.float32]:
    """A colour that stands out from the material: much darker or much lighter."""
    light = float(spot.colour.mean())
    darker = light > 0.55 or (light > 0.2 and spot.rng.random() < dark)
    k = spot.rng.uniform(0.15, 0.4)
    return spot.colour * np.float32(k) if darker else spot.colour + np.float32(1 - k) * (1 - spot.colour)


def _soft(field: Field, sigma: float) -> Field:
    return f32(cv2.GaussianBlur(field, (0, 0), max(0.4, sigma)))


def scratch(spot: Spot) -> Mark:
    """One to three thin, nearly straight lines with a groove; mostly lighter than the material."""
    rng = spot.rng
    pad = _Pad(spot, spot.radius * 1.15)
    width = max(0.9, spot.radius * rng.uniform(0.03, 0.06))
    line = _wander(rng, 2 * spot.radius, turn=0.03, jag=0.01)
    lines = [(line, _taper(24, width))]
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        aside = rng.normal(0, 0.08 * spot.radius, 2)
        lines.append((line[4:18] + aside, _taper(14, 0.7 * width)))
    cover = pad.lines(lines)
    return Mark(pad.x, pad.y, cover, _other(spot, dark=0.3), _soft(cover, 0.6) * -1.2, gloss=0.3)


def crack(spot: Spot) -> Mark:
    """A dark jagged line that forks."""
    rng = spot.rng
    pad = _Pad(spot, spot.radius * 1.3)
    width = max(0.9, spot.radius * rng.uniform(0.035, 0.07))
    line = _wander(rng, 2.2 * spot.radius, turn=0.12, jag=0.55, n=26)
    lines = [(line, _taper(26, width))]
    for _ in range(int(rng.integers(0, 4))):
        root = int(rng.integers(4, 22))
        twig = _wander(rng, spot.radius * rng.uniform(0.4, 0.8), turn=0.12, jag=0.5, n=12)
        lines.append((twig - twig[0] + line[root], np.linspace(width * 0.8, 0.3, 12)))
    cover = np.minimum(pad.lines(lines) * 1.2, 1.0)
    return Mark(pad.x, pad.y, cover, spot.colour * np.float32(0.12), _soft(cover, 0.7) * -1.5)


def dent(spot: Spot) -> Mark:
    """A smooth hollow: only the light changes."""
    rng = spot.rng
    r = spot.radius * 0.75
    pad = _Pad(spot, r * 1.6)
    shape = _soft(pad.polygon(_blob(rng, r, 0.25, rng.uniform(0.6, 1.0))), r * 0.28)
    return Mark(
        pad.x,
        pad.y,
        shape * np.float32(0.25),
        spot.colour * np.float32(0.7),
        shape * np.float32(-0.55 * r),
        gloss=0.4,
    )


def stain(spot: Spot) -> Mark:
    """A flat spot of oil, rust, ink or water, its rim a little stronger."""
    rng = spot.rng
    r = spot.radius * 0.8
    pad = _Pad(spot, r * 1.9)
    body = _soft(pad.polygon(_blob(rng, r, 0.5, rng.uniform(0.6, 1.0))), 0.05 * r + 0.5)
    if rng.random() < 0.5:
        body *= 0.7 + 0.3 * (1 - _soft(body, 0.25 * r))
    inks = (
        (0.28, 0.17, 0.08),
        (0.10, 0.09, 0.10),
        (0.45, 0.22, 0.08),
        (0.12, 0.16, 0.35),
        (0.40, 0.35, 0.12),
    )
    ink = np.array(inks[int(rng.integers(len(inks)))], np.float32)
    if spot.colour.mean() < 0.25:
        ink = 0.35 + 0.6 * ink
    return Mark(pad.x, pad.y, body, 0.75 * ink + 0.25 * spot.colour, body * 0, gloss=rng.uniform(0, 0.5))


def hole(spot: Spot) -> Mark:
    """A hole with a raised lip and a dark inside."""
    rng = spot.rng
    r = spot.radius * 0.55
    pad = _Pad(spot, r * 1.8)
    inside = pad.polygon(_blob(rng, r, 0.18, rng.uniform(0.8, 1.0)))
    lip = _soft(inside, 0.25 * r) - 1.6 * inside
    dark = np.array([0.03, 0.03, 0.03], np.float32) + np.float32(0.06) * spot.colour
    return Mark(pad.x, pad.y, inside, dark, lip * np.float32(0.5 * r), strengths=(0.7, 1.5))


def contamination(spot: Spot) -> Mark:
    """One to four foreign particles that lie on the product: crumbs, chips of metal, beads."""
    rng = spot.rng
    pad = _Pad(spot, spot.radius * 1.2)
    cover = np.zeros((pad.n, pad.n), np.float32)
    count = int(rng.choice([1, 1, 1, 2, 3, 4]))
    for i in range(count):
        r = spot.radius * (0.55 if count == 1 else rng.uniform(0.2, 0.4))
        at = rng.normal(0, 0.35 * spot.radius, 2) if i else np.zeros(2)
        cover = np.maximum(cover, pad.polygon(_blob(rng, r, 0.6, rng.uniform(0.5, 1.0)) + at))
    bumps = dome((cover * 255).astype(np.uint8), 0.3 * spot.radius)
    colour = _other(spot)
    if rng.random() < 0.4:
        colour = np.clip(colour * rng.uniform(0.4, 1.5, 3), 0, 1).astype(np.float32)
    return Mark(
        pad.x,
        pad.y,
        cover,
        colour,
        bumps * np.float32(0.45 * spot.radius),
        gloss=rng.choice([0.0, 0.7]),
        strengths=(0.45, 2.5),
    )


def discolouration(spot: Spot) -> Mark:
    """A larger, soft-edged area of another hue or shade: burnt, bleached, unevenly dyed."""
    rng = spot.rng
    r = spot.radius * 1.15
    pad = _Pad(spot, r * 1.9)
    cover = _soft(pad.polygon(_blob(rng, r, 0.35, rng.uniform(0.5, 1.0))), 0.22 * r)
    hue = rng.uniform(0.55, 1.25, 3) if rng.random() < 0.6 else np.full(3, rng.choice([0.5, 1.5]))
    colour = np.clip(spot.colour * hue + (0.12 if spot.colour.mean() < 0.2 else 0.0), 0, 1).astype(np.float32)
    return Mark(pad.x, pad.y, cover, colour, cover * 0, gloss=0.1)


def fibre(spot: Spot) -> Mark:
    """A thread or hair that lies on the product."""
    rng = spot.rng
    pad = _Pad(spot, spot.radius * 1.5)
    width = max(0.9, spot.radius * rng.uniform(0.04, 0.08))
    line = _wander(rng, 2.8 * spot.radius, turn=0.28, jag=0.0, n=40)
    cover = pad.lines([(line, np.full(40, width))])
    colour = _other(spot)
    if rng.random() < 0.5:
        colour = (0.5 * colour + 0.5 * rng.uniform(0, 1, 3)).astype(np.float32)
    return Mark(pad.x, pad.y, cover, colour, _soft(cover, 0.5) * np.float32(0.8 * width), gloss=0.1)


def cut(spot: Spot) -> Mark:
    """A gaping straight cut: a dark lens with raised lips."""
    rng = spot.rng
    pad = _Pad(spot, spot.radius * 1.2)
    line = _wander(rng, 2 * spot.radius, turn=0.02, jag=0.0)
    gape = pad.lines([(line, _taper(24, max(1.4, spot.radius * rng.uniform(0.1, 0.2))))])
    lips = _soft(gape, 0.08 * spot.radius + 0.8) - 1.4 * gape
    return Mark(
        pad.x, pad.y, gape, spot.colour * np.float32(0.15), lips * np.float32(1.6), strengths=(0.45, 2.5)
    )


def chip(spot: Spot) -> Mark:
    """A piece broken off the outline: the ground shows, the break is rough."""
    r = spot.radius * 0.85
    pad = _Pad(spot, r * 1.7)
    return Mark(
        pad.x,
        pad.y,
        pad.polygon(_blob(spot.rng, r, 0.55)),
        None,
        np.zeros((pad.n, pad.n), np.float32),
        strengths=_WHOLE,
    )


def burr(spot: Spot) -> Mark:
    """A ragged piece too much at the outline, of the product's own material."""
    rng = spot.rng
    r = spot.radius * 0.75
    pad = _Pad(spot, r * 2)
    out = np.array([math.cos(spot.outward), math.sin(spot.outward)])
    shape = pad.polygon(_blob(rng, 0.8 * r, 0.7, 0.6) + 0.35 * r * out)
    for _ in range(int(rng.integers(1, 4))):
        tip = out * r * rng.uniform(1.0, 1.5) + rng.normal(0, 0.35 * r, 2)
        spike = np.linspace([0.0, 0.0], tip, 6)
        shape = np.maximum(shape, pad.lines([(spike, np.linspace(0.5 * r, 0.4, 6))]))
    bump = dome((shape * 255).astype(np.uint8), 0.4 * r) * np.float32(0.5 * r)
    return Mark(
        pad.x, pad.y, shape, spot.colour * np.float32(1.08), bump, gloss=0.5, outside=True, strengths=_WHOLE
    )


MARKS: dict[str, Callable[[Spot], Mark]] = {
    "scratch": scratch,
    "crack": crack,
    "dent": dent,
    "stain": stain,
    "hole": hole,
    "contamination": contamination,
    "discolouration": discolouration,
    "fibre": fibre,
    "cut": cut,
    "chip": chip,
    "burr": burr,
}


def lay(canvas: Canvas, mark: Mark, strength: float) -> tuple[slice, slice] | None:
    """Lay a mark on a canvas, in place; returns the rectangle that it touches, None outside the frame."""
    n = canvas.view.size
    h, w = mark.cover.shape
    x0, y0, x1, y1 = max(0, mark.x), max(0, mark.y), min(n, mark.x + w), min(n, mark.y + h)
    if x0 >= x1 or y0 >= y1:
        return None
    cut_ = (slice(y0, y1), slice(x0, x1))
    own = (slice(y0 - mark.y, y1 - mark.y), slice(x0 - mark.x, x1 - mark.x))
    inside = canvas.body[cut_].astype(np.float32) * np.float32(1 / 255)
    if mark.outside:
        inside = 1.0 - inside
    cover = mark.cover[own] * inside * np.float32(min(1.0, strength))
    colour = canvas.ground[:, *cut_] if mark.colour is None else mark.colour[:, None, None]
    canvas.albedo[:, *cut_] += cover * (colour - canvas.albedo[:, *cut_])
    if mark.colour is None:
        canvas.height[cut_] *= 1.0 - cover
    canvas.height[cut_] += mark.height[own] * inside * np.float32(strength / canvas.view.scale)
    canvas.gloss[cut_] += cover * (np.float32(mark.gloss) - canvas.gloss[cut_])
    return cut_
