"""A data set: labelled images with their roles, read from any layout of `saec.data.layouts`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from saec.data import layouts
from saec.data.files import subfolders
from saec.data.items import Item, Split
from saec.data.parts import PartIds
from saec.errors import DataError

__all__ = ["LAYOUTS", "Dataset", "Item", "Layout", "Split", "categories", "open_dataset"]

Layout = Literal["mvtec", "folders", "ksdd2", "visa", "images"]

_READERS: dict[str, Callable[[Path], list[Item]]] = {
    "mvtec": layouts.read_tree,
    "folders": layouts.read_tree,
    "ksdd2": layouts.read_ksdd2,
    "visa": layouts.read_visa,
    "images": layouts.read_images,
}
LAYOUTS = ("auto", *_READERS)


class Dataset(msgspec.Struct, frozen=True):
    """The images of one product.

    Attributes:
        name: the root folder's name.
        root: where it lies.
        layout: how it lies there.
        items: every image, sorted by split and path.
    """

    name: str
    root: Path
    layout: str
    items: list[Item]

    def select(self, split: str | tuple[str, ...] | None = None, label: int | None = None) -> list[Item]:
        """The items of one or several splits and of one label; None takes all."""
        splits = (split,) if isinstance(split, str) else split
        return [
            i
            for i in self.items
            if (splits is None or i.split in splits) and (label is None or i.label == label)
        ]

    def holdout(self) -> list[Item]:
        """What to judge a line on: test, or val where there is no test, or all where there are no splits."""
        present = {i.split for i in self.items}
        split = next((s for s in ("test", "val", "") if s in present), None)
        return self.select(split) if split is not None else []


def open_dataset(root: str | Path, *, layout: str = "auto", parts: PartIds | None = None) -> Dataset:
    """Read a data set; no image is decoded, but for KolektorSDD2's masks.

    Args:
        root: its folder; with the layout "images" also a single file.
        layout: one of ``LAYOUTS``; "auto" finds it out.
        parts: where part and lot ids come from; without it they are unknown.

    Raises:
        DataError: nothing there, or not of any layout; says what was seen and what is expected.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root}: no such folder", "check the path")
    if layout not in LAYOUTS:
        raise DataError(f"layout {layout!r} is unknown", f"one of {', '.join(LAYOUTS)}")
    chosen = _detect(root) if layout == "auto" else layout
    items = _READERS[chosen](root)
    if not items:
        raise DataError(
            f"{root}: no images for the layout {chosen}; {layouts.describe(root)}", layouts.EXPECTED
        )
    if parts is not None:
        items = [msgspec.structs.replace(i, part=p, lot=lot) for i in items for p, lot in [parts.of(i.path)]]
    return Dataset(root.resolve().name, root, chosen, items)


def _detect(root: Path) -> str:
    found = layouts.detect(root)
    if found is not None:
        return found
    inner = [f.name for f in categories(root) if f != root]
    if inner:
        raise DataError(
            f"{root} holds {len(inner)} data sets: {', '.join(inner[:8])}{', ...' if len(inner) > 8 else ''}",
            f"name one, for example {root / inner[0]}",
        )
    if layouts.split_folders(root):
        raise DataError(f"{root}: no layout that is known; {layouts.describe(root)}", layouts.EXPECTED)
    return "images"


def categories(root: str | Path) -> list[Path]:
    """The data sets under a root, for example every category of MVTec AD; a data set itself gives [root]."""
    root = Path(root)
    table = layouts.visa_csv(root)
    if table is not None and table.parent.parent == root:
        return [root / name for name in layouts.visa_objects(table)]
    if layouts.detect(root) is not None:
        return [root]
    return [f for f in subfolders(root) if layouts.detect(f) is not None] or [root]
