"""What the model is asked about one frame: once, or several times whose answers are put together.

Several asks come from test-time views (flips and turns), from the five crops of the ranking, from references
that the model can only take in turn, and from a crop of the frame's hottest place that is not shown in the
same conversation as the whole. Pure array slicing: no pixel is changed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from saec.cloud.questions.views import Sight, sights
from saec.settings import UNIT, Spending
from saec.types import Box, CloudQuery, Image, Spent

CROP = 448
"""Side in pixels of the ranking's crops; a model that sees less crops its own side."""

VIEWS = 8
"""Flips and turns of a square: the most views that there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """One pass of the model: the references and the frame, each shown at about side x side pixels.

    Attributes:
        near: they are crops around the frame's hottest place.
        beside: their crops, which are shown in the same conversation.
    """

    frame: Image
    references: tuple[Image, ...]
    side: int
    near: bool = False
    beside: Ask | None = None

    def pictures(self) -> list[tuple[Image, int]]:
        """Every image with its side in the order of the conversation: goods first, each whole before near."""
        images = [*self.references, self.frame]
        if self.beside is None:
            return [(image, self.side) for image in images]
        crops = [*self.beside.references, self.beside.frame]
        pairs = zip(images, crops, strict=True)
        return [shown for i, c in pairs for shown in ((i, self.side), (c, self.beside.side))]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question becomes asks.

    Attributes:
        side: square root of the number of pixels at which an image is shown.
        references: number of goods shown, of those that a question brings.
        together: how many of them the model takes in one pass; None is any number.
        views: flips and turns, 1 to ``VIEWS``.
        crops: five crops instead of the whole frame.
        spending: what of the frame is shown.
        beside: whole and crop go into one conversation; else they are shown in turn.
        most: tokens that an image may take.
        unit: pixels per token and side.
    """

    side: int
    references: int
    together: int | None = None
    views: int = 1
    crops: bool = False
    spending: Spending = field(default_factory=Spending)
    beside: bool = False
    most: int | None = None
    unit: int = UNIT


def asks_of(query: CloudQuery, plan: Plan) -> list[Ask]:
    """The asks that make up the opinion on a query; frame and references are cut and turned alike.

    References that do not go into one pass are shown in turn, ``plan.together`` at a time.
    """
    return [
        ask
        for shown in _in_turn(query.references[: plan.references], plan.together)
        for cut in _cuts(query, shown, plan)
        for ask in (_turned(cut, n) for n in range(plan.views))
    ]


def p_of(near: Sequence[bool], pairs: Sequence[tuple[float, float]]) -> float:
    """P(defect) of one frame from its asks.

    The passes of one sight are averaged. Where whole and crop were shown in turn it is the probability that a
    defect lies in either (noisy-or, Pearl 1988), each taken at the prior that leaves the frame at even odds:
    a sure defect stays sure whatever the other sight says, for the hottest place may be the wrong one.

    Args:
        near: whether each ask shows crops.
        pairs: each ask's numbers (good, defect), of which a softmax gives P.
    """
    shown = list(zip(near, pairs, strict=True))
    margins = [_margin([pair for of, pair in shown if of is sight]) for sight in sorted(set(near))]
    prior = 1 - 0.5 ** (1 / len(margins))
    shift = math.log(prior / (1 - prior))
    return -math.expm1(-math.fsum(_softplus(z + shift) for z in margins))


def mean_p(pairs: Sequence[tuple[float, float]]) -> float:
    """P(defect): the softmax of the means of (good, defect)."""
    return -math.expm1(-_softplus(_margin(pairs)))


def _margin(pairs: Sequence[tuple[float, float]]) -> float:
    """Mean of defect less mean of good."""
    good, defect = (math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True))
    return defect - good


def _softplus(z: float) -> float:
    """-log(1 - P) of the log odds of P."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def spent(asks: Sequence[Ask], tokens: Callable[[Image, int], int], text: int | None, sent: int) -> Spent:
    """What the asks about one frame took.

    Args:
        asks: the asks of one query.
        tokens: number of tokens that an image takes at a given side.
        text: tokens of the words of all asks.
        sent: bytes of all requests.
    """
    passes = [one for ask in asks for one in (ask, ask.beside) if one is not None]
    return Spent(
        shown=tuple(dict.fromkeys(f"{'crop' if one.near else 'whole'} {one.side}" for one in passes)),
        frame=sum(tokens(one.frame, one.side) for one in passes),
        references=sum(tokens(image, one.side) for one in passes for image in one.references),
        text=text,
        bytes=sent,
    )


def explaining_ask(query: CloudQuery, plan: Plan) -> Ask:
    """The one ask that gets the words, with the references of one pass.

    It shows the whole frame as it is, or whole and crop where both go into one conversation.
    """
    shown = next(_in_turn(query.references[: plan.references], plan.together))
    if plan.beside:
        return _seen(query, shown, plan)[0]
    return Ask(query.frame.image, shown, plan.side)


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


def _cuts(query: CloudQuery, references: tuple[Image, ...], plan: Plan) -> list[Ask]:
    """The asks of one view: one for each crop of the ranking, or one for each sight."""
    if not plan.crops:
        return _seen(query, references, plan)
    side, images = min(CROP, plan.side), (query.frame.image, *references)
    if all(max(image.shape[:2]) <= side for image in images):
        return [_ask(images, side)]
    return [_ask(cut, side) for cut in zip(*(five_crops(image, side) for image in images), strict=True)]


def _seen(query: CloudQuery, references: tuple[Image, ...], plan: Plan) -> list[Ask]:
    """The asks of a frame's sights; one where they go into one conversation."""
    images = (query.frame.image, *references)
    height, width = images[0].shape[:2]
    seen = sights(height, width, query.hottest, query.complexity, plan.spending, plan.side, plan.unit)
    asks = [_at(images, sight) for sight in seen]
    if plan.beside and len(asks) > 1:
        whole, near = asks
        return [replace(whole, beside=near)]
    return asks


def _at(images: Sequence[Image], sight: Sight) -> Ask:
    if sight.part is None:
        return _ask(images, sight.side)
    size = images[0].shape[:2]
    return replace(_ask([_part(i, sight.part, size) for i in images], sight.side), near=True)


def _part(image: Image, part: Box, size: tuple[int, ...]) -> Image:
    """The part of an image that lies where a box does in a frame of that size; an array of its own.

    Engines remember what they have made of a line's references, which are the same for every frame; a part of
    one is not, so it must not be taken for one.
    """
    (height, width), (x0, y0, x1, y1) = image.shape[:2], part
    top, left = y0 * height // size[0], x0 * width // size[1]
    bottom, right = max(top + 1, y1 * height // size[0]), max(left + 1, x1 * width // size[1])
    return image[top:bottom, left:right].copy()


def _ask(images: Sequence[Image], side: int) -> Ask:
    frame, *references = images
    return Ask(frame, tuple(references), side)


def _turned(ask: Ask, n: int) -> Ask:
    return replace(
        ask,
        frame=turned(ask.frame, n),
        references=tuple(turned(image, n) for image in ask.references),
        beside=ask.beside and _turned(ask.beside, n),
    )


def _in_turn(references: tuple[Image, ...], together: int | None) -> Iterator[tuple[Image, ...]]:
    step = together or max(len(references), 1)
    for at in range(0, max(len(references), 1), step):
        yield references[at : at + step]
