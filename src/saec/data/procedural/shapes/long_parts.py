"""Long objects and things with pins: bolts, capsules, cables, zips, connectors."""

from __future__ import annotations

import math

import numpy as np

from saec.data.procedural.painting.canvas import Canvas, Points
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
from saec.data.procedural.painting.noise import f32
from saec.data.procedural.shapes.boards import boxes, tagged
from saec.data.procedural.shapes.glyphs import text, write
from saec.data.procedural.shapes.round_parts import belt, circle, lathe_colour

_METAL = ("scratch", "dent", "stain", "contamination", "discolouration", "fibre", "chip", "burr")


def bolt(rng: np.random.Generator) -> Design:
    """A bolt or screw from the side, at any angle."""
    colour, ground = metal(rng), backdrop(rng)
    radius, length, pitch = rng.uniform(0.16, 0.24), rng.uniform(1.5, 1.72), rng.uniform(0.075, 0.11)
    head_w, head_h, point = rng.uniform(2.2, 2.8) * radius, rng.uniform(0.2, 0.3), rng.uniform(0.0, 0.25)
    smooth, tip = rng.uniform(0.1, 0.45), 0.5 * length
    slotted = bool(rng.random() < 0.5)
    head = [
        (-tip, -0.7 * head_w / 2),
        (-tip + 0.04, -head_w / 2),
        (-tip + head_h, -head_w / 2),
        (-tip + head_h, head_w / 2),
        (-tip + 0.04, head_w / 2),
        (-tip, 0.7 * head_w / 2),
    ]
    shaft = _thread_outline(-tip + head_h - 0.02, tip, radius, pitch, smooth, point)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        body = c.polygon(shaft)
        both = np.maximum(body, c.polygon(head))
        c.shadow(both, reach=0.08)
        u, v = c.grid()
        rough = c.noise("fine", 4.0)
        threaded = np.clip((u - (smooth - tip + head_h)) / 0.02, 0, 1)
        wave = (u / pitch + 0.25 * v / radius) % 1.0
        relief = f32(threaded * 0.35 * pitch * np.abs(2 * wave - 1) + 0.0008 * rough)
        steel = tinted(colour, 1 + 0.03 * rough)
        c.stamp(body, steel, rise=0.9 * radius, bevel=radius, relief=relief, gloss=0.5)
        c.stamp(c.polygon(head), steel, rise=0.12, bevel=0.09, gloss=0.5)
        facets = (
            [(-tip + 0.02, -0.2 * head_w), (-tip + head_h, -0.2 * head_w)],
            [(-tip + 0.02, 0.2 * head_w), (-tip + head_h, 0.2 * head_w)],
        )
        for line in facets if not slotted else ():
            c.stamp(c.stroke(line, 0.012), tone(colour, 0.6), rise=-0.01, gloss=0.2)
        if slotted:
            c.stamp(
                c.stroke([(-tip - 0.01, 0.0), (-tip + 0.07, 0.0)], 0.05),
                tone(colour, 0.35),
                rise=-0.05,
                gloss=0.0,
            )

    return Design("bolt", paint, (*_METAL, "cut"), turn=math.pi, shift=0.08, zoom=(0.95, 1.05), gloss=5)


def _thread_outline(
    start: float, end: float, radius: float, pitch: float, smooth: float, point: float
) -> Points:
    """Outline of a threaded shaft along x: smooth first, then teeth, then a point."""
    x = np.arange(start, end, pitch / 8)
    teeth = 0.16 * radius * np.abs(2 * ((x / pitch) % 1.0) - 1) * (x > start + smooth)
    taper = np.clip((end - x) / max(point, 0.03), 0.0, 1.0) ** 0.8 if point > 0.1 else np.ones_like(x)
    r = (radius - teeth) * np.maximum(taper, 0.08)
    return np.vstack([np.column_stack([x, -r]), np.column_stack([x, r])[::-1]])


