"""From material to a defective frame: where a defect goes, how strong it is, and its exact mask.

The defect-free frame is shot first. The defective one is the same frame with a mark laid or a part
changed; its mask is where the two pictures differ, and outside the mask the pixels are those of the
defect-free frame. Difficulty sets the size and the contrast that is aimed at; the contrast that came
out is measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.canvas import Canvas
from saec.data.procedural.painting.design import Design, Piece
from saec.data.procedural.painting.mark_placement import spot_for
from saec.data.procedural.painting.marks import MARKS, Mark, lay
from saec.data.procedural.painting.virtual_camera import Cut, Image, VirtualCamera
from saec.errors import DataError

VISIBLE_LEVELS = 6.0
"""A defect changes its pixels by at least this many grey levels on average,"""
VISIBLE_CONTRAST = 0.5
"""and by at least this many local standard deviations of the texture,"""
VISIBLE_AREA = 0.00015
"""on at least this share of the frame."""

_ATTEMPTS = 24

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Defect:
    """A defective frame and where it differs.

    Attributes:
        image: H x W x 3.
        mask: H x W, bool.
        contrast: mean absolute difference inside the mask in local standard deviations.
        box: x0, y0, x1, y1 around the mask.
        part: tag of the part that was changed, "" for a mark.
    """

    image: Image
    mask: NDArray[np.bool_]
    contrast: float
    box: Box
    part: str = ""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a difficulty asks for.

    Attributes:
        radius: half the defect's length as a share of the frame's side.
        levels: grey levels of change at least,
        contrast: change in local standard deviations.
        amount: how far parts move, as a share of their size.
    """

    radius: float
    levels: float
    contrast: float
    amount: float

    @classmethod
    def of(cls, difficulty: float) -> Aim:
        """Geometric between the ends: 0 is plain to see from afar, 1 is at the limit of seeing."""

        def between(easy: float, hard: float) -> float:
            return float(easy * (hard / easy) ** difficulty)

        return cls(between(0.17, 0.034), between(75, 11), between(7, 1.3), between(0.9, 0.3))


def surface_defect(
    canvas: Canvas, camera: VirtualCamera, clean: Image, kind: str, aim: Aim, rng: np.random.Generator
) -> Defect:
    """Lay a mark of a kind where it fits and can be seen.

    Raises:
        DataError: no place was found where it shows.
    """
    radius = aim.radius * canvas.view.size
    for attempt in range(_ATTEMPTS):
        spot = spot_for(canvas, kind, radius * rng.uniform(0.85, 1.2) * 1.06**attempt, rng)
        defect = _lit(canvas, camera, clean, MARKS[kind](spot), aim)
        if defect is not None:
            return defect
    raise _unseen(kind)


def structural_defect(
    shoot: Callable[[Sequence[Piece]], Image],
    clean: Image,
    design: Design,
    kind: str,
    aim: Aim,
    rng: np.random.Generator,
) -> Defect:
    """Change one part of a product, or add one, and shoot it again.

    Raises:
        DataError: no part was found whose change shows.
    """
    able = [i for i, p in enumerate(design.parts) if p.tag in design.befalls(kind)]
    for attempt in range(2 * _ATTEMPTS):
        i = able[int(rng.integers(len(able)))]
        part = design.parts[i]
        amount = aim.amount * min(3.0, 1.1**attempt)
        if kind == "extra part":
            changed = [part, _extra(part, design.parts, amount)]
        else:
            changed = _changed(part, kind, amount, rng)
        parts = [*design.parts[:i], *changed, *design.parts[i + 1 :]]
        defect = find_difference(clean, shoot(parts), threshold=8.0)
        if defect is not None:
            return replace(defect, part=part.tag)
    raise _unseen(kind)


def find_difference(clean: Image, other: Image, threshold: float) -> Defect | None:
    """The exact mask of what differs, and the frame that differs there alone; None if it hardly shows."""
    return _judge(clean, other, (slice(0, clean.shape[0]), slice(0, clean.shape[1])), threshold)


def _changed(part: Piece, kind: str, amount: float, rng: np.random.Generator) -> list[Piece]:
    side = rng.choice([-1.0, 1.0])
    if kind == "missing part":
        return []
    if kind == "misplaced part":
        way = rng.uniform(0, 2 * math.pi)
        far = amount * 0.5 * (part.w + part.h)
        turn = side * rng.uniform(0.3, 1.0) * amount
        return [
            replace(
                part, x=part.x + far * math.cos(way), y=part.y + far * math.sin(way), angle=part.angle + turn
            )
        ]
    if kind == "bent pin":
        return [replace(part, bend=side * amount * rng.uniform(0.5, 0.7) * max(part.w, part.h))]
    if kind == "asymmetry":
        factor = 1 + amount if side > 0 else max(0.2, 1 - 0.8 * amount)
        return [replace(part, w=factor * part.w, h=factor * part.h)]
    return [replace(part, look=part.look + int(rng.integers(1, 6)))]


