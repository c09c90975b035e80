"""A frame that is no fair picture of a part is stopped, and the guard says what is wrong with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from saec.data.procedural import draw_product
from saec.errors import ConfigError
from saec.station.line.guard import FrameGuard, GuardError
from saec.station.setup.station_settings import FrameGuardSettings
from saec.types import Image

PRODUCT = draw_product("gear", 3)
GOODS = [PRODUCT.render(i, size=192).image for i in range(4)]


def check(image: Image, **settings: float) -> str:
    try:
        FrameGuard(FrameGuardSettings(**settings), GOODS).check(image)
    except GuardError as e:
        return e.kind if e.remedy else "no remedy"
    return ""


def test_goods_and_defects_pass() -> None:
    for i in range(8):
        assert check(PRODUCT.render(100 + i, size=192).image) == ""
        assert check(PRODUCT.render(200 + i, PRODUCT.kinds[i % len(PRODUCT.kinds)], 0.2, 192).image) == ""


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (np.zeros((50, 70, 3), np.uint8), "dark"),
        (np.full((50, 70, 3), 255, np.uint8), "bright"),
        (np.full((50, 70, 3), 120, np.uint8), "empty"),
        (cv2.GaussianBlur(GOODS[0], (0, 0), 9), "blurred"),
        ((GOODS[0] * 0.04).astype(np.uint8), "dark"),
    ],
)
def test_what_is_no_fair_picture_is_stopped(image: Image, kind: str) -> None:
    assert check(image) == kind


@pytest.mark.parametrize("shape", [(1, 1), (1, 100_000), (100_000, 1), (1, 4096), (3, 2)])
def test_a_frame_of_any_shape_is_looked_at(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    assert check(noise, dark=0.0, bright=255.0) in ("", "empty", "blurred")


def test_each_check_can_be_left_out() -> None:
    off = {"dark": 0.0, "bright": 255.0, "blur": 0.0, "empty": 0.0}
    for grey in (0, 120, 255):
        assert check(np.full((9, 9, 3), grey, np.uint8), **off) == ""
    FrameGuard(FrameGuardSettings(**off), []).check(GOODS[0])
    with pytest.raises(ConfigError, match="reference"):
        FrameGuard(FrameGuardSettings(), [])
