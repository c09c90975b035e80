"""Stand-ins: a mark that shows, where it may lie, and nothing else changed."""

from __future__ import annotations

import numpy as np
import pytest

from saec.data.synthetic_defects import KINDS, paint_stand_in, product_mask
from saec.errors import DataError


def texture(seed: int = 0, colour: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = rng.integers(120, 140, (128, 96, 3), np.uint8)
    return image if colour else np.repeat(image[..., :1], 3, axis=2)


def object_on_white() -> np.ndarray:
    image = np.full((128, 128, 3), 250, np.uint8)
    image[40:90, 30:100] = 90
    return image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_mark_changes_its_mask_and_nothing_else(kind: str, seed: int) -> None:
    good = texture(seed)
    before = good.copy()
    made = paint_stand_in(good, kind, np.random.default_rng(seed))
    changed = (made.image != good).any(axis=2)
    assert (good == before).all()
    assert made.kind == kind
    assert made.image.dtype == np.uint8
    assert 0 < made.mask.sum() < made.mask.size / 4
    assert not (changed & ~made.mask).any()
    difference = np.abs(made.image.astype(int) - good).max(axis=2)
    assert difference[made.mask].mean() > 5


@pytest.mark.parametrize("kind", KINDS)
def test_marks_lie_where_they_may(kind: str) -> None:
    where = np.zeros((128, 96), np.bool_)
    where[:64] = True
    made = paint_stand_in(texture(), kind, np.random.default_rng(1), where=where)
    assert not made.mask[66:].any()  # the mask closes gaps by a pixel


def test_marks_lie_on_the_product() -> None:
    image = object_on_white()
    mask = product_mask(image)
    assert mask[45:85, 35:95].all()
    assert mask.mean() < 0.3
    made = paint_stand_in(image, "stain", np.random.default_rng(2))
    assert not (made.image[~mask] != image[~mask]).any()


def test_a_texture_is_product_everywhere() -> None:
    assert product_mask(texture()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_camera_sees_no_colour(kind: str) -> None:
    made = paint_stand_in(texture(colour=False), kind, np.random.default_rng(3))
    assert (made.image == made.image[..., :1]).all()


def test_the_same_randomness_paints_the_same() -> None:
    one, other = (paint_stand_in(texture(), "crack", np.random.default_rng(4)) for _ in range(2))
    assert (one.image == other.image).all()


def test_no_place_is_an_error() -> None:
    with pytest.raises(DataError, match="cannot be seen"):
        paint_stand_in(texture(), "stain", np.random.default_rng(0), where=np.zeros((128, 96), np.bool_))
