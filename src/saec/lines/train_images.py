"""The labelled images that a line learns from: each is read once, measured, and given to the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saec.data.copies import DistinctImages, ReadImage
from saec.data.images.pixels import read_image
from saec.data.items import Item, stated_kind
from saec.data.masks import mask_pixels
from saec.edge.learning.fit_contract import ImageOf, Learner, Progress, TrainFrame
from saec.edge.learning.taught_frames import group_of
from saec.scene.complexity import features
from saec.types import DEFECT, GOOD, Image


@dataclass(frozen=True, slots=True)
class TrainImages:
    """What was learned from.

    Attributes:
        goods, defects: sha256 -> item; each picture once.
        measured: sha256 -> complexity features.
        left_out: goods that were copies of others.
    """

    goods: dict[str, Item]
    defects: dict[str, Item]
    measured: dict[str, dict[str, float]]
    left_out: int

    def reader(self, bits: int) -> ImageOf:
        """Reads one of these images again."""
        items = self.goods | self.defects

        def read(sha: str) -> Image | None:
            return read_image(items[sha].path, bits=bits) if sha in items else None

        return read


def learn_from(
    learner: Learner, goods: Sequence[Item], defects: Sequence[Item], *, bits: int, progress: Progress
) -> TrainImages:
    """Give labelled images to a fit, goods first.

    Raises:
        DataError: an image that cannot be read, or goods that are all nearly one picture.
        ImageError: a file that is no image.
    """
    good_images = DistinctImages(goods, bits=bits, varied=True, measure=features)
    defect_images = DistinctImages(defects, bits=bits, measure=features)
    found: dict[int, dict[str, Item]] = {GOOD: {}, DEFECT: {}}
    measured: dict[str, dict[str, float]] = {}
    for label, images in ((GOOD, good_images), (DEFECT, defect_images)):
        for read in images:
            found[label][read.sha] = read.item
            measured[read.sha] = read.measured
            learner.add(_frame(read, label))
            progress("learning", len(measured), len(goods) + len(defects))
    return TrainImages(found[GOOD], found[DEFECT], measured, good_images.left_out)


def _frame(read: ReadImage, label: int) -> TrainFrame:
    item = read.item
    mask = None
    if label == DEFECT and item.mask is not None:
        mask = mask_pixels(item.mask, read.image.shape[:2])
    return TrainFrame(
        sha=read.sha,
        image=read.image,
        label=label,
        group=group_of(item.part, read.sha),
        kind=stated_kind(item.kind),
        mask=mask,
        picked=item.picked,
    )
