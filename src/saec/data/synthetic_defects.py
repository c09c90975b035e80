"""Stand-ins for defects: procedural marks painted on photographs of goods.

A line that has seen no defect yet can be tried with them. They are no defects of the product: what holds
for them holds for defects like them, and whoever shows such a figure names them.

The marks are those of the procedural products (``saec.data.procedural.painting.marks``). On a photograph only
colour and a grey shading of the slopes can be laid, so kinds that need the product's outline or parts are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.painting.defects import Aim, find_difference, local_deviation
from saec.data.procedural.painting.marks import MARKS, Mark, Spot
from saec.errors import DataError

KINDS = ("scratch", "stain", "cut", "contamination", "crack", "dent", "fibre", "hole")

Image = NDArray[np.uint8]
Where = NDArray[np.bool_]

_DIFFICULTY = (0.2, 0.8)
_ATTEMPTS = 24
_CLOSE = 25.0  # grey levels from the border's own within which a pixel counts as background


@dataclass(frozen=True, slots=True, eq=False)
class StandIn:
    """A good with a mark on it.

    Attributes:
        image: H x W x 3, RGB.
        mask: H x W, where it differs from the good.
        kind: one of ``KINDS``.
    """

    image: Image
    mask: Where
    kind: str


def paint_stand_in(
    image: Image, kind: str, rng: np.random.Generator, *, where: Where | None = None
) -> StandIn:
    """Paint a mark of a kind and a random difficulty on a photograph of a good.

    Args:
        image: H x W x 3, RGB, uint8; not changed.
        kind: one of ``KINDS``.
        rng: its randomness.
        where: H x W, where marks may lie; on the product, as far as it stands out from its background.

    Raises:
        DataError: no place was found where the mark shows.
    """
    allowed = product_mask(image) if where is None else product_mask(image) & where
    places = np.flatnonzero(allowed)
    for attempt in range(_ATTEMPTS if len(places) else 0):
        aim = Aim.of(rng.uniform(*_DIFFICULTY))
        y, x = divmod(int(places[rng.integers(len(places))]), image.shape[1])
        radius = aim.radius * min(image.shape[:2]) * 1.06**attempt
        mark = MARKS[kind](Spot(x, y, radius, _colour(image, x, y, radius), 0.0, rng))
        painted = _laid(image, mark, aim, allowed)
        if (found := find_difference(image, painted, threshold=3.0)) is not None:
            return StandIn(found.image, found.mask, kind)
    raise DataError(
        f"a painted {kind} cannot be seen anywhere on a good image of {image.shape[1]} x {image.shape[0]} px",
        "use other good images",
    )


def product_mask(image: Image) -> Where:
    """H x W, true on the product; everywhere for a texture or where it hardly stands out.

    The background is what has the colour of the frame's border, where that is one colour.
    """
    height, width = image.shape[:2]
    edge = max(1, min(height, width) // 50)
    border = np.concatenate(
        [part.reshape(-1, 3) for part in (image[:edge], image[-edge:], image[:, :edge], image[:, -edge:])]
    ).astype(np.float32)
    colour = np.median(border, axis=0)
    spread = float(np.median(np.abs(border - colour)))
    away = np.abs(image.astype(np.float32) - colour).max(axis=2)
    size = 2 * edge + 1
    found = (away > max(_CLOSE, 6.0 * spread)).astype(np.uint8)
    product: Where = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((size, size), np.uint8)).astype(bool)
    return product if 0.03 < product.mean() < 0.97 else np.ones((height, width), np.bool_)


def _colour(image: Image, x: int, y: int, radius: float) -> NDArray[np.float32]:
    """Mean colour around a place, 0..1."""
    reach = max(2, round(radius))
    near = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return np.asarray(near.reshape(-1, 3).mean(axis=0) / 255.0, np.float32)


def _laid(image: Image, mark: Mark, aim: Aim, allowed: Where) -> Image:
    """The photograph with the mark, as strong as the aim asks and the mark can be."""
    (height, width), (h, w) = image.shape[:2], mark.cover.shape
    cut = (slice(max(0, mark.y), min(height, mark.y + h)), slice(max(0, mark.x), min(width, mark.x + w)))
    own = tuple(slice(s.start - at, s.stop - at) for s, at in zip(cut, (mark.y, mark.x), strict=True))
    here = image[cut].astype(np.float32) / 255.0
    cover = (mark.cover[own] * allowed[cut])[..., None]
    slope = (np.gradient(mark.height)[0] + np.gradient(mark.height)[1])[own]
    shade = np.clip(slope * allowed[cut], -0.8, 0.8)[..., None]
    colour = mark.colour
    assert colour is not None  # none of KINDS breaks a piece off
    if (here == here[..., :1]).all():  # a grey camera sees no colour
        colour = np.full(3, colour.mean(), np.float32)

    def shot(strength: float) -> NDArray[np.float32]:
        lit = here + cover * min(1.0, strength) * (colour - here)
        return np.asarray(np.clip(lit * (1.0 - 0.5 * strength * shade), 0.0, 1.0) * 255.0, np.float32)

    change = np.abs(shot(1.0) - here * 255.0).max(axis=2)
    seen = change[change >= max(3.0, 0.4 * float(change.max()))]
    want = max(aim.levels, aim.contrast * local_deviation(image, cut))
    low, high = mark.strengths
    strength = min(high, max(low, want / float(seen.mean()))) if len(seen) else high
    painted = image.copy()
    painted[cut] = np.rint(shot(strength)).astype(np.uint8)
    return painted
