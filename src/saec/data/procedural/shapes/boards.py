"""Flat assemblies: boards, labels, arrays of like parts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from saec.data.procedural.painting.canvas import Canvas, Mask
from saec.data.procedural.painting.design import (
    Design,
    Parts,
    Piece,
    backdrop,
    grid_points,
    hsv,
    metal,
    tinted,
    tone,
)
from saec.data.procedural.painting.noise import f32
from saec.data.procedural.shapes.glyphs import text, write
from saec.data.procedural.shapes.round_parts import belt


def tagged(parts: Parts, *tags: str) -> list[Piece]:
    """The parts with one of the tags."""
    return [p for p in parts if p.tag in tags]


def boxes(c: Canvas, parts: Parts, grow: float = 0.0, mask: Mask | None = None) -> Mask:
    """The mask of the parts' rectangles."""
    mask = c.blank() if mask is None else mask
    for p in parts:
        c.polygon(p.corners(grow), mask)
    return mask


def discs(c: Canvas, parts: Parts, factor: float = 1.0, mask: Mask | None = None) -> Mask:
    """The mask of round parts, their diameter times a factor."""
    mask = c.blank() if mask is None else mask
    for p in parts:
        c.disc(p.x, p.y, 0.5 * factor * p.w, mask)
    return mask


def circuit_board(rng: np.random.Generator) -> Design:
    """A circuit board: traces, vias, chips with legs, resistors, capacitors, printed names."""
    mask_colour = hsv(
        float(rng.choice([0.36, 0.4, 0.6, 0.0, 0.75])), rng.uniform(0.6, 0.85), rng.uniform(0.2, 0.42)
    )
    ground, nx, ny = backdrop(rng), int(rng.integers(3, 5)), int(rng.integers(3, 5))
    w, h = rng.uniform(1.5, 1.75), rng.uniform(1.3, 1.65)
    cells = grid_points(nx, ny, 0.94 * w, 0.94 * h)
    kinds = rng.choice(["chip", "resistor", "resistor", "capacitor"], len(cells))
    kinds[rng.integers(len(cells), size=2)] = "chip"
    parts = [
        p
        for (x, y), k in zip(cells, kinds, strict=True)
        for p in _component(rng, str(k), x, y, w / nx, h / ny)
    ]
    traces = [_trace(rng, cells) for _ in range(16)]
    vias = rng.uniform(-0.47, 0.47, (24, 2)) * (w, h)
    plate = Piece(0, 0, w, h)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        board = c.polygon(plate.corners())
        c.shadow(board)
        c.stamp(
            board,
            tinted(mask_colour, 1 + 0.04 * c.noise("fine", 4.6)),
            rise=0.03,
            bevel=0.02,
            gloss=0.2,
        )
        copper = c.blank()
        for line in traces:
            c.stroke(line, 0.022, copper)
        for x, y in vias:
            c.disc(x, y, 0.024, copper)
        c.stamp(np.minimum(copper, board), tone(mask_colour, 1.25), rise=0.004, gloss=0.25)
        pads = boxes(c, plan, 0.012)
        c.stamp(pads, (0.78, 0.68, 0.4), rise=0.004, gloss=0.5)
        _assemble(c, parts)

    plan = [leg for p in parts for leg in _legs(p)]
    changes = {
        "missing part": ("chip", "resistor", "capacitor"),
        "misplaced part": ("chip", "resistor", "capacitor"),
        "misprint": ("letter",),
    }
    marks = ("scratch", "stain", "contamination", "discolouration", "fibre", "chip", "crack")
    return Design("circuit board", paint, marks, tuple(parts), changes, turn=0.05, shift=0.04)


def _component(rng: np.random.Generator, kind: str, x: float, y: float, w: float, h: float) -> list[Piece]:
    turn = float(rng.choice([0.0, math.pi / 2]))
    name = text(rng, x, y - 0.38 * h, 2, 0.1)
    if kind == "chip":
        return [
            Piece(x, y + 0.03, rng.uniform(0.48, 0.62) * w, rng.uniform(0.42, 0.55) * h, 0.0, "chip"),
            *name,
        ]
    if kind == "resistor":
        return [
            Piece(x + d, y + 0.03, 0.2, 0.1, turn, "resistor", int(rng.integers(3)))
            for d in (-0.2 * w, 0.2 * w)
        ] + name
    return [Piece(x, y + 0.03, 0.24, 0.24, 0.0, "capacitor")]


