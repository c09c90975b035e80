"""What is no H x W x 3 uint8 array is refused wherever images come in, and the remedy makes one of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from saec.arrays import check_image
from saec.errors import ImageError
from saec.scene.complexity import features
from saec.types import CloudQuery, Frame
from saec_research.seed.seed_complexity import seed_complexity

GOOD = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
WRONG: dict[str, Any] = {
    "floats": (GOOD / 255.0, "255 * image"),
    "float32": (GOOD.astype(np.float32), "0 to 255"),
    "16 bit": (GOOD.astype(np.uint16) << 8, "bits - 8"),
    "signed": (GOOD.astype(np.int64), "astype"),
    "booleans": (GOOD > 9, "astype"),
    "grey": (GOOD[..., 0], "np.dstack"),
    "one channel": (GOOD[..., :1], "np.dstack"),
    "alpha": (np.dstack([GOOD, GOOD[..., 0]]), "image[..., :3]"),
    "channels first": (GOOD.transpose(2, 0, 1), "transpose(1, 2, 0)"),
    "a batch": (GOOD[None], "list(batch)"),
    "no rows": (GOOD[:0], "with pixels"),
    "no columns": (GOOD[:, :0], "with pixels"),
    "a list": (GOOD.tolist(), "numpy array"),
    "nothing": (None, "numpy array"),
    "a path": ("part.png", "read_image"),
}
ENTRIES: dict[str, Callable[[Any], object]] = {
    "check": check_image,
    "complexity": features,
    "seed": seed_complexity,
    "frame": lambda image: Frame("a", image),
    "reference": lambda image: CloudQuery(Frame("a", GOOD), (GOOD, image)),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_image_is_refused_with_its_remedy(entry: str, wrong: str) -> None:
    image, remedy = WRONG[wrong]
    with pytest.raises(ImageError) as e:
        ENTRIES[entry](image)
    assert remedy in e.value.remedy


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_every_image_passes_as_it_is(image: np.ndarray) -> None:
    assert check_image(image) is image
    assert check_image(image[:, ::-1]).shape == image.shape


def test_the_remedies_do_what_they_say() -> None:
    grey, floats, deep = GOOD[..., 0], GOOD / 255.0, GOOD.astype(np.uint16) << 4
    np.testing.assert_array_equal(check_image((255 * floats).round().astype(np.uint8)), GOOD)
    np.testing.assert_array_equal(check_image((deep >> 4).astype(np.uint8)), GOOD)
    assert check_image(np.dstack([grey] * 3)).shape == GOOD.shape
    np.testing.assert_array_equal(check_image(GOOD.transpose(2, 0, 1).transpose(1, 2, 0)), GOOD)
