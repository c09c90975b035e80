"""Round objects, seen from above; most of them lie at any angle."""

from __future__ import annotations

import math

import numpy as np

from saec.data.procedural.painting.canvas import Canvas, Mask
from saec.data.procedural.painting.design import (
    Design,
    Parts,
    Piece,
    backdrop,
    hsv,
    metal,
    tinted,
    tone,
)
from saec.data.procedural.painting.noise import Field, f32

_METAL_MARKS = ("scratch", "dent", "stain", "contamination", "discolouration", "fibre", "chip", "burr")


def circle(n: int, radius: float, start: float = 0.0) -> list[tuple[float, float, float]]:
    """x, y and angle of n places on a circle."""
    return [
        (radius * math.cos(t), radius * math.sin(t), t)
        for t in (start + 2 * math.pi * i / n for i in range(n))
    ]


def belt(c: Canvas, colour: tuple[float, float, float], rough: float = 0.025) -> None:
    """Paint a table or belt with a little texture as the ground."""
    light = 1 + rough * (c.noise("fbm", 3.0) + c.noise("fine", 4.6))
    c.fill_ground(tinted(colour, light))


def lathe_colour(c: Canvas, base: tuple[float, float, float], depth: float = 0.05) -> Field:
    """3 x H x W colour of a face turned on a lathe: fine rings, two opposite highlights."""
    u, v = c.grid()
    r, t = np.hypot(u, v), np.arctan2(v, u)
    rings = np.interp(r * 220, np.arange(512), c.rng.standard_normal(512))
    shine = np.cos(2 * (t - 0.7)) * np.clip(r * 3, 0, 1)
    light = 0.88 + depth * rings + 0.13 * shine
    return tinted(base, light)


def gear(rng: np.random.Generator) -> Design:
    """A spur gear with a hub, a keyway and holes in its web."""
    colour, ground = metal(rng), backdrop(rng)
    n, root = int(rng.integers(12, 27)), rng.uniform(0.52, 0.62)
    tooth, width = rng.uniform(0.1, 0.15), 2 * math.pi * root / n * rng.uniform(0.5, 0.62)
    holes, hub = int(rng.choice([0, 3, 4, 5, 6])), rng.uniform(0.14, 0.2)
    teeth = tuple(Piece(x, y, tooth * 1.3, width, t, "tooth") for x, y, t in circle(n, root + 0.38 * tooth))
    bores = (
        tuple(Piece(x, y, 0.15, 0.15, t, "bore") for x, y, t in circle(holes, 0.5 * (root + hub), 0.3))
        if holes
        else ()
    )

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        face = lathe_colour(c, colour)
        outline = c.disc(0, 0, root)
        for p in (p for p in parts if p.tag == "tooth"):
            _tooth(c, p, outline)
        bore = c.disc(0, 0, 0.6 * hub)
        c.polygon(
            [
                (0.4 * hub, -0.13 * hub),
                (0.9 * hub, -0.13 * hub),
                (0.9 * hub, 0.13 * hub),
                (0.4 * hub, 0.13 * hub),
            ],
            bore,
        )
        for p in (p for p in parts if p.tag == "bore"):
            c.disc(p.x, p.y, 0.5 * p.w, bore)
        solid = np.minimum(outline, 255 - bore)
        c.shadow(solid)
        c.stamp(solid, face, rise=0.05, bevel=0.03, gloss=0.3)
        recess = np.minimum(np.minimum(c.disc(0, 0, root * 0.86), 255 - c.disc(0, 0, 1.35 * hub)), solid)
        c.stamp(recess, face * np.float32(0.82), rise=-0.04, bevel=0.03, gloss=0.2)

    changes = {"missing part": ("tooth",)} | ({"misplaced part": ("bore",)} if holes else {})
    return Design("gear", paint, _METAL_MARKS, teeth + bores, changes, turn=math.pi, shift=0.06, gloss=6)


def _tooth(c: Canvas, p: Piece, mask: Mask) -> None:
    u, v = math.cos(p.angle), math.sin(p.angle)
    shape = ((-0.5, 0.62), (0.2, 0.5), (0.5, 0.27), (0.5, -0.27), (0.2, -0.5), (-0.5, -0.62))
    c.polygon([(p.x + a * p.w * u - b * p.h * v, p.y + a * p.w * v + b * p.h * u) for a, b in shape], mask)


def bottle_mouth(rng: np.random.Generator) -> Design:
    """The mouth of a glass bottle, lit from below: concentric bright and dark rings."""
    glass = hsv(
        float(rng.choice([0.06, 0.09, 0.3, 0.4, 0.55])), rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.6)
    )
    ground = tone((1.0, 1.0, 1.0), rng.uniform(0.8, 0.95))
    outer, rings = rng.uniform(0.78, 0.88), int(rng.integers(3, 6))
    radii = np.sort(rng.uniform(0.45, 0.97, rings))[::-1] * outer
    shades, inner = rng.uniform(0.35, 1.5, rings), rng.uniform(0.38, 0.45) * outer

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground, 0.008)
        u, v = c.grid()
        swirl = 1 + 0.06 * c.noise("cloud", 3.0) + 0.1 * np.cos(np.arctan2(v, u) * 2 + 0.6)
        base = tinted(glass, swirl)
        disc = c.disc(0, 0, outer)
        c.shadow(disc, strength=0.25)
        c.stamp(disc, base * np.float32(0.55), rise=0.06, bevel=0.06, gloss=0.5)
        for r, k in zip(radii, shades, strict=True):
            c.stamp(
                c.disc(0, 0, float(r)),
                f32(np.minimum(base * np.float32(k), 1.0)),
                rise=0.02,
                bevel=0.03,
                gloss=0.6,
            )
        c.stamp(c.disc(0, 0, inner), base * np.float32(0.22), rise=-0.08, bevel=0.05, gloss=0.1)
        c.stamp(c.disc(0, 0, 0.8 * inner), base * np.float32(0.1), gloss=0.0)

    kinds = ("chip", "crack", "contamination", "scratch", "stain", "discolouration", "fibre")
    return Design("bottle mouth", paint, kinds, turn=math.pi, gloss=5)