def capsule(rng: np.random.Generator) -> Design:
    """A two-coloured capsule with an imprint."""
    left, right = (hsv(rng.uniform(), rng.uniform(0.0, 0.85), rng.uniform(0.55, 0.97)) for _ in range(2))
    ground, r, half = backdrop(rng), rng.uniform(0.27, 0.36), rng.uniform(0.68, 0.8)
    ink = (0.1, 0.1, 0.12) if sum(left) > 1.2 else (0.92, 0.92, 0.9)
    letters = tuple(text(rng, -0.36 * half, 0.0, int(rng.integers(2, 4)), 0.22))
    t = np.linspace(-math.pi / 2, math.pi / 2, 24)
    arc = np.column_stack([half - r + r * np.cos(t), r * np.sin(t)])
    outline = np.vstack([arc, -arc])
    cap = np.vstack([arc * (1, 1.045), [(0.04, 1.045 * r), (0.04, -1.045 * r)]])

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        body = c.polygon(outline)
        c.shadow(np.maximum(body, c.polygon(cap)), reach=0.09)
        c.stamp(body, left, rise=0.85 * r, bevel=r, gloss=0.55)
        c.stamp(write(c, parts), ink)
        lid = c.polygon(cap)
        c.stamp(lid, right, rise=0.02, bevel=0.02, gloss=0.55)

    marks = ("scratch", "crack", "dent", "stain", "hole", "contamination", "discolouration", "fibre", "chip")
    changes = {"missing part": ("letter",), "misprint": ("letter",), "misplaced part": ("letter",)}
    return Design("capsule", paint, marks, letters, changes, turn=math.pi, shift=0.08, gloss=6)


def cable(rng: np.random.Generator) -> Design:
    """The cross-section of a cable: a sheath, insulated cores, copper strands."""
    sheath, ground = hsv(rng.uniform(), rng.uniform(0.0, 0.3), rng.uniform(0.2, 0.75)), backdrop(rng)
    n = int(rng.choice([3, 3, 4, 5]))
    ring, r = {3: (0.37, 0.3), 4: (0.42, 0.27), 5: (0.46, 0.245)}[n]
    hues = rng.permutation([0.0, 0.08, 0.16, 0.36, 0.6])[:n]
    tints = [hsv(float(h), rng.uniform(0.55, 0.9), rng.uniform(0.45, 0.85)) for h in hues]
    cores = tuple(Piece(x, y, 2 * r, 2 * r, t, "core", i) for i, (x, y, t) in enumerate(circle(n, ring, 0.4)))
    strands = [(0.0, 0.0, 0.0), *circle(6, 0.26 * r), *circle(12, 0.51 * r)]

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        grain = c.noise("fine", 4.0)
        jacket = c.disc(0, 0, 0.84)
        c.shadow(jacket)
        c.stamp(
            jacket,
            tinted(sheath, 1 + 0.05 * grain),
            rise=0.05,
            bevel=0.04,
            relief=f32(0.001 * grain),
            gloss=0.1,
        )
        c.stamp(
            c.disc(0, 0, 0.75),
            (0.5, 0.48, 0.44),
            rise=-0.03,
            bevel=0.02,
            relief=f32(0.003 * c.noise("fbm", 3.0)),
            gloss=0.0,
        )
        for p in parts:
            c.stamp(c.disc(p.x, p.y, 0.5 * p.w), tints[p.look], rise=0.05, bevel=0.03, gloss=0.12)
            c.stamp(c.disc(p.x, p.y, 0.35 * p.w), (0.2, 0.12, 0.08), rise=-0.02, gloss=0.0)
            wires = c.blank()
            for x, y, _ in strands:
                c.disc(
                    p.x + x * math.cos(p.angle) - y * math.sin(p.angle),
                    p.y + x * math.sin(p.angle) + y * math.cos(p.angle),
                    0.12 * r,
                    wires,
                )
            c.stamp(wires, (0.8, 0.5, 0.32), rise=0.03, bevel=0.1 * r, gloss=0.5)

    marks = ("scratch", "stain", "contamination", "discolouration", "fibre", "cut", "hole", "chip")
    changes = {"missing part": ("core",), "misplaced part": ("core",)}
    return Design("cable", paint, marks, cores, changes, turn=math.pi, shift=0.05)


