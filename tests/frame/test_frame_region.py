"""A region is judged in its place, and what comes of it is told in pixels of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from saec.errors import ImageError
from saec.frame.assessment import Assessment, DecodedFrame
from saec.frame.frame_region import (
    region_frame,
    region_of,
    region_query,
    seen_in_picture,
    words_in_picture,
)
from saec.types import CloudQuery, EdgeOpinion, Explanation, Frame, Source

REGION = (3, 1, 9, 5)
PICTURE = np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3)


def test_the_pixels_of_a_region() -> None:
    frame = DecodedFrame(Source(id="a", path="a"), PICTURE, "", 0.0, 0.0, None, {})
    assert region_frame(frame, None) is frame
    cut = region_frame(frame, REGION).image
    assert np.array_equal(cut, PICTURE[1:5, 3:9])
    assert cut.flags.c_contiguous


@pytest.mark.parametrize("region", [(0, 0, 11, 8), (0, 0, 10, 9), (-1, 0, 4, 4), (4, 0, 4, 8)])
def test_a_region_that_does_not_lie_in_the_picture_is_refused(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(ImageError, match="10 x 8 pixels"):
        region_of(PICTURE, region, "a")


def test_maps_and_boxes_are_told_in_the_picture() -> None:
    heat = np.zeros((2, 2), np.float32)
    seen = Assessment(EdgeOpinion(1.0, 1, map=heat, map_box=(1, 0, 5, 4)), focus=(1, 1, 2, 2))
    told = seen_in_picture(seen, REGION)
    assert (told.opinion.map_box, told.focus, told.hottest) == ((4, 1, 8, 5), (4, 2, 5, 3), None)
    whole = seen_in_picture(Assessment(EdgeOpinion(1.0, 1, map=heat)), REGION)
    assert whole.opinion.map_box == REGION
    assert seen_in_picture(Assessment(EdgeOpinion(1.0, 1)), REGION).opinion.map_box is None
    assert seen_in_picture(seen, None) is seen


def test_the_cloud_is_shown_the_region_and_its_box_comes_back_into_the_picture() -> None:
    query = CloudQuery(Frame(id="a", image=PICTURE), focus=(4, 2, 5, 3), hottest=(3, 1, 4, 2))
    asked = region_query(query, REGION)
    assert np.array_equal(asked.frame.image, PICTURE[1:5, 3:9])
    assert (asked.focus, asked.hottest) == ((1, 1, 2, 2), (0, 0, 1, 1))
    assert words_in_picture(Explanation("dent", "A dent.", asked.focus), REGION).box == query.focus
    assert region_query(query, None) is query
