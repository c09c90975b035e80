"""One sentence for a defect, made of what was painted and measured; a small, closed vocabulary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PLACES = (
    ("upper left", "top", "upper right"),
    ("left side", "centre", "right side"),
    ("lower left", "bottom", "lower right"),
)
_SENTENCES = {
    "scratch": "A {size} {tone} scratch runs across the {place} of the {noun}.",
    "crack": "A {size} {tone} crack branches through the {place} of the {noun}.",
    "dent": "A {size} dent is pressed into the {place} of the {noun}.",
    "stain": "A {size} {tone} stain lies on the {place} of the {noun}.",
    "hole": "A {size} {tone} hole goes through the {place} of the {noun}.",
    "contamination": "A {size} {tone} foreign particle lies on the {place} of the {noun}.",
    "discolouration": "A {size} {tone} discolouration covers the {place} of the {noun}.",
    "fibre": "A {size} {tone} fibre lies on the {place} of the {noun}.",
    "cut": "A {size} {tone} cut opens the {place} of the {noun}.",
    "chip": "A {size} piece is broken off the {place} of the {noun}.",
    "burr": "A {size} burr sticks out at the {place} of the {noun}.",
    "missing part": "One {part} is missing at the {place} of the {noun}.",
    "misplaced part": "One {part} is out of place at the {place} of the {noun}.",
    "misprint": "One {part} is printed wrong at the {place} of the {noun}.",
    "bent pin": "One {part} is bent at the {place} of the {noun}.",
    "extra part": "One {part} too many is at the {place} of the {noun}.",
    "asymmetry": "One {part} has another size than its like at the {place} of the {noun}.",
}
_SIZES = ((0.05, "tiny"), (0.11, "small"), (0.25, "large"))
_HUES = (
    (0.04, "reddish"),
    (0.20, "yellowish"),
    (0.45, "greenish"),
    (0.72, "bluish"),
    (0.92, "purple"),
    (1.01, "reddish"),
)


def good_sentence(noun: str) -> str:
    """The sentence for a frame without defect."""
    return f"The {noun} is good."


def defect_sentence(
    kind: str,
    noun: str,
    part: str,
    clean: NDArray[np.uint8],
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    box: tuple[int, int, int, int],
) -> str:
    """The sentence for a defect.

    Args:
        kind: one of ``KINDS`` or ``EXTRA_KINDS``.
        noun: what the product is called.
        part: what the piece is called that a structural kind befell.
        clean, image: H x W x 3 without and with the defect.
        mask: where they differ.
        box: x0, y0, x1, y1 around the mask.
    """
    x0, y0, x1, y1 = box
    on, cut = mask[y0:y1, x0:x1], (slice(y0, y1), slice(x0, x1))
    return _SENTENCES[kind].format(
        size=_size(max(x1 - x0, y1 - y0) / max(mask.shape)),
        tone=_tone(clean[cut][on], image[cut][on]),
        place=place_in_frame(box, mask.shape),
        noun=noun,
        part=part,
    )


def place_in_frame(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> str:
    """Which ninth of a frame of H x W the box's centre lies in."""
    x0, y0, x1, y1 = box
    return _PLACES[3 * (y0 + y1) // (2 * shape[0])][3 * (x0 + x1) // (2 * shape[1])]


def _size(share: float) -> str:
    """The word for a size, by the longer side of the box as a share of the frame's."""
    return next((word for limit, word in _SIZES if share < limit), "very large")


def _tone(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> str:
    """Dark or bright when the lightness changed most, else the hue that came in."""
    change = after.astype(np.float64).mean(axis=0) - before.astype(np.float64).mean(axis=0)
    lightness = float(change.mean())
    chroma = change - lightness
    if np.abs(chroma).max() < 0.6 * abs(lightness):
        return "bright" if lightness > 0 else "dark"
    r, g, b = chroma
    hue = float(np.arctan2(np.sqrt(3.0) * (g - b), 2 * r - g - b) / (2 * np.pi) % 1.0)
    return next(word for limit, word in _HUES if hue < limit)
