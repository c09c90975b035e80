"""Where frames come from: a file, a folder, or a data set with its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import msgspec

from saec.data.dataset import Dataset, Item, open_dataset
from saec.data.holdout import undivided
from saec.data.images.file_names import find_images
from saec.data.parts import PartIds
from saec.data.stratified_draw import stratified_sample
from saec.errors import ConfigError, DataError
from saec.settings import DataConfig, SampleConfig
from saec.types import Source

Split = Literal["holdout", "train", "test", "val", "all"]
LEFT_OUT = "The data set:"
"""How a run's notes on what is left out of its data set begin."""
PROCEDURAL_MARK = "samples.jsonl"
"""The file by which a data set is known as drawn by our own generator."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run judges: the sources and where they came from.

    ``train`` are the files of the data set's own train split; a line that was made on it knows them.
    ``notes`` say what of the folder is left out. ``undivided``: the data set has no splits, so all of it was
    taken for its hold-out.
    """

    root: str
    layout: str
    split: str
    sources: list[Source]
    procedural: bool = False
    train: list[str] = []
    notes: list[str] = []
    undivided: bool = False


def list_inputs(
    path: Path,
    *,
    split: Split = SampleConfig().split,
    layout: str = DataConfig().layout,
    parts: PartIds | None = None,
) -> Inputs:
    """The sources under a path, in sorted order.

    Args:
        path: an image, a folder of images or a data set.
        split: which part of a data set; "holdout" takes its test (or validation) images, or all of
            them where it has none. A plain file or folder has no split.
        layout: the data set's layout, see ``saec.data.dataset``.
        parts: how part ids are read from file names.

    Raises:
        DataError: nothing there to judge.
        ConfigError: there is no such split.
    """
    if split not in get_args(Split):
        raise ConfigError(f"there is no split {split!r}", f"use one of {', '.join(get_args(Split))}")
    if path.is_file():
        dataset = None
        items = [Item(path=p, label=None) for p in find_images(path)]
    else:
        dataset = open_dataset(path, layout=layout, parts=parts)
        items = _select(dataset, split)
    if not items:
        raise DataError(
            f"{path} has no image to judge in split {split}", "name another folder, or take split all"
        )
    root = path.parent if path.is_file() else path
    return Inputs(
        root=str(root.absolute()),
        layout=dataset.layout if dataset else "file",
        split=split if dataset else "",
        sources=[_source(item, root) for item in items],
        procedural=(root / PROCEDURAL_MARK).is_file(),
        train=[str(item.path) for item in dataset.select("train")] if dataset else [],
        undivided=dataset is not None and split == "holdout" and undivided(dataset),
        notes=[f"{LEFT_OUT} {text}" for text in dataset.said()] if dataset else [],
    )


def limit_inputs(inputs: Inputs, limit: int | None) -> Inputs:
    """At most so many of the sources, drawn by label and kind (``stratified_draw``); None takes all."""
    if limit is None:
        return inputs
    chosen = stratified_sample([(source.truth, source.kind) for source in inputs.sources], limit)
    return msgspec.structs.replace(inputs, sources=[inputs.sources[i] for i in chosen])


def _select(dataset: Dataset, split: Split) -> list[Item]:
    if split == "holdout":
        return dataset.holdout() or dataset.select()
    return dataset.select() if split == "all" else dataset.select(split=split)


def _source(item: Item, root: Path) -> Source:
    path = item.path.absolute()
    try:
        name = path.relative_to(root.absolute()).as_posix()
    except ValueError:  # a list or a CSV may name files that lie elsewhere
        name = path.as_posix().lstrip("/")
    return Source(
        id=name,
        path=str(path),
        truth=item.label,
        part=item.part,
        mask=item.mask,
        kind=item.kind,
    )
