"""A frame with red and blue were swapped is noticed where the references are tinted, and nowhere else."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.edge.colours import ChannelOrder


def part(red: int, blue: int, seed: int = 0) -> np.ndarray:
    """RGB."""
    noise = np.random.default_rng(seed).integers(-20, 20, (64, 80, 3))
    return np.clip(np.array([red, 90, blue]) + noise, 0, 255).astype(np.uint8)


def references(tmp_path: Path, *images: np.ndarray) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image[..., ::-1])
    return paths


def test_an_exchanged_frame_is_warned_of_once(tmp_path: Path) -> None:
    order = ChannelOrder(references(tmp_path, part(150, 60), part(160, 70, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        order.check(part(140, 60, 2))
    with pytest.warns(UserWarning, match="red and blue were swapped"):
        order.check(part(140, 60, 2)[..., ::-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        order.check(part(140, 60, 2)[..., ::-1])


@pytest.mark.parametrize(
    "goods", [[(100, 98)], [(150, 60), (60, 150)], []], ids=["grey", "of both tints", "none"]
)
def test_where_the_references_say_nothing_nothing_is_said(
    tmp_path: Path, goods: list[tuple[int, int]]
) -> None:
    order = ChannelOrder(references(tmp_path, *(part(*good) for good in goods)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for frame in (part(60, 150), part(150, 60), np.zeros((8, 8, 3), np.uint8)):
            order.check(frame)


def test_a_reference_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    order = ChannelOrder([bad, *references(tmp_path, part(150, 60))])
    with pytest.warns(UserWarning, match="swapped"):
        order.check(part(150, 60)[..., ::-1])