def zipper(rng: np.random.Generator) -> Design:
    """A closed zip: two tapes of cloth, teeth that mesh."""
    tape, colour = hsv(rng.uniform(), rng.uniform(0.05, 0.7), rng.uniform(0.1, 0.6)), metal(rng)
    n, count, w = int(rng.integers(13, 19)), rng.uniform(16, 24), rng.uniform(0.3, 0.38)
    pitch = 2.3 / n
    teeth = tuple(
        Piece(side * 0.22 * w, -1.15 + (i + 0.5 + 0.25 * side) * pitch, w, 0.44 * pitch, 0.0, "tooth", side)
        for i in range(n)
        for side in (-1, 1)
    )

    def paint(c: Canvas, parts: Parts) -> None:
        u, v = c.grid()
        weave = np.sin((u + 0.6 * v) * count * 2) * np.sin((0.6 * u - v) * count * 2) + 0.4 * c.noise(
            "fine", 4.6
        )
        c.whole(tinted(tape, 0.9 + 0.1 * weave), f32(0.006 * weave), 0.03)
        seam = c.polygon([(-0.62 * w, -2), (0.62 * w, -2), (0.62 * w, 2), (-0.62 * w, 2)])
        c.stamp(seam, tone(tape, 0.6), rise=0.03, bevel=0.03, gloss=0.0)
        c.stamp(boxes(c, parts), colour, rise=0.06, bevel=0.035, gloss=0.6)

    marks = ("stain", "hole", "contamination", "discolouration", "fibre", "cut")
    changes = {"missing part": ("tooth",), "misplaced part": ("tooth",)}
    return Design("zip", paint, marks, teeth, changes, turn=0.06)


def connector(rng: np.random.Generator) -> Design:
    """A plug with a row of pins, some with two rows of latches."""
    shell, ground = hsv(rng.uniform(), rng.uniform(0.0, 0.75), rng.uniform(0.12, 0.9)), backdrop(rng)
    colour, n = (
        (tone((0.85, 0.72, 0.4), rng.uniform(0.85, 1.1)) if rng.random() < 0.5 else metal(rng)),
        int(rng.integers(5, 11)),
    )
    width, pin = 1.6, rng.uniform(0.45, 0.6)
    base = Piece(0.0, 0.38, width, 0.62)
    pins = tuple(
        Piece(-0.5 * width + (i + 0.5) * width / n, 0.07 - 0.5 * pin, 0.42 * width / n, pin, 0.0, "pin")
        for i in range(n)
    )
    wires = [(p.x, hsv(rng.uniform(), 0.7, rng.uniform(0.15, 0.8))) for p in pins]

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        lines = [c.stroke([(x, 0.6), (x, 1.6)], 0.6 * width / n) for x, _ in wires]
        metal_mask = c.blank()
        for p in parts:
            c.polygon(_pin(p), metal_mask)
        shell_mask = c.polygon(base.corners())
        c.shadow(np.maximum.reduce([metal_mask, shell_mask, *lines]), reach=0.06)
        for line, (_, tint) in zip(lines, wires, strict=True):
            c.stamp(line, tint, rise=0.08, bevel=0.3 * width / n, gloss=0.3)
        c.stamp(metal_mask, colour, rise=0.05, bevel=0.035, gloss=0.6)
        fine = c.noise("fine", 4.0)
        c.stamp(shell_mask, shell, rise=0.12, bevel=0.06, relief=f32(0.001 * fine), gloss=0.25)
        slots = c.blank()
        for x, _ in wires:
            c.polygon(Piece(x, 0.36, 0.4 * width / n, 0.3).corners(), slots)
        c.stamp(slots, tone(shell, 0.45), rise=-0.05, bevel=0.02, gloss=0.1)

    marks = ("scratch", "crack", "stain", "contamination", "discolouration", "fibre", "chip", "burr")
    changes = {"bent pin": ("pin",), "missing part": ("pin",)}
    return Design("connector", paint, marks, pins, changes, turn=0.08, shift=0.05)


def _pin(p: Piece) -> Points:
    """Outline of a pin that stands upwards from its foot and leans to its tip by ``bend``."""
    t = np.linspace(0, 1, 12)
    x, y = p.x + p.bend * t**1.6, p.y + p.h * (0.5 - t)
    w = 0.5 * p.w * np.where(t > 0.85, 1 - 3.5 * (t - 0.85), 1.0)
    return np.vstack([np.column_stack([x - w, y]), np.column_stack([x + w, y])[::-1]])


