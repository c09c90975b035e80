"""What a family draws: a design, the fixed properties of one product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.canvas import Canvas, Colour
from saec.data.procedural.painting.noise import Field, f32

SURFACE = ("scratch", "crack", "dent", "stain", "hole", "contamination", "discolouration", "fibre", "cut")
"""Kinds that are laid on the material of a product, anywhere on its body."""
RIM = ("chip", "burr")
"""Kinds that sit at a product's outline: a piece broken off, a piece too much."""
STRUCTURAL = ("missing part", "misplaced part", "misprint", "bent pin")
"""Kinds that are another arrangement of a product's parts."""
KINDS = SURFACE + RIM + STRUCTURAL
EXTRA_KINDS = ("extra part", "asymmetry")
"""Structural kinds that are drawn only when they are named: no data set has them by default."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One countable piece of a product: a tooth, a pin, a letter.

    Attributes:
        x, y: its centre in product coordinates.
        w, h: its width and height (for round parts: both the diameter).
        angle: radians.
        tag: what it is, in words that a description can use: "tooth".
        look: which of a family's looks it has (glyph, colour); a whole number.
        bend: how far a pin leans, product units.
    """

    x: float
    y: float
    w: float
    h: float
    angle: float = 0.0
    tag: str = "part"
    look: int = 0
    bend: float = 0.0

    def corners(self, grow: float = 0.0) -> list[tuple[float, float]]:
        """The four corners of its rectangle, grown by ``grow`` on each side."""
        a, b = 0.5 * self.w + grow, 0.5 * self.h + grow
        c, s = math.cos(self.angle), math.sin(self.angle)
        return [
            (self.x + c * u - s * v, self.y + s * u + c * v) for u, v in ((-a, -b), (a, -b), (a, b), (-a, b))
        ]


Parts = Sequence[Piece]
Painter = Callable[[Canvas, Parts], None]


@dataclass(frozen=True, slots=True)
class Design:
    """One product of a family.

    Attributes:
        noun: what to call it.
        paint: paints a canvas from the parts it is given.
        marks: surface and rim kinds that make sense on it.
        parts: its pieces, in painting order.
        changes: structural kind -> tags of the parts that it may befall.
        turn: frames are rotated by up to this many radians either way; pi is any angle.
        shift: largest move, as a share of half the frame.
        zoom: range of magnification over frames.
        gloss: highlight's exponent is 2 ** gloss.
    """

    noun: str
    paint: Painter
    marks: tuple[str, ...]
    parts: tuple[Piece, ...] = ()
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    turn: float = 0.04
    shift: float = 0.03
    zoom: tuple[float, float] = (0.97, 1.03)
    gloss: int = 5

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of defect that this product can have."""
        return tuple(k for k in KINDS if k in self.marks or k in self.changes)

    @property
    def extra_kinds(self) -> tuple[str, ...]:
        """Those of ``EXTRA_KINDS`` that it can have when they are named."""
        return tuple(k for k in EXTRA_KINDS if self.befalls(k))

    def befalls(self, kind: str) -> tuple[str, ...]:
        """Tags of the parts that a structural kind may befall; none for a mark.

        What can be missing can be there once too often; what can be misplaced or bent has a size.
        """
        if kind not in EXTRA_KINDS:
            return tuple(self.changes.get(kind, ()))
        like = ("missing part",) if kind == "extra part" else ("misplaced part", "bent pin")
        return tuple(dict.fromkeys(tag for k in like for tag in self.changes.get(k, ())))


def hsv(h: float, s: float, v: float) -> Colour:
    """RGB of hue (turns), saturation and value (Smith 1978)."""
    r, g, b = (
        v - v * s * max(0.0, min(1.0, min(k, 4.0 - k))) for k in ((n + 6.0 * h) % 6.0 for n in (5, 3, 1))
    )
    return r, g, b


def tone(colour: Colour, factor: float) -> Colour:
    """A colour made darker (below 1) or lighter (above 1, towards white)."""
    if factor <= 1.0:
        return colour[0] * factor, colour[1] * factor, colour[2] * factor
    k = min(1.0, factor - 1.0)
    return tuple(c + k * (1.0 - c) for c in colour)  # type: ignore[return-value]


def metal(rng: np.random.Generator) -> Colour:
    """The colour of a steel, brass, copper, or dark or anodised metal."""
    looks: tuple[Colour, ...] = (
        (0.62, 0.63, 0.65),
        (0.70, 0.70, 0.69),
        (0.50, 0.53, 0.57),
        (0.74, 0.62, 0.36),
        (0.72, 0.47, 0.34),
        (0.36, 0.37, 0.39),
    )
    return tone(looks[int(rng.integers(len(looks)))], rng.uniform(0.85, 1.12))


def backdrop(rng: np.random.Generator) -> Colour:
    """The colour of a table or belt: mostly grey, dark or light, sometimes blue or green."""
    if rng.random() < 0.65:
        v = float(rng.choice([rng.uniform(0.06, 0.22), rng.uniform(0.35, 0.55), rng.uniform(0.75, 0.92)]))
        return v * rng.uniform(0.96, 1.0), v, v * rng.uniform(0.98, 1.05)
    return hsv(
        float(rng.choice([0.33, 0.55, 0.6, 0.08])) + rng.uniform(-0.03, 0.03),
        rng.uniform(0.2, 0.55),
        rng.uniform(0.2, 0.65),
    )


def grid_points(nx: int, ny: int, width: float, height: float) -> list[tuple[float, float]]:
    """Centres of nx x ny cells of a width x height rectangle around the origin, row by row."""
    xs = (np.arange(nx) + 0.5) / nx * width - 0.5 * width
    ys = (np.arange(ny) + 0.5) / ny * height - 0.5 * height
    return [(float(x), float(y)) for y in ys for x in xs]


def mix(a: Colour, b: Colour, t: Field) -> Field:
    """3 x H x W between two colours by an H x W share."""
    ca, cb = (np.array(v, np.float32)[:, None, None] for v in (a, b))
    return f32(t * (cb - ca) + ca)


def tinted(colour: Colour, light: NDArray[Any]) -> Field:
    """3 x H x W: a colour made lighter and darker by an H x W factor."""
    return np.array(colour, np.float32)[:, None, None] * f32(light)
