"""Textures: the product fills the frame. Each function draws one product of its family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.canvas import Canvas
from saec.data.procedural.painting.design import Design, Parts, hsv, metal, mix, tinted, tone
from saec.data.procedural.painting.noise import Field, f32


def brushed_metal(rng: np.random.Generator) -> Design:
    """A ground or brushed sheet: fine streaks in one direction, a broad highlight across."""
    base, stretch, depth = metal(rng), rng.uniform(25, 60), rng.uniform(0.04, 0.09)
    angle, band = rng.uniform(0, 3.14), rng.uniform(1.0, 2.2)

    def paint(c: Canvas, parts: Parts) -> None:
        streaks = c.noise("white", 3.5, stretch=stretch, angle=angle)
        broad = c.noise("soft", 3.5, stretch=stretch, angle=angle)
        u, v = c.grid()
        across = v * np.cos(angle) - u * np.sin(angle) + 0.04 * broad
        shine = 0.5 + 0.5 * np.cos(across * band + 0.3)
        light = 1 + depth * streaks + 0.6 * depth * broad
        c.whole(tinted(base, light * (0.78 + 0.3 * shine)), 0.0008 * streaks, 0.25 * shine)

    return Design(
        "brushed metal",
        paint,
        ("scratch", "dent", "stain", "hole", "contamination", "discolouration", "fibre"),
        turn=0.06,
    )


def fabric(rng: np.random.Generator) -> Design:
    """A woven cloth, plain, twill or basket, of two yarns."""
    warp = hsv(rng.uniform(), rng.uniform(0.05, 0.65), rng.uniform(0.35, 0.85))
    weft = tone(warp, rng.uniform(0.6, 1.35))
    count, style = rng.uniform(11, 20), int(rng.integers(3))
    wobble = rng.uniform(0.01, 0.035)

    def paint(c: Canvas, parts: Parts) -> None:
        u, v = c.grid()
        bend, thick = c.noise("cloud", 4.0), c.noise("fbm", 6.0)
        x, y = f32((u + wobble * bend + 3) * count), f32((v + wobble * thick + 3) * count)
        over = _weave(x, y, style)
        across = np.where(over, x, y) % 1.0 * 2 - 1
        along = np.where(over, y, x) % 1.0 * 2 - 1
        bulge = np.sqrt(np.maximum(0.0, 1 - 0.92 * across * across)) * (1 - 0.3 * along * along)
        fuzz = c.noise("white", 5.0)
        colour = mix(weft, warp, over.astype(np.float32))
        light = 0.45 + 0.55 * bulge + 0.06 * fuzz + 0.05 * thick
        c.whole(colour * light, bulge * (0.35 / count) + 0.001 * fuzz, 0.04)

    kinds = ("stain", "hole", "contamination", "discolouration", "fibre", "cut")
    return Design("woven fabric", paint, kinds, turn=0.08)


def _weave(x: Field, y: Field, style: int) -> NDArray[np.bool_]:
    """Where the warp lies above the weft."""
    i, j = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    k = (i + j) % 2 if style == 0 else (i + j) % 4 // 2 if style == 1 else (i // 2 + j // 2) % 2
    return np.asarray(k == 0)


def leather(rng: np.random.Generator) -> Design:
    """Grained hide: rounded cells between fine creases."""
    base = hsv(
        float(rng.choice([0.03, 0.06, 0.08, 0.0, 0.6])), rng.uniform(0.3, 0.75), rng.uniform(0.18, 0.6)
    )
    period, depth, gloss = rng.uniform(2.5, 4.5), rng.uniform(0.006, 0.014), rng.uniform(0.05, 0.2)

    def paint(c: Canvas, parts: Parts) -> None:
        edge = c.noise("cell-edge", period) / 6.0 + 0.12 * c.noise("fine", 3.0)
        value = c.noise("cell-value", period)
        cell = np.clip(edge, 0, 1)
        cell *= 2 - cell
        folds = c.noise("cloud", 3.0)
        light = 0.62 + 0.38 * cell + 0.05 * folds + 0.08 * (value - 0.5)
        c.whole(tinted(base, light), depth * cell + 0.006 * folds + 0.0006 * c.noise("fine", 4.0), gloss)

    kinds = ("scratch", "dent", "stain", "hole", "contamination", "discolouration", "fibre", "cut")
    return Design("leather", paint, kinds, turn=0.5)


def wood(rng: np.random.Generator) -> Design:
    """A planed board: growth rings cut lengthwise, with pores."""
    light = hsv(rng.uniform(0.06, 0.11), rng.uniform(0.35, 0.6), rng.uniform(0.55, 0.85))
    dark = tone((light[0], light[1] * 0.9, light[2] * 0.8), rng.uniform(0.55, 0.75))
    rings, stretch, angle = rng.uniform(4, 11), rng.uniform(6, 14), rng.uniform(0, 3.14)
    varnish = rng.uniform(0.0, 0.25)

    def paint(c: Canvas, parts: Parts) -> None:
        u, v = c.grid()
        bend = c.noise("cloud", 5.0, stretch=stretch, angle=angle)
        across = v * np.cos(angle) - u * np.sin(angle)
        t = (across + 0.22 * bend + c.rng.uniform(0, 5)) * rings
        ring = t % 1.0
        late = ring**3 * (1 - np.clip((ring - 0.93) / 0.07, 0, 1))
        pores = np.clip(c.noise("white", 4.0, stretch=16, angle=angle) - 1.3, 0, 1)
        fine = c.noise("fine", 4.0, stretch=30, angle=angle)
        colour = mix(light, dark, np.clip(0.15 + 0.85 * late + 0.07 * fine, 0, 1)) * (1 - 0.45 * pores)
        c.whole(colour, -0.003 * pores - 0.001 * late, varnish)

    kinds = ("scratch", "crack", "dent", "stain", "hole", "contamination", "discolouration", "fibre")
    return Design("wooden board", paint, kinds, turn=0.06)


def carpet(rng: np.random.Generator) -> Design:
    """Short tufts in rows, two yarns twisted together."""
    base = hsv(rng.uniform(), rng.uniform(0.05, 0.5), rng.uniform(0.4, 0.85))
    fleck = tone(base, float(rng.choice([0.72, 1.3])))
    rows, share = rng.uniform(14, 22), rng.uniform(0.2, 0.5)

    def paint(c: Canvas, parts: Parts) -> None:
        u, v = c.grid()
        swirl = c.noise("fbm", 4.0)
        ridge = np.sin((v + 0.02 * swirl) * rows * 3.14) * np.sin(
            (u + 0.02 * swirl[::-1]) * rows * 3.14 + 3 * swirl
        )
        tuft, hair = c.noise("soft", 5.0), c.noise("fine", 3.6)
        spots = np.clip(1.5 * (c.noise("fine", 2.6) - 1.5 + 2.5 * share), 0, 1)
        light = 0.72 + 0.12 * ridge + 0.1 * tuft + 0.1 * hair
        height = 0.012 * ridge + 0.012 * tuft + 0.004 * hair
        c.whole(mix(base, fleck, spots) * light, height, 0.0)

    kinds = ("stain", "hole", "contamination", "discolouration", "fibre", "cut")
    return Design("carpet", paint, kinds, turn=0.15)


def cast_surface(rng: np.random.Generator) -> Design:
    """Sand-cast or shot-blasted metal: a rough skin with shallow pits."""
    base = tone(metal(rng), rng.uniform(0.6, 1.0))
    rough, pits, period = rng.uniform(0.004, 0.009), rng.uniform(1.9, 2.5), rng.uniform(3.0, 5.5)

    def paint(c: Canvas, parts: Parts) -> None:
        coarse, fine = c.noise("fbm", period), c.noise("fine", period)
        pit = np.clip(c.noise("soft", 0.6 * period) - pits, 0, 0.6)
        light = 0.9 + 0.05 * coarse + 0.04 * fine - 0.5 * pit
        c.whole(tinted(base, light), rough * coarse + 0.5 * rough * fine - 0.02 * pit, 0.12)

    kinds = ("scratch", "crack", "dent", "stain", "hole", "contamination", "discolouration", "fibre")
    return Design("cast surface", paint, kinds, turn=3.14)


def granite(rng: np.random.Generator) -> Design:
    """Polished stone: crystals of three minerals with dark grains."""
    hue = rng.uniform()
    palette = np.transpose(
        [
            hsv(hue, rng.uniform(0.02, 0.16), v)
            for v in (rng.uniform(0.6, 0.9), rng.uniform(0.35, 0.6), 0.15, 0.72)
        ],
    ).astype(np.float32)
    period, dark = rng.uniform(3.0, 6.0), rng.uniform(0.05, 0.2)

    def paint(c: Canvas, parts: Parts) -> None:
        value, edge = c.noise("grain-value", period), c.noise("grain-edge", period)
        which = np.digitize(value, [0.5, 1 - dark - 0.1, 1 - 0.1])
        small = c.noise("fine", period)
        light = 0.9 + 0.05 * small + 0.1 * np.clip(edge / 3, 0, 1) - 0.05
        c.whole(f32(palette[:, which] * light), 0.0, 0.3)

    kinds = ("scratch", "crack", "stain", "hole", "contamination", "discolouration", "fibre")
    return Design("polished stone", paint, kinds, turn=3.14)


def rubber_mat(rng: np.random.Generator) -> Design:
    """A ribbed or studded rubber mat."""
    base = hsv(rng.uniform(), rng.uniform(0.0, 0.4), rng.uniform(0.2, 0.5))
    ribs, studs = rng.uniform(4, 9), bool(rng.random() < 0.5)

    def paint(c: Canvas, parts: Parts) -> None:
        u, v = c.grid()
        x, y = (u + 2) * ribs % 1.0 * 2 - 1, (v + 2) * ribs % 1.0 * 2 - 1
        away = np.sqrt(x * x + y * y) if studs else np.abs(y)
        top = np.clip((0.75 - away) / 0.25, 0, 1)
        top = top * top * (3 - 2 * top)
        fine = c.noise("fine", 4.0)
        light = 0.8 + 0.2 * top + 0.05 * fine + 0.03 * c.noise("cloud", 3.0)
        c.whole(tinted(base, light), 0.35 / ribs * top + 0.0015 * fine, 0.14)

    kinds = ("scratch", "stain", "hole", "contamination", "discolouration", "fibre", "cut")
    return Design("rubber mat", paint, kinds, turn=0.04)
