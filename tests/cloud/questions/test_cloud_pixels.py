from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from saec.cloud.questions.image_patches import Preprocessing, fit_size, patches
from saec.rounding import apart
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import noise

pytestmark = pytest.mark.numeric

sides = st.integers(16, 4000)


@pytest.mark.parametrize("shape", [(224, 224), (300, 180), (97, 421)])
@pytest.mark.parametrize("patch", [10, 14])
def test_patches_are_those_of_transformers(shape: tuple[int, int], patch: int) -> None:
    size = (14 * patch, 18 * patch)
    theirs = Qwen2VLImageProcessorPil.from_pretrained(SMALL, patch_size=patch)
    area = {"shortest_edge": size[0] * size[1], "longest_edge": size[0] * size[1]}
    image = noise(1, *shape)
    ours, grid = patches(image, size, dataclasses.replace(Preprocessing.read(SMALL), patch=patch))
    # Their resize follows the aspect, so it is given an image that is of the size already.
    resized = np.asarray(Pillow.fromarray(image).resize(size[::-1], Pillow.Resampling.BICUBIC))
    expected = theirs(images=[resized], size=area, return_tensors="np")
    assert grid == tuple(expected["image_grid_thw"][0])
    np.testing.assert_allclose(ours, expected["pixel_values"], rtol=0, atol=apart(4, np.abs(ours).max()))


def test_an_image_of_the_right_size_is_not_resized() -> None:
    how = Preprocessing.read(SMALL)
    image = np.zeros((20, 20, 3), np.uint8)
    image[13, 17] = 255
    cut, _ = patches(image, (20, 20), how)
    assert (cut > 0).sum() == 3 * how.temporal
    assert cut.max() == pytest.approx((1 - how.mean[0]) / how.std[0])


@given(height=sides, width=sides, side=st.sampled_from([112, 224, 448, 512]))
def test_a_size_is_a_whole_number_of_tokens_near_the_wanted_area_and_aspect(
    height: int, width: int, side: int
) -> None:
    h, w = fit_size(height, width, side, 28)
    assert h % 28 == w % 28 == 0
    assert h > 0
    assert w > 0
    if max(height, width) <= 4 * min(height, width):
        assert 0.6 < h * w / side**2 < 1.7
        assert 0.6 < (h / w) / (height / width) < 1.7


@given(height=sides, width=sides)
def test_squares_stay_squares(height: int, width: int) -> None:
    assert fit_size(height, width, 224, 28, square=True) == (224, 224)


def test_equal_windows_are_preferred_when_they_cost_little() -> None:
    assert fit_size(1000, 1000, 448, 28) == (448, 448)
    assert fit_size(1000, 950, 448, 28) == (448, 448)


@given(height=sides, width=sides, most=st.integers(1, 600), square=st.booleans())
def test_a_budget_of_tokens_is_kept(height: int, width: int, most: int, square: bool) -> None:
    h, w = fit_size(height, width, 448, 28, square=square, most=most)
    assert h % 28 == w % 28 == 0
    free = fit_size(height, width, 448, 28, square=square)
    assert (h // 28) * (w // 28) <= most or 1 in (h // 28, w // 28)
    assert h * w <= free[0] * free[1] or h * w <= most * 28**2


def test_a_budget_that_is_never_reached_changes_nothing() -> None:
    assert fit_size(300, 900, 448, 28, most=10_000) == fit_size(300, 900, 448, 28)
