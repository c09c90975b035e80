"""Tables that name the images: VisA's CSVs and Real-IAD's JSON."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from saec.data.images.file_names import subfolders
from saec.data.items import SPLITS, Item, Split
from saec.data.layouts.layout_reading import Choice, LayoutReading
from saec.decoding import decode
from saec.errors import DataError
from saec.texts import read_table, read_text
from saec.types import DEFECT, GOOD, Mask

MOST = 1 << 30
"""Bytes of the largest table: one of Real-IAD has tens of megabytes."""


class Visa:
    """VisA as published: ``split_csv/1cls.csv`` beside the categories, or a category's own table."""

    name = "visa"
    looks = "split_csv/1cls.csv beside the categories, or image_anno.csv in one"
    listed = True

    def found(self, root: Path) -> bool:
        return visa_csv(root) is not None

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        return read_visa(root)

    def sets(self, root: Path) -> list[Path]:
        table = visa_csv(root)
        if table is None or table.parent.parent != root:
            return []
        return [root / name for name in _objects(table)]


def visa_csv(root: Path) -> Path | None:
    """VisA's split table for a root or for one of its categories, else a category's own table."""
    for folder in (root, root.parent):
        table = folder / "split_csv" / "1cls.csv"
        if table.is_file() and (folder == root or root.name in _objects(table)):
            return table
    own = root / "image_anno.csv"
    return own if own.is_file() else None


def read_visa(root: Path) -> LayoutReading:
    """Items of one VisA category, or of all when ``root`` is VisA's own root.

    Raises:
        DataError: no table, or a row that is not of its form.
    """
    table = visa_csv(root)
    if table is None:
        raise DataError(
            f"{root}: there is no split_csv/1cls.csv in this folder or beside it",
            "name VisA's top folder, or one category",
        )
    if table.name == "image_anno.csv":
        items = [_annotated(root, row) for row in _rows(table, ("image", "label", "mask"))]
    else:
        base = table.parent.parent
        rows = _rows(table, ("object", "split", "label", "image", "mask"))
        items = [_split_row(table, base, row) for row in rows if root in (base, base / row["object"])]
    return LayoutReading(items=sorted(items, key=lambda i: i.path.as_posix()))


def _split_row(table: Path, base: Path, row: dict[str, str]) -> Item:
    split = SPLITS.get(row["split"].lower())
    if split is None or row["label"] not in ("normal", "anomaly"):
        raise DataError(
            f"{table}: the split {row['split']!r} or the label {row['label']!r} is unknown",
            "restore the original table",
        )
    return _row_item(base, row, split, "good" if row["label"] == "normal" else "anomaly")


def _annotated(root: Path, row: dict[str, str]) -> Item:
    """A row of a category's table: its label is ``normal`` or the words for the defects."""
    label = row["label"].strip()
    return _row_item(root.parent, row, "", "good" if label.lower() == "normal" else label or "anomaly")


def _row_item(base: Path, row: dict[str, str], split: Split, kind: str) -> Item:
    return Item(
        path=base / row["image"],
        label=GOOD if kind == "good" else DEFECT,
        split=split,
        kind=kind,
        mask=Mask(files=(base / row["mask"],)) if row["mask"] else None,
    )


def _objects(table: Path) -> list[str]:
    return sorted({row["object"] for row in _rows(table, ("object",))})


def _rows(table: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    rows = read_table(table, columns)
    return [{c: row[c].replace("\\", "/") for c in columns} for row in rows]


class _Meta(msgspec.Struct):
    prefix: str = ""
    normal_class: str = "OK"


class _Row(msgspec.Struct):
    image_path: str
    anomaly_class: str
    mask_path: str | None = None


class _RealIad(msgspec.Struct):
    meta: _Meta
    train: list[_Row]
    test: list[_Row]


class RealIad:
    """Real-IAD: ``realiad_1024/CATEGORY`` with ``realiad_jsons/CATEGORY.json``."""

    name = "realiad"
    looks = "realiad_1024/CATEGORY/{OK,NG} with realiad_jsons/CATEGORY.json, which says the split"
    listed = True

    def found(self, root: Path) -> bool:
        return bool(_tables(root)) and any(f.name in ("OK", "NG") for f in subfolders(root))

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        """Items by the category's table.

        Raises:
            DataError: no table or several, or one that is damaged.
        """
        tables = [choice.table] if choice.table else _tables(root)
        if len(tables) != 1:
            raise DataError(
                f"{root}: several tables could hold the splits: {', '.join(map(str, tables))}"
                if tables
                else (
                    f"{root}: there is no table {root.name}.json with the splits, neither here nor in a "
                    "folder realiad_jsons above"
                ),
                f"choose it with --layout realiad:table={tables[0] if tables else 'FILE'}",
            )
        try:
            found = decode(read_text(tables[0], most=MOST, error=DataError), _RealIad)
        except msgspec.DecodeError as e:
            raise DataError(
                f"{tables[0]} is not a table of Real-IAD: {e}", "restore the original table"
            ) from e
        rows: list[tuple[Split, _Row]] = [("test", r) for r in found.test]
        rows += [("train", r) for r in found.train]
        items = [_real_item(root, found.meta, split, row) for split, row in rows]
        return LayoutReading(items=sorted(items, key=lambda i: (i.split, i.path.as_posix())))

    def sets(self, root: Path) -> list[Path]:
        sizes = [f for f in subfolders(root) if re.match(r"realiad_(?!json)", f.name)]
        found = [[f for f in subfolders(size) if self.found(f)] for size in sizes]
        filled = [folders for folders in found if folders]
        return filled[0] if len(filled) == 1 else []


def _tables(root: Path) -> list[Path]:
    """The tables for a category's folder: the published one, else those of its variants."""
    name = f"{root.name}.json"
    places = [root, root.parent, root.parent.parent]
    plain = [
        p / inner / name for p in places for inner in ("", "realiad_jsons", "realiad_jsons/realiad_jsons")
    ]
    found = [path for path in plain if path.is_file()]
    if found:
        return found[:1]
    return sorted(p for place in places[:3] for p in place.glob(f"realiad_jsons_*/{name}"))


def _real_item(root: Path, meta: _Meta, split: Split, row: _Row) -> Item:
    # As the set's own reader has it: a view on which a defective part shows nothing has no mask and is good.
    good = row.anomaly_class == meta.normal_class or row.mask_path is None
    folders = Path(row.image_path).parts[:-1]
    sample = next((name for name in reversed(folders) if name.startswith("S")), "")
    return Item(
        path=_below(root, meta, row.image_path),
        label=GOOD if good else DEFECT,
        split=split,
        kind="good" if good else row.anomaly_class,
        mask=Mask(files=(_below(root, meta, row.mask_path),)) if row.mask_path else None,
        part="/".join(folders) if sample else "",
    )


def _below(root: Path, meta: _Meta, name: str) -> Path:
    """A file of the table: named from the category's folder, or with the prefix from the one above."""
    if meta.prefix and name.startswith(meta.prefix):
        return root.parent / name
    return root / name