def _trace(rng: np.random.Generator, cells: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A copper line from cell to cell with a slant of 45 degrees in it."""
    (ax, ay), (bx, by) = (cells[int(i)] for i in rng.integers(len(cells), size=2))
    d = rng.uniform(-0.15, 0.15)
    k = min(abs(bx - ax), abs(by - ay))
    mid = (ax + math.copysign(k, bx - ax), ay + math.copysign(k, by - ay))
    return [(ax + d, ay + d), (mid[0] + d, mid[1] + d), (bx + d + 1e-3, by + d)]


def _legs(p: Piece) -> list[Piece]:
    """Metal ends of a component, in its own frame turned with it."""
    c, s = math.cos(p.angle), math.sin(p.angle)

    def at(u: float, v: float, w: float, h: float) -> Piece:
        return Piece(p.x + c * u - s * v, p.y + s * u + c * v, w, h, p.angle, "leg")

    if p.tag == "chip":
        n = max(3, round(p.w / 0.075))
        return [
            at((i + 0.5) / n * p.w - 0.5 * p.w, d * (0.5 * p.h + 0.025), 0.03, 0.06)
            for i in range(n)
            for d in (-1, 1)
        ]
    if p.tag == "resistor":
        return [at(d * 0.4 * p.w, 0, 0.22 * p.w, p.h) for d in (-1, 1)]
    return []


def _assemble(c: Canvas, parts: Parts) -> None:
    c.stamp(
        boxes(c, [leg for p in tagged(parts, "chip") for leg in _legs(p)]),
        (0.75, 0.75, 0.76),
        rise=0.02,
        bevel=0.015,
        gloss=0.6,
    )
    small = tagged(parts, "resistor")
    c.stamp(boxes(c, small), (0.12, 0.11, 0.1), rise=0.03, bevel=0.012, gloss=0.2)
    c.stamp(boxes(c, [leg for p in small for leg in _legs(p)]), (0.78, 0.78, 0.77), rise=0.005, gloss=0.6)
    c.stamp(boxes(c, tagged(parts, "chip")), (0.09, 0.09, 0.1), rise=0.05, bevel=0.025, gloss=0.15)
    for p in tagged(parts, "chip"):
        dot = (p.x - 0.38 * p.w * math.cos(p.angle), p.y - 0.38 * p.w * math.sin(p.angle))
        c.stamp(c.disc(*dot, 0.022), (0.3, 0.3, 0.3))
    c.stamp(discs(c, tagged(parts, "capacitor")), (0.7, 0.71, 0.72), rise=0.09, bevel=0.05, gloss=0.5)
    c.stamp(discs(c, tagged(parts, "capacitor"), 0.7), (0.62, 0.63, 0.65), rise=-0.01, bevel=0.01, gloss=0.5)
    c.stamp(write(c, tagged(parts, "letter")), (0.9, 0.9, 0.86))


def label(rng: np.random.Generator) -> Design:
    """A printed label: a coloured band with a name, lines of text, a bar code."""
    paper, ink = (
        tone((0.96, 0.95, 0.92), rng.uniform(0.9, 1.0)),
        hsv(rng.uniform(), rng.uniform(0.1, 0.8), rng.uniform(0.08, 0.3)),
    )
    band, ground = hsv(rng.uniform(), rng.uniform(0.6, 0.9), rng.uniform(0.4, 0.8)), backdrop(rng)
    w, h = 1.64, rng.uniform(1.15, 1.6)
    top = -0.5 * h
    parts = text(rng, 0.0, top + 0.19, int(rng.integers(4, 7)), 0.22, tag="headline letter")
    for row in range(3 if h > 1.4 else 2):
        parts += text(rng, rng.uniform(-0.1, 0.1), top + 0.5 + 0.19 * row, int(rng.integers(8, 13)), 0.12)
    bars = np.cumsum(rng.choice([0.016, 0.024, 0.036, 0.05], 40))
    bars = bars[bars < 0.62 * w]
    parts += [Piece(x - 0.31 * w, 0.5 * h - 0.17, 0.014, 0.2, 0.0, "bar") for x in bars]
    sheet, strip = Piece(0, 0, w, h), Piece(0, top + 0.19, w, 0.34)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        edge = c.polygon(sheet.corners())
        c.shadow(edge, reach=0.03, strength=0.3)
        grain = 1 + 0.012 * c.noise("fbm", 4.6)
        c.stamp(edge, tinted(paper, grain), rise=0.008, bevel=0.01, gloss=0.06)
        c.stamp(c.polygon(strip.corners()), tinted(band, grain), gloss=0.1)
        c.stamp(write(c, tagged(parts, "headline letter")), (0.97, 0.97, 0.95), gloss=0.1)
        c.stamp(
            np.maximum(write(c, tagged(parts, "letter")), boxes(c, tagged(parts, "bar"))), ink, gloss=0.05
        )

    marks = ("scratch", "stain", "hole", "contamination", "discolouration", "fibre", "cut", "chip")
    printed = ("letter", "headline letter")
    changes = {"missing part": printed, "misplaced part": printed, "misprint": printed}
    return Design("printed label", paint, marks, tuple(parts), changes, turn=0.06, shift=0.05)


def blister_pack(rng: np.random.Generator) -> Design:
    """Tablets in the pockets of a foil."""
    foil, pill = (
        tone((0.7, 0.71, 0.73), rng.uniform(0.9, 1.15)),
        hsv(rng.uniform(), rng.uniform(0.0, 0.6), rng.uniform(0.75, 0.97)),
    )
    nx, ny, ground = int(rng.integers(3, 5)), int(rng.integers(3, 5)), backdrop(rng)
    d = 0.62 * min(1.6 / nx, 1.6 / ny)
    places = grid_points(nx, ny, 1.62, 1.62)
    pills = tuple(Piece(x, y, d, d, rng.uniform(0, 3.1), "tablet") for x, y in places)
    wells = [replace(p, w=1.28 * d) for p in pills]
    sheet, dimples = Piece(0, 0, 1.76, 1.76), rng.uniform(45, 60)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        edge = c.polygon(sheet.corners())
        c.shadow(edge)
        u, v = c.grid()
        emboss = np.sin(u * dimples) * np.sin(v * dimples) + 0.3 * c.noise("fbm", 3.0)
        c.stamp(edge, foil, rise=0.02, bevel=0.02, relief=f32(0.004 * emboss), gloss=0.5)
        c.stamp(discs(c, wells), tone(foil, 0.85), rise=0.07, bevel=0.04, gloss=0.7)
        for p in parts:
            c.stamp(c.disc(p.x, p.y, 0.5 * p.w), pill, rise=0.03, bevel=0.07, gloss=0.15)
            dx, dy = 0.42 * p.w * math.cos(p.angle), 0.42 * p.w * math.sin(p.angle)
            c.stamp(
                c.stroke([(p.x - dx, p.y - dy), (p.x, p.y), (p.x + dx, p.y + dy)], 0.022),
                tone(pill, 0.75),
                rise=-0.01,
            )

    marks = ("scratch", "stain", "hole", "contamination", "discolouration", "fibre", "dent", "cut")
    changes = {"missing part": ("tablet",), "misplaced part": ("tablet",)}
    return Design("blister pack", paint, marks, pills, changes, turn=0.08, shift=0.05, gloss=5)


def keypad(rng: np.random.Generator) -> Design:
    """A panel of moulded keys, each with a sign."""
    panel, key = (
        hsv(rng.uniform(), rng.uniform(0.0, 0.3), rng.uniform(0.12, 0.3)),
        hsv(rng.uniform(), rng.uniform(0.0, 0.35), rng.uniform(0.35, 0.85)),
    )
    sign = (0.08, 0.08, 0.09) if sum(key) > 1.5 else (0.93, 0.93, 0.9)
    nx, ny, ground = int(rng.integers(3, 5)), int(rng.integers(3, 5)), backdrop(rng)
    w, h = 1.56 / nx * 0.8, 1.56 / ny * 0.76
    places = grid_points(nx, ny, 1.56, 1.56)
    keys = tuple(Piece(x, y, w, h, 0.0, "key") for x, y in places)
    signs = tuple(
        Piece(x, y, 0.22 * w, 0.42 * h, 0.0, "sign", int(k))
        for (x, y), k in zip(places, rng.permutation(24), strict=False)
    )
    plate = Piece(0, 0, 1.74, 1.74)

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        edge = c.polygon(plate.corners())
        c.shadow(edge)
        fine = c.noise("fine", 4.0)
        c.stamp(
            edge,
            tinted(panel, 1 + 0.04 * fine),
            rise=0.05,
            bevel=0.05,
            relief=f32(0.0008 * fine),
            gloss=0.15,
        )
        c.stamp(boxes(c, keys, 0.025), tone(panel, 0.4), rise=-0.03, bevel=0.02, gloss=0.0)
        caps = boxes(c, tagged(parts, "key"))
        c.stamp(
            caps,
            tinted(key, 1 + 0.02 * fine),
            rise=0.08,
            bevel=0.07,
            gloss=0.2,
        )
        c.stamp(np.minimum(write(c, tagged(parts, "sign")), caps), sign)

    marks = ("scratch", "stain", "contamination", "discolouration", "fibre", "crack", "chip")
    changes = {"missing part": ("key", "sign"), "misplaced part": ("key", "sign"), "misprint": ("sign",)}
    return Design("keypad", paint, marks, keys + signs, changes, turn=0.05, shift=0.05)


def brush_head(rng: np.random.Generator) -> Design:
    """A brush seen from the bristles: tufts in rows on a rounded head."""
    head, ground = hsv(rng.uniform(), rng.uniform(0.05, 0.7), rng.uniform(0.6, 0.95)), backdrop(rng)
    colours = [hsv(rng.uniform(), rng.uniform(0.2, 0.8), rng.uniform(0.6, 0.97)) for _ in range(3)]
    nx, ny, wide = int(rng.integers(5, 7)), int(rng.integers(7, 10)), rng.uniform(0.95, 1.2)
    cells = [
        (x, y)
        for x, y in grid_points(nx, ny, 0.9 * wide, 1.5)
        if (x / (0.5 * wide)) ** 4 + (y / 0.8) ** 4 < 1
    ]
    d = 0.82 * min(0.9 * wide / nx, 1.5 / ny)
    tufts = tuple(Piece(x, y, d, d, 0.0, "tuft", int(abs(x) * 6) % 3) for x, y in cells)
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    rim = np.column_stack(
        [
            np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.55 * 0.58 * wide,
            np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.55 * 0.88,
        ]
    )

    def paint(c: Canvas, parts: Parts) -> None:
        belt(c, ground)
        plate = c.polygon(rim)
        c.shadow(plate)
        c.stamp(plate, head, rise=0.08, bevel=0.08, gloss=0.3)
        bristle = c.noise("white", 5.0)
        for look, colour in enumerate(colours):
            mask = discs(c, [p for p in parts if p.look == look])
            c.stamp(
                mask,
                tinted(colour, 0.82 + 0.16 * bristle),
                rise=0.05,
                bevel=0.04,
                relief=f32(0.02 * bristle),
                gloss=0.1,
            )

    marks = ("stain", "contamination", "discolouration", "fibre", "chip", "hole")
    changes = {"missing part": ("tuft",), "misplaced part": ("tuft",)}
    return Design("brush head", paint, marks, tufts, changes, turn=0.15, shift=0.05)


def commutator(rng: np.random.Generator) -> Design:
    """The running surface of a commutator: copper bars between thin dark gaps."""
    copper, n = tone(metal(rng), rng.uniform(0.75, 1.05)), int(rng.integers(5, 10))
    pitch, gap = 2.4 / n, rng.uniform(0.03, 0.06)
    bars = tuple(Piece(-1.2 + (i + 0.5) * pitch, 0.0, pitch - gap, 2.6, 0.0, "bar", i) for i in range(n))

    def paint(c: Canvas, parts: Parts) -> None:
        c.whole(
            tinted((0.1, 0.1, 0.1), 1 + 0.2 * c.noise("fine", 4.6)),
            0.0,
            0.0,
        )
        turned = c.noise("white", 4.0, stretch=20)
        worn = c.noise("cloud", 3.0, stretch=4, angle=math.pi / 2)
        face = boxes(c, parts)
        c.stamp(
            face,
            tinted(copper, 0.94 + 0.06 * turned + 0.05 * worn),
            rise=0.03,
            bevel=0.02,
            relief=f32(0.0008 * turned),
            gloss=0.2,
        )
        c.body[:] = 255

    marks = ("crack", "scratch", "dent", "stain", "contamination", "discolouration", "fibre", "hole")
    return Design("commutator", paint, marks, bars, {"misplaced part": ("bar",)}, turn=0.03)
