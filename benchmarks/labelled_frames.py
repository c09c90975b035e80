"""Labelled frames of a data set or of a drawn line, with the features of each, for benchmarks of learning.

The features are those of the product: the same preparation, the same graph, made once for each frame. With a
folder to keep them in, a later run reads them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.data.copies import DistinctImages
from saec.data.dataset import Dataset, open_dataset
from saec.data.items import Item, stated_kind
from saec.data.masks import mask_pixels
from saec.data.procedural import draw_product
from saec.decoding import decode
from saec.edge.graph import OPENVINO_TYPES, compile_graph
from saec.edge.learning.judged_region import marked_cells
from saec.edge.learning.taught_frames import TaughtFrame, TaughtFrames, group_of
from saec.edge.preparation import input_size, prepare
from saec.edge.training.feature_source import FeatureSource, tile_side
from saec.profile import Preparation
from saec.settings import FitConfig
from saec.types import DEFECT, GOOD, Image

Floats = NDArray[np.float32]

FRESH = 100_000
"""Seed of the first drawn test frame; train goods count up from 0."""


@dataclass(frozen=True)
class Drawing:
    """How a line is drawn.

    Attributes:
        goods, test_goods: train goods, and goods to judge.
        defects: defects of each kind.
        side: of a frame, in pixels.
        difficulty, variation: see ``Product.render``.
        product: seed of the product.
        train_defects: defects of each kind in the train split.
        drift: how much more the last train frames, and all that are judged, vary than the first.
        still: train goods before the drift begins.
    """

    goods: int
    test_goods: int
    defects: int
    side: int = 320
    difficulty: float = 0.5
    variation: float = 0.3
    product: int = 2**31
    train_defects: int = 0
    drift: float = 0.0
    still: int = 0

    def phase(self, at: int, of: int) -> float:
        """How far the drift has come at frame ``at`` of ``of``, 0 to 1."""
        return max(0.0, (at - self.still) / max(of - 1 - self.still, 1))


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrames:
    """Frames and their features.

    Attributes:
        name: of the data set or the line.
        frames: what is known of each.
        train: which of them are of the train split.
        features: n x C x h x w.
    """

    name: str
    frames: list[TaughtFrame]
    train: NDArray[np.bool_]
    features: Floats

    def chosen(self, label: int, *, train: bool) -> list[int]:
        """Indices of the frames with this label in the train split, or outside."""
        return [i for i, frame in enumerate(self.frames) if frame.label == label and self.train[i] == train]

    def taught(self, goods: list[int]) -> TaughtFrames:
        """What a line keeps of these goods."""
        taught = TaughtFrames()
        for at in goods:
            taught.add(self.frames[at], self.features[at])
        taught.settle()
        return taught


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """A frame before its features are known."""

    sha: str
    image: Image
    label: int
    train: bool
    group: str
    kind: str
    mask: NDArray[np.bool_] | None = None


class _Kept(msgspec.Struct):
    frames: list[TaughtFrame]
    train: list[bool]


def of_data_set(root: Path, config: FitConfig, work: Path | None) -> LabelledFrames:
    """The labelled frames of a data set: its train split, and those that a line is judged on."""
    dataset = open_dataset(root)
    return _frames(dataset.name, _read(dataset, config.bits), config, work, str(root.resolve()))


def of_family(family: str, drawing: Drawing, config: FitConfig, work: Path | None) -> LabelledFrames:
    """A drawn line."""
    return _frames(family, _drawn(family, drawing), config, work, f"{family} {drawing}")


def _read(dataset: Dataset, bits: int) -> Iterator[_Shown]:
    train, held_out = dataset.select("train"), dataset.holdout()
    for items, of_train in ((train, True), (held_out, False)):
        for label in (GOOD, DEFECT):
            chosen = [item for item in items if item.label == label]
            for read in DistinctImages(chosen, bits=bits):
                mask = _mask(read.item, read.image)
                kind = "" if label == GOOD else stated_kind(read.item.kind)
                yield _Shown(
                    read.sha, read.image, label, of_train, group_of(read.item.part, read.sha), kind, mask
                )


def _mask(item: Item, image: Image) -> NDArray[np.bool_] | None:
    if item.label != DEFECT or item.mask is None:
        return None
    return mask_pixels(item.mask, image.shape[:2])


def _drawn(family: str, drawing: Drawing) -> Iterator[_Shown]:
    """Frames without masks: what a person labels in a second."""
    product = draw_product(family, drawing.product)
    shots: list[tuple[int, str | None, float]] = [
        (seed, None, drawing.phase(seed, drawing.goods)) for seed in range(drawing.goods)
    ]
    shots += [(FRESH + at, None, 1.0) for at in range(drawing.test_goods)]
    kinds = [kind for kind in product.kinds for _ in range(drawing.defects)]
    shots += [(2 * FRESH + at, kind, 1.0) for at, kind in enumerate(kinds)]
    taught = [kind for _ in range(drawing.train_defects) for kind in product.kinds]
    shots += [(3 * FRESH + at, kind, at / max(len(taught) - 1, 1)) for at, kind in enumerate(taught)]
    for seed, kind, phase in shots:
        variation = drawing.variation + drawing.drift * phase
        image = product.render(seed, kind, drawing.difficulty, drawing.side, variation).image
        sha = hashlib.sha256(image.tobytes()).hexdigest()
        train = seed < FRESH or seed >= 3 * FRESH
        yield _Shown(sha, image, GOOD if kind is None else DEFECT, train, sha, kind or "")


def _frames(
    name: str, shown: Iterator[_Shown], config: FitConfig, work: Path | None, source: str
) -> LabelledFrames:
    key = hashlib.sha256(f"{source} {config.side_px} {config.tiles} {config.backbone}".encode()).hexdigest()
    stem = None if work is None else work / f"{name}-{key[:12]}"
    if stem is not None and stem.with_suffix(".npy").is_file():
        kept = decode(stem.with_suffix(".json").read_bytes(), _Kept)
        features = np.load(stem.with_suffix(".npy"), mmap_mode="r")
        return LabelledFrames(name, kept.frames, np.array(kept.train), features)
    found = _computed(name, shown, config)
    if stem is not None:
        stem.parent.mkdir(parents=True, exist_ok=True)
        record = _Kept(found.frames, found.train.tolist())
        stem.with_suffix(".json").write_bytes(msgspec.json.encode(record))
        np.save(stem.with_suffix(".npy"), found.features)
    return found


def _computed(name: str, shown: Iterator[_Shown], config: FitConfig) -> LabelledFrames:
    frames, train, features = list[TaughtFrame](), list[bool](), list[Floats]()
    source = FeatureSource(config, print)
    graph, preparation = None, None
    for one in shown:
        if graph is None or preparation is None:
            high, wide = one.image.shape[:2]
            size = input_size(high, wide, config.side_px * config.tiles, 2 * source.stride)
            preparation = Preparation(height=size[0], width=size[1], bits=config.bits)
            model, _ = source.model(*size, None, tile_side(config))
            graph = compile_graph(model, OPENVINO_TYPES[config.dtype], config.threads, config.device)
        told = np.array(graph(prepare(one.image, preparation)[None])[0][0], np.float32)
        marked = None if one.mask is None else marked_cells(one.mask, preparation, told.shape[1:])
        frames.append(
            TaughtFrame(sha=one.sha, label=one.label, group=one.group, kind=one.kind, marked=marked)
        )
        train.append(one.train)
        features.append(told)
    return LabelledFrames(name, frames, np.array(train), np.stack(features))
