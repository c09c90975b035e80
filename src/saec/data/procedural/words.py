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
}
_SIZES = ((0.035, "tiny"), (0.075, "small"), (0.15, "large"))
_HUES = (
    (0.04, "reddish"),
    (0.20, "yellowish"),
    (0.45, "greenish"),
    (0.72, "bluish"),
    (0.92, "purple"),
    (1.01, "reddish"),
)


def good(noun: str) -> str:
    """The sentence for a frame without defect."""
    return f"The {noun} is good."


def describe(
    kind: str,
    noun: str,
    part: str,
    clean: NDArray[np.uint8],
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
) -> str:
    """The sentence for a defect.

    Args:
        kind: one of ``KINDS``.
        noun: what the product is called.
        part: what the piece is called that a structural kind befell.
        clean, image: H x W x 3 without and with the defect.
        mask: where they differ.
    """
    return _SENTENCES[kind].format(
        size=_size(mask), tone=_tone(clean[mask], image[mask]), place=place(mask), noun=noun, part=part
    )


def place(mask: NDArray[np.bool_]) -> str:
    """Which ninth of the frame the mask's centre of mass lies in."""
    y, x = (float(v.mean()) / n for v, n in zip(np.nonzero(mask), mask.shape, strict=True))
    return _PLACES[min(2, int(3 * y))][min(2, int(3 * x))]


def _size(mask: NDArray[np.bool_]) -> str:
    """By the longer side of the mask's box, as a share of the frame's."""
    y, x = np.nonzero(mask)
    share = max(np.ptp(y) + 1, np.ptp(x) + 1) / max(mask.shape)
    return next((word for limit, word in _SIZES if share < 1.5 * limit), "very large")


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
