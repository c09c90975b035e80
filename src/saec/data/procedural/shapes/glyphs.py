"""Strokes of a few letters and digits, for pseudo text: anything printed, engraved or moulded."""

from __future__ import annotations

import math

import numpy as np

from saec.data.procedural.painting.canvas import Canvas, Mask
from saec.data.procedural.painting.design import Parts, Piece

# Each glyph: polylines on a grid 2 wide and 4 high, as digits "xy" with y downwards.
_GLYPHS = (
    "04 10 24|03 23",
    "04 00 10 21 12 02|12 23 14 04",
    "20 00 04 24",
    "00 04 14 23 21 10 00",
    "20 00 04 24|02 12",
    "20 00 04|02 12",
    "00 04|20 24|02 22",
    "10 14",
    "20 23 14 03",
    "00 04|20 02 24",
    "00 04 24",
    "04 00 12 20 24",
    "04 00 24 20",
    "10 01 03 14 23 21 10",
    "04 00 20 22 02",
    "20 00 02 22 24 04",
    "00 20|10 14",
    "00 04 24 20",
    "00 14 20",
    "00 24|20 04",
    "00 20 04 24",
    "00 20 14",
    "20 02 24",
    "00 20 24 04 00|02 22",
)


def glyph_strokes(look: int) -> list[list[tuple[float, float]]]:
    """Polylines of a glyph in a box from (-1, -1) to (1, 1); any whole number is a glyph."""
    lines = _GLYPHS[look % len(_GLYPHS)].split("|")
    return [[(float(p[0]) - 1.0, 0.5 * float(p[1]) - 1.0) for p in line.split(" ")] for line in lines]


def write(c: Canvas, letters: Parts, weight: float = 0.2) -> Mask:
    """The mask of glyph parts by their box, angle and look; ``weight`` is the stroke over the box's width."""
    mask = c.blank()
    for p in letters:
        cs, sn = math.cos(p.angle), math.sin(p.angle)
        turn = 0.5 * np.array([[p.w * cs, p.w * sn], [-p.h * sn, p.h * cs]])
        for line in glyph_strokes(p.look):
            c.stroke(np.array(line) @ turn + (p.x, p.y), weight * p.w, mask)
    return mask


def text(
    rng: np.random.Generator,
    x: float,
    y: float,
    n: int,
    height: float,
    *,
    tag: str = "letter",
    gap: float = 0.85,
) -> list[Piece]:
    """A centred word of n random glyphs."""
    step = gap * height
    return [
        Piece(
            x + (i - 0.5 * (n - 1)) * step,
            y,
            0.58 * height,
            height,
            0.0,
            tag,
            int(rng.integers(len(_GLYPHS))),
        )
        for i in range(n)
    ]
