"""The advice follows light and focus, and does not depend on the depth."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from saec.station.cameras.frame_advice import blur_effect, frame_advice, frame_light


def scene(level: float = 0.8) -> NDArray[np.uint8]:
    """Lines and a gradient, whose brightest pixels are at ``level`` of the range."""
    grey = np.linspace(0.2, 1.0, 256)[None, :] * np.ones((192, 1))
    grey[::9] *= 0.3
    grey[:, ::11] *= 0.5
    return np.asarray(255 * level * grey, np.uint8)


def words(pixels: NDArray[Any], bits: int = 8) -> list[str]:
    return [sentence.split(": ")[1].split(",")[0] for sentence in frame_advice(frame_light(pixels, bits))]


def test_a_good_picture_is_fine_three_times() -> None:
    assert words(scene()) == ["fine", "fine", "fine"]


def test_each_fault_has_its_own_sentence() -> None:
    assert words(np.asarray(cv2.GaussianBlur(scene(), (0, 0), 4), np.uint8))[0] == "the picture looks blurred"
    bright = np.minimum(scene().astype(np.int32) * 3, 255)
    assert words(bright)[1].endswith("show nothing. Shorten the exposure")
    assert words(scene(0.1))[2] == "dark"
    assert words(np.full((20, 30), 250, np.uint8))[2] == "bright"
    assert "black level" in frame_advice(frame_light(np.zeros((20, 30), np.uint8), 8))[1]


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_the_depth_changes_nothing(bits: int) -> None:
    deep = scene().astype(np.uint16) << (bits - 8)
    assert words(deep, bits) == words(scene())
    assert frame_light(deep, bits).mean == pytest.approx(frame_light(scene(), 8).mean, rel=0.02)


def test_a_colour_that_is_cut_off_counts_as_saturated() -> None:
    colour = np.stack([scene(), scene() // 2, scene() // 2], axis=2)
    assert words(colour)[1] == "fine"
    colour[:100, :, 0] = 255
    assert words(colour)[1].endswith("show nothing. Shorten the exposure")


def test_blur_rises_with_the_width_of_the_blur() -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (192, 256)).astype(np.float32)
    blurs = [blur_effect(cv2.GaussianBlur(sharp, (0, 0), sigma)) for sigma in (0.5, 1, 2, 4, 8)]
    assert blurs == sorted(blurs)
    assert blur_effect(sharp) < blurs[0]
