"""Pictures that a changed camera takes fail where every label is right; the same camera again passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest

from saec.data.procedural import draw_product
from saec.station.challenge.condition_checks import PairedPicture, check_conditions, check_goods, goods_spread
from saec.station.challenge.picture_look import PictureLook, picture_look, shift_between, unlikeness
from saec.types import Image

FAMILIES = ("bearing", "leather")
GOODS, REFERENCES = 6, 4


@cache
def goods(family: str) -> tuple[Image, ...]:
    product = draw_product(family, 2**31)
    return tuple(product.render(seed, size=128).image for seed in range(GOODS + REFERENCES))


def noisy(image: Image, seed: int, sigma: float = 2.0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def dimmed(image: Image, factor: float) -> Image:
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * image.shape[1] / 256), np.uint8)


def shifted(image: Image, share: float) -> Image:
    by = round(share * image.shape[1])
    move = np.array([[1, 0, by], [0, 1, by]], np.float32)
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.warpAffine(image, move, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


def failed(family: str, seen: list[Image]) -> set[str]:
    """Names of the conditions that golden goods fail as they are seen now."""
    looks = [picture_look(image) for image in goods(family)]
    pinned, references = looks[:GOODS], looks[GOODS:]
    now = [picture_look(image) for image in seen]
    pairs = [PairedPicture(str(n), *both) for n, both in enumerate(zip(pinned, now, strict=True))]
    checks = [*check_conditions(pairs, goods_spread(looks, ())), *check_goods(now, references)]
    return {check.name for check in checks if not check.ok}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_camera_again_passes_each_time(family: str) -> None:
    for run in range(5):
        assert (
            failed(family, [noisy(image, 10 * run + n) for n, image in enumerate(goods(family)[:GOODS])])
            == set()
        )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("change", "severity", "names"),
    [
        (dimmed, 0.9, {"brightness"}),
        (dimmed, 0.6, {"brightness", "goods' brightness"}),
        (dimmed, 1.15, {"brightness"}),
        (blurred, 1.0, {"sharpness"}),
        (blurred, 3.0, {"sharpness", "goods' sharpness"}),
        (shifted, 0.05, {"position"}),
        (shifted, 0.1, {"position"}),
    ],
)
def test_a_changed_camera_fails(
    family: str, change: Callable[[Image, float], Image], severity: float, names: set[str]
) -> None:
    seen = [noisy(change(image, severity), n) for n, image in enumerate(goods(family)[:GOODS])]
    assert names <= failed(family, seen)


def test_another_product_fails() -> None:
    for family, other in (FAMILIES, FAMILIES[::-1]):
        assert "likeness" in failed(family, list(goods(other)[:GOODS]))


def test_a_shift_is_measured_to_parts_of_a_pixel_and_taken_back() -> None:
    image = goods("bearing")[0]
    before, after = picture_look(image), picture_look(shifted(image, 8 / 128))
    shift = shift_between(before, after)
    assert shift is not None
    assert shift == pytest.approx((8 / 128, 8 / 128), abs=0.006)
    assert unlikeness(before, after, shift) < 0.05
    assert unlikeness(before, after, (0.0, 0.0)) > 0.2


def test_a_dimmed_picture_is_no_blurred_one() -> None:
    image = goods("leather")[0]
    before, after = picture_look(image), picture_look(dimmed(image, 0.7))
    assert after.sharpness == pytest.approx(before.sharpness, rel=0.1)


def test_scores_of_one_version_are_compared_by_their_ratio() -> None:
    spread = goods_spread([], [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.98, 1.0])
    parts = [PairedPicture(str(n), score_pinned=2.0, score_seen=score) for n, score in enumerate((2.1, 1.95))]
    (check,) = check_conditions(parts, spread)
    assert (check.name, check.ok) == ("score", True)
    parts = [PairedPicture(str(n), score_pinned=2.0, score_seen=3.0) for n in range(2)]
    (check,) = check_conditions(parts, spread)
    assert not check.ok
    assert check.difference == pytest.approx(np.log(1.5))


def test_pictures_of_another_shape_are_unlike() -> None:
    square = picture_look(np.full((64, 64, 3), 90, np.uint8))
    wide = picture_look(np.full((64, 128, 3), 90, np.uint8))
    assert shift_between(square, wide) is None
    assert unlikeness(square, wide, None) == 1.0
    assert isinstance(square, PictureLook)
