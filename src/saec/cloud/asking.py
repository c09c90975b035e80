"""What the model is asked about one frame: once, or several times whose answers are averaged.

Several asks come from test-time views (flips and turns), from the five crops of the ranking, and from
references that the model can only take in turn. Pure array slicing: no pixel is changed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saec.verdict import CloudQuery, Image

CROP = 448
"""Side in pixels of the ranking's crops; a model that sees less crops its own side."""

VIEWS = 8
"""Flips and turns of a square: the most views that there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One pass of the model: the references and the frame, each shown at about side x side pixels."""

    frame: Image
    references: tuple[Image, ...]
    side: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question becomes asks.

    Attributes:
        side: square root of the number of pixels at which an image is shown.
        references: number of goods shown, of those that a question brings.
        together: how many of them the model takes in one pass; None is any number.
        views: flips and turns, 1 to ``VIEWS``.
        crops: five crops instead of the whole frame.
    """

    side: int
    references: int
    together: int | None = None
    views: int = 1
    crops: bool = False


def asks_of(query: CloudQuery, plan: Plan) -> list[Ask]:
    """The asks whose mean is the opinion on a query; frame and references are cut and turned alike.

    References that do not go into one pass are shown in turn, ``plan.together`` at a time.
    """
    side = min(CROP, plan.side) if plan.crops else plan.side
    asks = []
    for shown in _in_turn(query.references[: plan.references], plan.together):
        images = [query.frame.image, *shown]
        for cut in _cuts(images, side) if plan.crops else [images]:
            for n in range(plan.views):
                frame, *references = (turned(image, n) for image in cut)
                asks.append(Ask(frame, tuple(references), side))
    return asks


def mean_p(pairs: Sequence[tuple[float, float]]) -> float:
    """P(defect): the softmax of the means of (good, defect) over the asks about one frame."""
    good, defect = (math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True))
    z = defect - good
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def explaining_ask(query: CloudQuery, plan: Plan) -> Ask:
    """The one ask that gets the words: the whole frame as it is, with the references of one pass."""
    return Ask(
        query.frame.image, next(_in_turn(query.references[: plan.references], plan.together)), plan.side
    )


def turned(image: Image, n: int) -> Image:
    """The n-th view of an image, 0 to 7: flips for the first four, then the same with rows as columns.

    0 is the image itself, 1 mirrors left and right, 2 turns it by half, 3 mirrors top and bottom.
    """
    if n == 0:
        return image
    image = image.transpose(1, 0, 2) if n >= 4 else image
    across = n % 4 in (1, 2)
    down = n % 4 in (2, 3)
    return image[:: -1 if down else 1, :: -1 if across else 1]


def five_crops(image: Image, side: int) -> list[Image]:
    """The four corners and the centre, side x side pixels; a shorter image gives all that it has."""
    height, width = image.shape[:2]
    h, w = min(side, height), min(side, width)
    bottom, right = height - h, width - w
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    return [image[y : y + h, x : x + w] for y, x in corners]


def _cuts(images: list[Image], side: int) -> list[list[Image]]:
    """The five crops of all images together; one where nothing is larger than a crop."""
    if all(max(image.shape[:2]) <= side for image in images):
        return [images]
    return [list(cut) for cut in zip(*(five_crops(image, side) for image in images), strict=True)]


def _in_turn(references: tuple[Image, ...], together: int | None) -> Iterator[tuple[Image, ...]]:
    step = together or max(len(references), 1)
    for at in range(0, max(len(references), 1), step):
        yield references[at : at + step]