def _extra(part: Piece, parts: Sequence[Piece], amount: float) -> Piece:
    """One more of a part, halfway to the nearest like it, or beside it; the harder, the smaller."""
    like = [p for p in parts if p.tag == part.tag and p is not part]
    size = min(1.0, 0.5 + 0.55 * amount)
    small = replace(part, w=size * part.w, h=size * part.h)
    if not like:
        return replace(small, x=part.x + part.w)
    near = min(like, key=lambda p: math.dist((p.x, p.y), (part.x, part.y)))
    turn = math.remainder(near.angle - part.angle, 2 * math.pi)
    return replace(small, x=0.5 * (part.x + near.x), y=0.5 * (part.y + near.y), angle=part.angle + 0.5 * turn)


def _lit(canvas: Canvas, camera: VirtualCamera, clean: Image, mark: Mark, aim: Aim) -> Defect | None:
    """Lay the mark twice: once to see how strong it is, once as strong as asked."""
    n, (h, w) = canvas.view.size, mark.cover.shape
    cut = (slice(max(0, mark.y), min(n, mark.y + h)), slice(max(0, mark.x), min(n, mark.x + w)))
    if cut[0].start >= cut[0].stop or cut[1].start >= cut[1].stop:
        return None
    want = max(aim.levels, aim.contrast * local_deviation(clean, cut))
    first = _try(canvas, camera, cut, mark, 1.0)
    change = _largest(cv2.absdiff(first, clean[cut]))
    if not (change >= 3).any():
        return None
    got = float(change[change >= max(3.0, 0.4 * float(change.max()))].mean())
    low, high = mark.strengths
    strength = min(high, max(low, want / got))
    return _judge(
        clean, _try(canvas, camera, cut, mark, strength), cut, max(3.0, 0.12 * min(want, strength * got))
    )


def _try(canvas: Canvas, camera: VirtualCamera, cut: Cut, mark: Mark, strength: float) -> Image:
    layers = [layer[..., *cut] for layer in (canvas.albedo, canvas.height, canvas.gloss)]
    before = [layer.copy() for layer in layers]
    lay(canvas, mark, strength)
    shot = camera.shoot(canvas, cut)
    for layer, old in zip(layers, before, strict=True):
        layer[:] = old
    return shot


def _judge(clean: Image, other: Image, cut: Cut, threshold: float) -> Defect | None:
    """Mask and measure; ``other`` covers ``cut`` alone."""
    here = clean[cut]
    change = cv2.absdiff(other, here)
    above = (_largest(change) >= threshold).astype(np.uint8)
    differs = np.asarray(cv2.morphologyEx(above, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.uint8)
    if int(differs.sum()) < max(6.0, VISIBLE_AREA * clean.shape[0] * clean.shape[1]):
        return None
    on = differs.astype(bool)
    mean = float(change[on].mean())
    box = _box(differs, cut)
    deviation = local_deviation(clean, (slice(box[1], box[3]), slice(box[0], box[2])))
    if mean < VISIBLE_LEVELS or mean < VISIBLE_CONTRAST * deviation:
        return None
    image, mask = clean.copy(), np.zeros(clean.shape[:2], np.bool_)
    image[cut][on] = other[on]
    mask[cut] = on
    return Defect(image, mask, mean / deviation, box)


def _largest(change: NDArray[Any]) -> NDArray[Any]:
    """Largest of the three channels; several times faster than ``max(axis=2)``."""
    r, g, b = cv2.split(change)
    return np.maximum(np.maximum(r, g), b)


def _box(differs: NDArray[Any], cut: Cut) -> Box:
    """The box in the frame of what is not 0 in a rectangle of it."""
    x, y, w, h = cv2.boundingRect(differs)
    left, top = cut[1].start + x, cut[0].start + y
    return left, top, left + w, top + h


def local_deviation(image: Image, cut: Cut) -> float:
    """Standard deviation of the texture around a rectangle, in grey levels; at least 2 (sensor noise).

    Luminance less its blur (sigma 1/28 of the side) over the rectangle grown by 1/28 of the side, so
    that slow changes of light do not count.
    """
    side = max(image.shape[:2])
    grow = max(4, side // 28)
    near = tuple(slice(max(0, s.start - grow), s.stop + grow) for s in cut)
    grey = cv2.cvtColor(np.ascontiguousarray(image[near[0], near[1]]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return max(2.0, float((grey - cv2.blur(grey, (2 * grow + 1, 2 * grow + 1))).std()))


def _unseen(kind: str) -> DataError:
    return DataError(
        f"a {kind} would not be visible anywhere on this product",
        "use another seed or kind, or a lower difficulty",
    )