def bearing(rng: np.random.Generator) -> Design:
    """A ball bearing: two races, a cage, balls."""
    colour, ground = tone(metal(rng), 1.1), backdrop(rng)
    n, track, ball = int(rng.integers(7, 13)), 0.53, rng.uniform(0.1, 0.125)
    cage = tone(metal(rng), 0.8)
    balls = tuple(Piece(x, y, 2 * ball, 2 * ball, t, "ball") for x, y, t in circle(n, track))

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        face = lathe_colour(c, colour, 0.03)
        ring = np.minimum(c.disc(0, 0, 0.86), 255 - c.disc(0, 0, 0.24))
        c.shadow(ring)
        c.stamp(ring, face * np.float32(0.25), rise=0.01, gloss=0.0)
        c.stamp(
            np.minimum(c.disc(0, 0, track + 0.05), 255 - c.disc(0, 0, track - 0.05)),
            cage,
            rise=0.02,
            bevel=0.02,
            gloss=0.2,
        )
        races = np.maximum(
            np.minimum(c.disc(0, 0, 0.86), 255 - c.disc(0, 0, 0.66)),
            np.minimum(c.disc(0, 0, 0.4), 255 - c.disc(0, 0, 0.24)),
        )
        c.stamp(races, face, rise=0.06, bevel=0.04, gloss=0.4)
        spheres = c.blank()
        for p in parts:
            c.disc(p.x, p.y, 0.5 * p.w, spheres)
        c.stamp(spheres, tone(colour, 0.85), rise=0.9 * ball, bevel=0.95 * ball, gloss=0.9)

    kinds = ("scratch", "stain", "contamination", "discolouration", "fibre", "chip", "dent")
    changes = {"missing part": ("ball",), "misplaced part": ("ball",)}
    return Design("ball bearing", paint, kinds, balls, changes, turn=math.pi, shift=0.06, gloss=6)


def cookie(rng: np.random.Generator) -> Design:
    """A baked biscuit with chocolate chips."""
    dough, ground = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.45, 0.6), rng.uniform(0.6, 0.85)), backdrop(rng)
    spread = rng.uniform(0.68, 0.82)
    spots = [
        (r * math.cos(t), r * math.sin(t))
        for r, t in zip(spread * np.sqrt(rng.uniform(0, 0.75, 16)), rng.uniform(0, 6.3, 16), strict=True)
    ]
    apart = [p for i, p in enumerate(spots) if all(math.dist(p, q) > 0.22 for q in spots[:i])]
    chips = tuple(
        Piece(x, y, d, d, rng.uniform(0, 3), "chocolate chip")
        for (x, y), d in zip(apart, rng.uniform(0.12, 0.2, 16), strict=False)
    )

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        t = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        r = spread * (
            1 + 0.012 * np.sin(5 * t + c.rng.uniform(0, 6)) + 0.012 * np.sin(9 * t + c.rng.uniform(0, 6))
        )
        disc = c.polygon(np.column_stack([r * np.cos(t), r * np.sin(t)]))
        c.shadow(disc)
        u, v = c.grid()
        bake = np.clip((np.hypot(u, v) / spread - 0.6) / 0.4, 0, 1)
        crumb, hills = c.noise("fbm", 2.2), c.noise("cell-edge", 2.6) / 8.0
        light = 1 + 0.07 * crumb - 0.25 * bake * bake
        c.stamp(
            disc,
            tinted(dough, light),
            rise=0.1,
            bevel=0.22,
            relief=0.012 * crumb + 0.012 * hills,
            gloss=0.03,
        )
        for p in parts:
            c.stamp(c.polygon(_pebble(p)), (0.2, 0.11, 0.07), rise=0.05, bevel=0.06, gloss=0.25)

    kinds = ("chip", "crack", "hole", "contamination", "discolouration", "fibre", "stain")
    changes = {"missing part": ("chocolate chip",)}
    return Design("cookie", paint, kinds, chips, changes, turn=math.pi, shift=0.08)


def _pebble(p: Piece) -> list[tuple[float, float]]:
    t = np.linspace(0, 2 * math.pi, 20, endpoint=False)
    r = 0.5 * p.w * (1 + 0.15 * np.cos(2 * t + 3 * p.angle) + 0.08 * np.cos(3 * t + 5 * p.angle))
    return list(zip((p.x + r * np.cos(t)).tolist(), (p.y + r * np.sin(t)).tolist(), strict=True))
