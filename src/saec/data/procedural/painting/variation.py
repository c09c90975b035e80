"""Benign variation: what differs from frame to frame on a real line and is no defect.

Every product varies a little already: place, turn, lamp, noise, a few faint specks. This is what comes on
top when a line is kept less well: light that drifts, falls off and is shaded, dust, parts that lie askew, a
lens out of focus. Goods and defects draw it alike, from the frame's seed alone, so that it tells nothing of
the label. An amount of 0 changes nothing at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saec.data.procedural.painting.noise import Field, f32

TURN = 0.05
"""At an amount of 1 a part is turned by up to this many radians more,"""
SHIFT = 0.04
"""moved by up to this share of half the frame more,"""
SWING = 0.3
"""its lamp stands elsewhere by up to this many radians,"""
EXPOSURE = (0.7, 1.2)
"""the light is this many times as strong,"""
SLOPE = 0.25
"""brighter at one border of the frame and darker at the other by up to this share,"""
SHADE = 0.4
"""every second frame has a soft shadow at one border that takes up to this share of the light,"""
DEFOCUS = 1.0
"""the lens blurs by up to this many pixels (sigma) more in a frame of 224,"""
SPECKS = 24
"""and there are up to this many specks of dust more,"""
SPECK_RADIUS = 0.009
"""each at most this share of the frame's side in radius,"""
SPECK_LEVELS = 45.0
"""and at most this many grey levels brighter or darker than what it lies on."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A straight, soft border behind which there is less light.

    Attributes:
        angle: direction in which it gets darker, radians.
        start: where half of the shadow is reached along it, in half frames from the centre.
        softness: half the width of the border, in half frames.
        depth: share of the light that it takes.
    """

    angle: float
    start: float
    softness: float
    depth: float

    def field(self, u: Field, v: Field) -> Field:
        """H x W share of the light that is left; ``u``, ``v`` are -1..1 over the frame."""
        along = u * math.cos(self.angle) + v * math.sin(self.angle)
        t = np.clip(0.5 + 0.5 * (along - self.start) / self.softness, 0.0, 1.0)
        return f32(1.0 - self.depth * t * t * (3.0 - 2.0 * t))


@dataclass(frozen=True, slots=True)
class Variation:
    """The departures of one frame.

    Attributes:
        turn: radians.
        x, y: shares of half the frame.
        swing: the swing of the lamp, radians.
        exposure: factor of the light.
        slope: change of the light from the centre to the right and to the lower border, as shares.
        shadow: or None.
        defocus: pixels (sigma) in a frame of 224.
        specks: how many.
        levels: the grey levels of the strongest speck possible.
    """

    turn: float
    x: float
    y: float
    swing: float
    exposure: float
    slope: tuple[float, float]
    shadow: Shadow | None
    defocus: float
    specks: int
    levels: float

    @classmethod
    def draw(cls, amount: float, rng: np.random.Generator) -> Variation:
        """What a frame's randomness makes of an amount from 0 to 1.

        The draws are the same for every amount, so that a larger one goes further the same way.
        """
        turn, x, y, swing = amount * rng.uniform(-1, 1, 4) * (TURN, SHIFT, SHIFT, SWING)
        exposure = float(rng.uniform(*EXPOSURE)) ** amount
        way, slope = rng.uniform(0, 2 * math.pi), amount * SLOPE * rng.uniform(0, 1)
        shadow = Shadow(
            angle=rng.uniform(0, 2 * math.pi),
            start=rng.uniform(-0.2, 0.8),
            softness=rng.uniform(0.05, 0.4),
            depth=amount * SHADE * rng.uniform(0.4, 1.0),
        )
        shaded = rng.random() < 0.5
        return cls(
            turn=float(turn),
            x=float(x),
            y=float(y),
            swing=float(swing),
            exposure=exposure,
            slope=(slope * math.cos(way), slope * math.sin(way)),
            shadow=shadow if shaded else None,
            defocus=amount * DEFOCUS * rng.uniform(0, 1) ** 2,
            specks=round(amount * SPECKS * rng.uniform(0, 1)),
            levels=amount * SPECK_LEVELS,
        )

    def light(self, size: int) -> Field:
        """H x W factor of the light over a frame."""
        t = np.linspace(-1.0, 1.0, size, dtype=np.float32)
        u, v = t[None, :], t[:, None]
        field = f32(1.0 + self.slope[0] * u + self.slope[1] * v) * np.float32(self.exposure)
        return field if self.shadow is None else field * self.shadow.field(u, v)
