"""A data set: labelled images with their roles, read from any layout of `saec.data.layouts`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from saec.data import layouts
from saec.data.faults import Fault
from saec.data.images.file_names import printable_path, subfolders
from saec.data.items import Item, Split
from saec.data.layouts.layout_reading import Choice, LayoutReading, Saturation
from saec.data.layouts.tree import class_folders
from saec.data.parts import PartIds
from saec.errors import DataError
from saec.settings import DataConfig

__all__ = ["LAYOUTS", "Dataset", "Item", "Split", "categories", "open_dataset"]

LAYOUTS = ("auto", *layouts.LAYOUTS)


class Dataset(msgspec.Struct, frozen=True):
    """The images of one product.

    Attributes:
        name: the root folder's name.
        root: where it lies.
        layout: how it lies there.
        items: every image, sorted by split and path.
        aside: files that are understood and are no images of a role: masks of goods, for example.
        faults: what the layout could not read as it was meant.
        saturations: the saturation rules of MVTec LOCO.
        asked: the layout as the user asked for it, by which it can be read so again.
    """

    name: str
    root: Path
    layout: str
    items: list[Item]
    aside: frozenset[Path] = frozenset()
    faults: list[Fault] = []
    saturations: tuple[Saturation, ...] = ()
    asked: str = "auto"

    def select(self, split: str | tuple[str, ...] | None = None, label: int | None = None) -> list[Item]:
        """The items of one or several splits and of one label; None takes all."""
        splits = (split,) if isinstance(split, str) else split
        return [
            i
            for i in self.items
            if (splits is None or i.split in splits) and (label is None or i.label == label)
        ]

    def said(self) -> list[str]:
        """What the layout left out or took to be so, a sentence for each kind, for readers of figures."""
        kinds: dict[str, list[Fault]] = {}
        for fault in self.faults:
            kinds.setdefault(fault.code, []).append(fault)
        return [
            f"{_shown(found[0], self.root)}: {found[0].message}"
            + (f" (and {len(found) - 1} more; `saec data check` lists all)" if len(found) > 1 else "")
            + f"; {found[0].remedy}"
            for found in kinds.values()
        ]

    def holdout(self) -> list[Item]:
        """What to judge a line on: test, or val where there is no test, or all where there are no splits."""
        present = {i.split for i in self.items}
        split = next((s for s in ("test", "val", "") if s in present), None)
        return self.select(split) if split is not None else []


def open_dataset(
    root: str | Path, *, layout: str = DataConfig().layout, parts: PartIds | None = None, strict: bool = True
) -> Dataset:
    """Read a data set; files are decoded only where masks alone tell goods from defects or from images.

    Args:
        root: its folder; with the layout "images" also a single file.
        layout: one of ``LAYOUTS``; "auto" finds it out. A colon and keys pick one of several readings, as in
            ``folders:good=NAME``; see `Choice`.
        parts: where part and lot ids come from; without it they are unknown, but where the layout says them.
        strict: what cannot be read as it was meant is an error, and not only a fault in ``faults``.

    Raises:
        DataError: nothing there, not of any layout, or two readings; says what was seen and what is expected.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"the folder {root} does not exist", "check the path")
    choice = Choice.parse(layout)
    if choice.name not in LAYOUTS:
        raise DataError(f"the layout {choice.name!r} is unknown", f"use one of {', '.join(LAYOUTS)}")
    chosen = _detect(root) if choice.name == "auto" else choice.name
    reading = layouts.LAYOUTS[chosen].read(root, choice)
    if not reading.items:
        raise DataError(
            f"{root} has no images in the layout {chosen}; {layouts.folder_summary(root)}", layouts.expected()
        )
    if strict:
        _refuse(reading)
    items = reading.items
    if parts is not None:
        items = [msgspec.structs.replace(i, part=p, lot=lot) for i in items for p, lot in [parts.of(i.path)]]
    name = root.resolve().name
    return Dataset(name, root, chosen, items, reading.aside, reading.faults, reading.saturations, layout)


def _shown(fault: Fault, root: Path) -> str:
    path = Path(fault.paths[0])
    return printable_path(path.relative_to(root) if path.is_relative_to(root) else path)


def _refuse(reading: LayoutReading) -> None:
    errors = [fault for fault in reading.faults if fault.level == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more; `saec data check` lists all)" if len(errors) > 1 else ""
        raise DataError(f"{printable_path(errors[0].paths[0])}: {errors[0].message}{more}", errors[0].remedy)


def _detect(root: Path) -> str:
    found = layouts.detect(root)
    if found is not None:
        return found
    inner = [f for f in categories(root) if f != root]
    if inner:
        names = ", ".join(f.name for f in inner[:8])
        raise DataError(
            f"{root} holds {len(inner)} data sets: {names}{', ...' if len(inner) > 8 else ''}",
            f"name one of them, for example {inner[0]}",
        )
    if layouts.split_folders(root):
        classes = sorted({folder.name for _, folder in class_folders(root)})
        which = f"say which folder is good, as --layout folders:good={classes[0]}; or " if classes else ""
        raise DataError(
            f"{root} has no known layout; {layouts.folder_summary(root)}", which + layouts.expected()
        )
    return "images"


def categories(root: str | Path) -> list[Path]:
    """The data sets under a root, for example every category of MVTec AD; a data set itself gives [root].

    Raises:
        DataError: a folder that reads as two layouts.
    """
    root = Path(root)
    for layout in layouts.LAYOUTS.values():
        if sets := layout.sets(root):
            return sets
    if layouts.detect(root) is not None:
        return [root]
    return [f for f in subfolders(root) if layouts.detect(f) is not None] or [root]
