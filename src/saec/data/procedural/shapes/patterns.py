"""Textures made of parts that repeat: tiles, prints, perforations, wires, cells."""

from __future__ import annotations

import math

import numpy as np

from saec.data.procedural.painting.canvas import Canvas
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
from saec.data.procedural.painting.noise import Field, f32

_SPAN = 2.4  # product units that a pattern covers, so that a shifted frame is still full


def tiles(rng: np.random.Generator) -> Design:
    """Glazed tiles with joints, in straight or half bond."""
    base = hsv(rng.uniform(), rng.uniform(0.05, 0.5), rng.uniform(0.45, 0.9))
    joint = tone((0.6, 0.58, 0.55), rng.uniform(0.45, 1.2))
    nx, ny, bond = int(rng.integers(3, 6)), int(rng.integers(4, 8)), bool(rng.random() < 0.5)
    cell_w, cell_h, gap = _SPAN / nx, _SPAN / ny, rng.uniform(0.025, 0.045)
    parts = tuple(
        Piece(
            x + (0.5 * cell_w if bond and i // nx % 2 else 0.0), y, cell_w - gap, cell_h - gap, 0.0, "tile", i
        )
        for i, (x, y) in enumerate(grid_points(nx, ny, _SPAN, _SPAN))
    ) + (
        tuple(
            Piece(
                -0.5 * _SPAN,
                -0.5 * _SPAN + (j + 0.5) * cell_h,
                cell_w - gap,
                cell_h - gap,
                0.0,
                "border tile",
                j,
            )
            for j in range(1, ny, 2)
        )
        if bond
        else ()
    )
    veins = rng.uniform(0.0, 0.14)

    def paint(c: Canvas, parts: Parts) -> None:
        sand = 1 + 0.06 * c.noise("fine", 4.6)
        c.whole(tinted(joint, sand), 0.002 * sand, 0.0)
        stone = c.noise("cloud", 3.0) * veins + 0.03 * c.noise("fbm", 3.0)
        shade = _shades(c, parts)
        face = c.blank()
        for p in parts:
            c.polygon(p.corners(), face)
        c.stamp(face, tinted(base, shade + stone), rise=0.03, bevel=0.02, gloss=0.35)

    kinds = ("crack", "scratch", "stain", "hole", "contamination", "discolouration")
    changes = {"missing part": ("tile",), "misplaced part": ("tile",)}
    return Design("tiled surface", paint, kinds, parts, changes, turn=0.03)


def _shades(c: Canvas, parts: Parts) -> Field:
    """Each part a little lighter or darker, by its look."""
    shade = c.blank()
    for p in parts:
        c.polygon(p.corners(0.01), shade, 128 + (p.look * 37) % 31 - 15)
    return f32(shade) * np.float32(1 / 128)


def printed_paper(rng: np.random.Generator) -> Design:
    """Paper or foil printed with a repeated motif."""
    paper = hsv(rng.uniform(), rng.uniform(0.0, 0.25), rng.uniform(0.78, 0.97))
    inks = [hsv(rng.uniform(), rng.uniform(0.5, 0.95), rng.uniform(0.3, 0.8)) for _ in range(2)]
    n, size, first = int(rng.integers(5, 8)), rng.uniform(0.5, 0.72), int(rng.integers(6))
    cell, stagger = _SPAN / n, bool(rng.random() < 0.6)
    parts = tuple(
        Piece(
            x + (0.5 * cell if stagger and i // n % 2 else 0.0),
            y,
            size * cell,
            size * cell,
            0.0,
            "motif",
            first + 6 * (i // n % 2),
        )
        for i, (x, y) in enumerate(grid_points(n, n, _SPAN, _SPAN))
    )

    def paint(c: Canvas, parts: Parts) -> None:
        fibre = 1 + 0.015 * c.noise("fbm", 4.6) + 0.008 * c.noise("white", 4.6)
        c.whole(tinted(paper, fibre), f32(0.0006 * fibre), 0.08)
        for row, ink in enumerate(inks):
            plate = c.blank()
            for p in parts:
                if p.look // 6 % 2 == row:
                    c.polygon(motif(p), plate)
            c.stamp(plate, tinted(ink, fibre), gloss=0.15)

    kinds = ("scratch", "stain", "hole", "contamination", "discolouration", "fibre", "cut")
    changes = dict.fromkeys(("missing part", "misplaced part", "misprint"), ("motif",))
    return Design("printed paper", paint, kinds, parts, changes, turn=0.05)


def motif(p: Piece) -> list[tuple[float, float]]:
    """The outline of one of six motifs: disc, square, diamond, star, flower, triangle."""
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    r = 0.5 * p.w
    radii = (
        0 * t + 0.85,
        0.8 / np.maximum(np.abs(np.cos(t)), np.abs(np.sin(t))),
        1 / (np.abs(np.cos(t)) + np.abs(np.sin(t))),
        0.72 + 0.33 * np.cos(5 * t),
        0.78 + 0.2 * np.cos(6 * t),
        0.52 / np.maximum.reduce([np.cos(t - a) for a in (0.52, 2.62, 4.71)]),
    )[p.look % 6]
    x, y = r * radii * np.cos(t + p.angle), r * radii * np.sin(t + p.angle)
    return list(zip((p.x + x).tolist(), (p.y + y).tolist(), strict=True))


def perforated_sheet(rng: np.random.Generator) -> Design:
    """Sheet metal with a regular pattern of punched holes."""
    colour, under = metal(rng), tone(backdrop(rng), 0.4)
    n, share, stagger = int(rng.integers(7, 12)), rng.uniform(0.45, 0.62), bool(rng.random() < 0.6)
    pitch, square = _SPAN / n, bool(rng.random() < 0.3)
    parts = tuple(
        Piece(
            x + (0.5 * pitch if stagger and i // n % 2 else 0.0), y, share * pitch, share * pitch, 0.0, "hole"
        )
        for i, (x, y) in enumerate(grid_points(n, n, _SPAN, _SPAN))
    )

    def paint(c: Canvas, parts: Parts) -> None:
        streak = c.noise("white", 3.5, stretch=25)
        c.whole(tinted(colour, 0.95 + 0.05 * streak), 0.0006 * streak, 0.2)
        holes = c.blank()
        for p in parts:
            if square:
                c.polygon(p.corners(), holes)
            else:
                c.disc(p.x, p.y, 0.5 * p.w, holes)
        c.stamp(holes, under, rise=-0.05, bevel=0.025, gloss=0.0)
        c.body[:] = 255 - holes

    kinds = ("scratch", "dent", "stain", "contamination", "discolouration", "fibre", "burr")
    changes = {"missing part": ("hole",), "misplaced part": ("hole",)}
    return Design("perforated sheet", paint, kinds, parts, changes, turn=0.04)


def wire_mesh(rng: np.random.Generator) -> Design:
    """Woven or welded wire over a ground."""
    colour, ground = tone(metal(rng), 1.1), backdrop(rng)
    n, share, crimp = int(rng.integers(7, 13)), rng.uniform(0.2, 0.36), rng.uniform(0.0, 0.08)
    pitch = _SPAN / n
    places = [-0.5 * _SPAN + (i + 0.5) * pitch for i in range(n)]
    parts = tuple(
        Piece(x, 0.0, share * pitch, 1.2 * _SPAN, 0.0, "wire", i) for i, x in enumerate(places)
    ) + tuple(Piece(0.0, y, 1.2 * _SPAN, share * pitch, 0.0, "cross wire", i) for i, y in enumerate(places))

    def paint(c: Canvas, parts: Parts) -> None:
        c.fill_ground(tinted(ground, 0.8 + 0.03 * c.noise("fbm", 3.0)))
        everything = c.blank()
        layers = {tag: c.blank() for tag in ("cross wire", "wire")}
        for p in parts:
            along = np.linspace(-0.6 * _SPAN, 0.6 * _SPAN, 49)
            side = crimp * pitch * np.cos(math.pi * (along / pitch + p.look))
            line = np.column_stack([p.x + side, along] if p.tag == "wire" else [along, p.y + side])
            c.stroke(line, share * pitch, layers[p.tag])
        np.maximum(layers["wire"], layers["cross wire"], out=everything)
        c.shadow(everything, reach=0.06, strength=0.5)
        for mask in layers.values():
            c.stamp(mask, colour, rise=0.5 * share * pitch, bevel=0.5 * share * pitch, gloss=0.5)

    kinds = ("contamination", "fibre", "stain", "chip", "burr")
    changes = {"missing part": ("wire", "cross wire")}
    return Design("wire mesh", paint, kinds, parts, changes, turn=0.05)


def solar_cell(rng: np.random.Generator) -> Design:
    """A crystalline solar cell: blue crystals, fine fingers, bus bars."""
    blue = hsv(rng.uniform(0.58, 0.68), rng.uniform(0.55, 0.85), rng.uniform(0.25, 0.45))
    crystals, fingers, bars = rng.uniform(0.0, 0.35), int(rng.integers(16, 26)), int(rng.integers(2, 5))
    silver = (0.72, 0.74, 0.76)
    lines = tuple(
        Piece(0.0, y, _SPAN, 0.013, 0.0, "finger") for _, y in grid_points(1, fingers, _SPAN, _SPAN)
    ) + tuple(Piece(x, 0.0, 0.05, _SPAN, 0.0, "bus bar") for x, _ in grid_points(bars, 1, 1.9, 1.9))

    def paint(c: Canvas, parts: Parts) -> None:
        grain = c.noise("cell-value", 9.0)
        light = 1 + crystals * (grain - 0.5) * 2 + 0.04 * c.noise("fbm", 4.0)
        c.whole(tinted(blue, light), 0.0, 0.2)
        metal_lines = c.blank()
        for p in parts:
            c.polygon(p.corners(), metal_lines)
        c.stamp(metal_lines, silver, rise=0.006, bevel=0.006, gloss=0.4)

    kinds = ("crack", "scratch", "stain", "contamination", "discolouration", "fibre")
    changes = {"missing part": ("finger", "bus bar")}
    return Design("solar cell", paint, kinds, lines, changes, turn=0.03)
