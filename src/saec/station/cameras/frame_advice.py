"""What one picture says of focus, light and exposure, in plain words, for who sets a camera up."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 1024
"""Longer side of the picture on which blur is measured; a larger one is cut to its middle, not reduced."""

_REBLUR = 9
"""Pixels of the mean that blurs once more (Crete et al.)."""

_BLURRED = 0.5
_WHITE, _BLACK = 0.01, 0.5
"""Shares of pixels at the ends of the range beyond which they are told."""

_DIM, _BRIGHT = 0.35, 0.95
"""Share of the range that the brightest percent of pixels should reach, and the mean should not."""


class FrameLight(NamedTuple):
    """Measures of one picture.

    Attributes:
        mean: mean value, share of the range.
        brightest: value that 99 % of the pixels stay below, share of the range.
        white: share of pixels of which a channel is at the top.
        black: share of pixels of which all channels are at the bottom.
        blur: 0 sharp to 1 blurred.
    """

    mean: float
    brightest: float
    white: float
    black: float
    blur: float


def frame_light(pixels: NDArray[Any], bits: int) -> FrameLight:
    """Measure a picture.

    Args:
        pixels: H x W or H x W x 3, of ``bits`` significant bits.
        bits: 8 to 16.
    """
    top = 2**bits - 1
    channels = pixels.reshape(*pixels.shape[:2], -1)
    white = float((channels >= top).any(axis=2).mean())
    black = float((channels == 0).all(axis=2).mean())
    brightest = float(np.percentile(channels.max(axis=2), 99)) / top
    return FrameLight(float(channels.mean()) / top, brightest, white, black, blur_effect(pixels))


def blur_effect(pixels: NDArray[Any]) -> float:
    """How blurred a picture is, 0 sharp to 1 blurred, without another to compare it with.

    A picture that is blurred already loses few differences between neighbours when it is blurred once more.
    From F. Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur
    metric", SPIE 6492 (2007). A picture without any differences counts as blurred.
    """
    grey = pixels.astype(np.float32)
    grey = grey if grey.ndim == 2 else grey.mean(axis=2)
    y, x = (max(0, (side - _SIDE) // 2) for side in grey.shape)
    grey = grey[y : y + _SIDE, x : x + _SIDE]
    found = []
    for axis, kernel in ((0, (1, _REBLUR)), (1, (_REBLUR, 1))):
        before = np.abs(np.diff(grey, axis=axis))
        after = np.abs(np.diff(cv2.blur(grey, kernel), axis=axis))
        total = float(before.sum())
        lost = float(np.maximum(0, before - after).sum())
        found.append(1.0 if total == 0 else (total - lost) / total)
    return max(found)


def frame_advice(light: FrameLight) -> list[str]:
    """One sentence on sharpness, one on saturation, one on exposure."""
    return [_sharpness(light), _saturation(light), _exposure(light)]


def _sharpness(light: FrameLight) -> str:
    measured = f"blur {light.blur:.2f} (0 sharp, 1 blurred)"
    if light.blur < _BLURRED:
        return f"Sharpness: fine, {measured}."
    remedy = "Check focus, lens and motion, or if a part is in view."
    return f"Sharpness: the picture looks blurred, {measured}. {remedy}"


def _saturation(light: FrameLight) -> str:
    if light.white > _WHITE:
        return (
            f"Saturation: {light.white:.1%} of the pixels are at the top of the range and show nothing. "
            "Shorten the exposure, lower the gain, or turn reflections away."
        )
    if light.black > _BLACK:
        return (
            f"Saturation: {light.black:.0%} of the pixels are 0 and show nothing. "
            "Raise the camera's black level, or add light where the part lies."
        )
    return f"Saturation: fine, {light.white:.2%} of the pixels at the top, {light.black:.1%} at 0."


def _exposure(light: FrameLight) -> str:
    used = f"mean {light.mean:.0%}, brightest percent from {light.brightest:.0%} of the range"
    if light.brightest < _DIM:
        longer = f"up to {min(20.0, 0.8 / max(light.brightest, 1e-3)):.1f} times as long"
        return f"Exposure: dark, {used}. Add light, open the aperture, or expose {longer}."
    if light.mean > _BRIGHT:
        return f"Exposure: bright, {used}. Shorten the exposure or close the aperture."
    return f"Exposure: fine, {used}."
