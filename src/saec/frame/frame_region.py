"""A region of a picture that is judged in its place; what comes of it is told in pixels of the picture."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from saec.errors import ImageError
from saec.frame.assessment import Assessment, DecodedFrame
from saec.types import Box, CloudQuery, Explanation, Image


def region_of(image: Image, region: Box | None, name: str) -> Image:
    """The pixels of a region, h x w x 3; the picture itself for None.

    Args:
        image: H x W x 3.
        region: left, top, right and bottom in pixels, the last two exclusive.
        name: what an error calls the picture.

    Raises:
        ImageError: the region does not lie in the picture.
    """
    if region is None:
        return image
    left, top, right, bottom = region
    height, width = image.shape[:2]
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ImageError(
            f"{name} has {width} x {height} pixels, and the region {list(region)} does not lie in it",
            "correct the recipe's region, or the camera's size",
        )
    return np.ascontiguousarray(image[top:bottom, left:right])


def region_frame(frame: DecodedFrame, region: Box | None) -> DecodedFrame:
    """The frame with the pixels of a region alone; see ``region_of``."""
    if region is None:
        return frame
    return replace(frame, image=region_of(frame.image, region, frame.source.id))


def in_picture(box: Box | None, region: Box | None) -> Box | None:
    """A box in pixels of a region as one in pixels of the picture."""
    return _moved(box, region, 1)


def seen_in_picture(seen: Assessment, region: Box | None) -> Assessment:
    """What the edge made of a region, its map and boxes in pixels of the picture."""
    if region is None:
        return seen
    opinion = seen.opinion
    if opinion.map is not None:
        place = region if opinion.map_box is None else in_picture(opinion.map_box, region)
        opinion = msgspec.structs.replace(opinion, map_box=place)
    return msgspec.structs.replace(
        seen,
        opinion=opinion,
        focus=in_picture(seen.focus, region),
        hottest=in_picture(seen.hottest, region),
    )


def region_query(query: CloudQuery, region: Box | None) -> CloudQuery:
    """The question about a region: its pixels alone, and boxes in them.

    Raises:
        ImageError: see ``region_of``.
    """
    if region is None:
        return query
    frame = query.frame
    return replace(
        query,
        frame=replace(frame, image=region_of(frame.image, region, frame.id)),
        focus=_moved(query.focus, region, -1),
        hottest=_moved(query.hottest, region, -1),
    )


def words_in_picture(words: Explanation, region: Box | None) -> Explanation:
    """The cloud's words about a region, their box in pixels of the picture."""
    return msgspec.structs.replace(words, box=in_picture(words.box, region))


def _moved(box: Box | None, region: Box | None, sign: int) -> Box | None:
    if box is None or region is None:
        return box
    x, y = sign * region[0], sign * region[1]
    return (box[0] + x, box[1] + y, box[2] + x, box[3] + y)