def chip_package(rng: np.random.Generator) -> Design:
    """An integrated circuit with legs on two sides and a printed name."""
    ground, body = backdrop(rng), tone((0.1, 0.1, 0.11), rng.uniform(0.7, 1.15))
    n, w, h = int(rng.integers(5, 10)), rng.uniform(1.3, 1.6), rng.uniform(0.5, 0.8)
    step = w / n
    legs = [
        Piece(-0.5 * w + (i + 0.5) * step, side * (0.5 * h + 0.16), 0.4 * step, 0.36, 0.0, "leg", side)
        for i in range(n)
        for side in (-1, 1)
    ]
    name = text(rng, 0.0, -0.1, int(rng.integers(5, 8)), 0.15) + text(
        rng, 0.05, 0.12, int(rng.integers(4, 7)), 0.11
    )
    package = Piece(0, 0, w, h)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        feet = c.blank()
        for p in tagged(parts, "leg"):
            c.polygon(_leg(p), feet)
        shell = c.polygon(package.corners())
        c.shadow(np.maximum(feet, shell), reach=0.07)
        c.stamp(feet, (0.74, 0.74, 0.75), rise=0.05, bevel=0.04, gloss=0.6)
        fine = c.noise("fine", 4.0)
        c.stamp(
            shell,
            tinted(body, 1 + 0.1 * fine),
            rise=0.12,
            bevel=0.08,
            relief=f32(0.001 * fine),
            gloss=0.12,
        )
        c.stamp(c.disc(-0.42 * w, 0.3 * h, 0.05), tone(body, 0.6), rise=-0.03, bevel=0.02, gloss=0.1)
        c.stamp(write(c, tagged(parts, "letter")), (0.78, 0.78, 0.76))

    marks = ("scratch", "crack", "stain", "contamination", "discolouration", "fibre", "chip", "burr")
    changes = {"bent pin": ("leg",), "missing part": ("leg", "letter"), "misprint": ("letter",)}
    return Design("chip package", paint, marks, tuple(legs + name), changes, turn=0.3, shift=0.06)


def _leg(p: Piece) -> Points:
    """A leg away from the body: wide at the shoulder, narrow at the foot; ``look`` is its side."""
    t = np.linspace(0, 1, 10)
    x, y = p.x + p.bend * t**1.5, p.y + p.look * p.h * (t - 0.5)
    w = 0.5 * p.w * np.where(t < 0.4, 1.25, 0.75)
    return np.vstack([np.column_stack([x - w, y]), np.column_stack([x + w, y])[::-1]])


def nut(rng: np.random.Generator) -> Design:
    """A hexagon nut with a chamfer and a threaded bore."""
    colour, ground = metal(rng), backdrop(rng)
    flats, bore = rng.uniform(0.66, 0.8), rng.uniform(0.34, 0.42)
    corner, flange = flats / math.cos(math.pi / 6), bool(rng.random() < 0.35)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        face = lathe_colour(c, colour, 0.04)
        hexagon = c.polygon([(x, y) for x, y, _ in circle(6, corner)])
        hole = c.disc(0, 0, bore)
        outer = np.minimum(c.disc(0, 0, 0.93) if flange else hexagon, 255 - hole)
        c.shadow(outer)
        if flange:
            c.stamp(outer, f32(face * np.float32(0.9)), rise=0.04, bevel=0.03, gloss=0.35)
        c.stamp(
            np.minimum(hexagon, 255 - hole), f32(face * np.float32(0.85)), rise=0.09, bevel=0.02, gloss=0.3
        )
        top = np.minimum(c.disc(0, 0, 0.98 * flats), 255 - c.disc(0, 0, 1.18 * bore))
        c.stamp(np.minimum(top, hexagon), face, rise=0.05, bevel=0.03, gloss=0.45)
        for k in (0.98, 0.9, 0.82):
            ring = np.minimum(c.disc(0, 0, k * bore), 255 - c.disc(0, 0, (k - 0.05) * bore))
            c.stamp(ring, tone(colour, 0.5), rise=0.02, bevel=0.015, gloss=0.3)

    return Design("nut", paint, (*_METAL, "crack"), turn=math.pi, shift=0.08, gloss=6)
