"""A data set without splits: what is held out of it, drawn once and kept by the line that was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from saec.data.dataset import Dataset
from saec.data.folds import group_ids
from saec.data.items import Item, Split
from saec.data.manifest import Manifest, hash_item
from saec.data.stratified_draw import stratified_sample
from saec.types import GOOD


def undivided(dataset: Dataset) -> bool:
    """Whether goods are known and nothing says which images are held out."""
    return all(not i.split for i in dataset.items) and any(i.label == GOOD for i in dataset.items)


def hold_out(dataset: Dataset, share: float, *, seed: int) -> Dataset:
    """The data set with a drawn share of its goods, and of each kind of its defects, as its test split.

    The images of one part, and copies of one image, stay together. Images of unknown label are left out.

    Args:
        dataset: a data set without splits.
        share: the share to hold out, 0 to 1.
        seed: the seed of the draw.
    """
    items = [item for item in dataset.items if item.label is not None]
    groups = group_ids([item.part for item in items], [hash_item(item) for item in items])
    members: dict[str, list[Item]] = {}
    for group, item in sorted(zip(groups, items, strict=True), key=lambda pair: pair[0]):
        members.setdefault(group, []).append(item)
    names = list(members)
    strata = [max((item.label or 0, item.kind) for item in members[name]) for name in names]
    held = {names[i] for i in stratified_sample(strata, round(share * len(names)), seed=seed)}
    return _split(dataset, items, ["test" if group in held else "train" for group in groups])


def divided_by(dataset: Dataset, manifest: Manifest) -> Dataset:
    """The data set as a line knows it: what made the line is its train split, and all else is held out.

    One that has splits of its own is as it is.
    """
    if not undivided(dataset):
        return dataset
    made = makers(manifest)
    splits = ["train" if hash_item(item) in made else "test" for item in dataset.items]
    return _split(dataset, dataset.items, splits)


def makers(manifest: Manifest) -> Mapping[str, str]:
    """sha256 of the images that a line was fitted or calibrated on, with their role."""
    return {sha: entry.role for sha, entry in manifest.roles.items() if entry.role != "holdout"}


def _split(dataset: Dataset, items: Sequence[Item], splits: Sequence[str]) -> Dataset:
    names: dict[str, Split] = {"train": "train", "test": "test"}
    placed = [
        msgspec.structs.replace(item, split=names[split]) for item, split in zip(items, splits, strict=True)
    ]
    return msgspec.structs.replace(dataset, items=placed)
