"""COCO exports: one JSON for all images, or one for each split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from saec.data.faults import Fault
from saec.data.images.file_names import find_images, subfolders
from saec.data.items import SPLITS, Item, Split
from saec.data.layouts.folder_names import means_good, split_of
from saec.data.layouts.layout_reading import Choice, LayoutReading
from saec.data.layouts.tree import split_folders
from saec.decoding import decode
from saec.errors import DataError
from saec.texts import read_text
from saec.types import DEFECT, GOOD, Mask, Outline, Runs

MOST = 1 << 30


class _Head(msgspec.Struct):
    images: msgspec.Raw
    annotations: msgspec.Raw
    categories: msgspec.Raw


class _Category(msgspec.Struct):
    id: int
    name: str


class _Image(msgspec.Struct):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _Rle(msgspec.Struct):
    counts: list[int] | str
    size: tuple[int, int]


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int
    segmentation: list[list[float]] | _Rle | None = None
    bbox: list[float] | None = None


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class Coco:
    """``annotations/*.json``, ``SPLIT/_annotations.coco.json`` or a JSON beside the images."""

    name = "coco"
    looks = (
        "annotations/*.json, SPLIT/_annotations.coco.json or a JSON beside the images; outlines, RLE, boxes"
    )
    listed = True

    def found(self, root: Path) -> bool:
        return bool(_tables(root))

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        """Items of every image that a table names; one without a mark is good, as the format says.

        Raises:
            DataError: no table, or one that is damaged.
        """
        tables = [choice.table] if choice.table else _tables(root)
        if not tables:
            raise DataError(
                f"{root} holds no JSON with images, annotations and categories",
                "export the annotations as COCO again",
            )
        by_name: dict[str, list[Path]] = defaultdict(list)
        for path in find_images(root):
            by_name[path.name].append(path)
        items: dict[Path, Item] = {}
        faults: list[Fault] = []
        for table in tables:
            read = list(_read(root, table, by_name, choice))
            faults += [_twice(i.path, table) for i in read if items.setdefault(i.path, i) != i]
        ordered = sorted(items.values(), key=lambda i: (i.split, i.path.as_posix()))
        return LayoutReading(items=ordered, faults=faults)

    def sets(self, root: Path) -> list[Path]:
        return []


def _tables(root: Path) -> list[Path]:
    folders = [root, *split_folders(root).values()]
    folders += [f for f in subfolders(root) if f.name.lower() in ("annotations", "annotation")]
    files = sorted(p for folder in folders for p in folder.glob("*.json"))
    return [path for path in files if _is_table(path)]


def _is_table(path: Path) -> bool:
    try:
        decode(read_text(path, most=MOST, error=DataError), _Head)
    except DataError:  # a table in another encoding is named when it is read; other files are passed over
        return path.stat().st_size <= MOST and b'"annotations"' in path.read_bytes()
    except (msgspec.DecodeError, UnicodeError):
        return False
    return True


def _read(root: Path, table: Path, by_name: dict[str, list[Path]], choice: Choice) -> Iterator[Item]:
    try:
        found = decode(read_text(table, most=MOST, error=DataError), _File)
    except (msgspec.DecodeError, UnicodeError) as e:
        raise DataError(f"{table} is not a COCO file: {e}", "export the annotations again") from e
    names = {category.id: category.name for category in found.categories}
    marks: dict[int | str, list[_Annotation]] = defaultdict(list)
    for annotation in found.annotations:
        name = names.get(annotation.category_id)
        if name is None:
            raise DataError(
                f"{table}: an annotation has the unknown category {annotation.category_id}",
                "export the annotations again",
            )
        if not means_good(name, choice.good):
            marks[annotation.image_id].append(annotation)
    drawn = any(_is_outline(a) for annotations in marks.values() for a in annotations)
    for image in found.images:
        own = marks[image.id]
        if not own and choice.unmarked == "out":
            continue
        path = _locate(root, table, image.file_name, by_name)
        yield Item(
            path=path,
            label=DEFECT if own else GOOD,
            split=_split(root, table, path),
            kind=" + ".join(sorted({names[a.category_id] for a in own})) or "good",
            mask=_mask(image, own, table, drawn=drawn) if own else None,
        )


def _locate(root: Path, table: Path, name: str, by_name: dict[str, list[Path]]) -> Path:
    """The file that a table means: by its path from where exports put it, else by its name alone."""
    name = name.replace("\\", "/")
    for base in (table.parent, root, table.parent.parent, root / "images"):
        if (base / name).is_file():
            return base / name
    same = [p for p in by_name.get(Path(name).name, []) if p.as_posix().endswith(f"/{name}")]
    same = same or by_name.get(Path(name).name, [])
    own = [p for p in same if _split_of_parts(root, p) == _split_of_table(root, table)]
    same = own or same
    if len(same) > 1:
        raise DataError(
            f"{table}: {name} may mean {same[0]} or {same[1]}",
            "write each file_name in the JSON as a path from the data set's folder",
        )
    return same[0] if same else table.parent / name


def _split(root: Path, table: Path, image: Path) -> Split:
    return _split_of_table(root, table) or _split_of_parts(root, image)


def _split_of_table(root: Path, table: Path) -> Split:
    """The split, by the folder or by a word in the name, as in instances_val2017.json."""
    split = split_of(table.parent.name) if table.parent != root else None
    words = re.findall(r"[a-z]+", table.stem.lower())
    named: list[Split] = [SPLITS[word] for word in words if word in SPLITS]
    return split or (named[0] if named else "")


def _split_of_parts(root: Path, image: Path) -> Split:
    parts = image.relative_to(root).parts[:-1] if image.is_relative_to(root) else ()
    for name in parts:
        if (split := split_of(re.sub(r"\d+$", "", name))) is not None:
            return split
    return ""


def _is_outline(annotation: _Annotation) -> bool:
    """Whether the shape is more than the box about it."""
    shape = annotation.segmentation
    if isinstance(shape, _Rle):
        return True
    return any(
        len(points) != 8 or len({*points[::2]}) != 2 or len({*points[1::2]}) != 2 for points in shape or []
    )


def _mask(image: _Image, annotations: list[_Annotation], table: Path, *, drawn: bool) -> Mask:
    """The shapes of one image; without a true outline in the whole table rectangles are boxes."""
    outlines: list[Outline] = []
    runs: list[Runs] = []
    boxes = not drawn
    size = (image.width, image.height) if image.width and image.height else None
    for annotation in annotations:
        shape = annotation.segmentation
        if isinstance(shape, _Rle):
            counts = shape.counts if isinstance(shape.counts, list) else unpacked(shape.counts)
            runs.append(Runs(*shape.size, tuple(counts)))
        elif shape and size and drawn:
            outlines += [Outline(_shares(points, size)) for points in shape]
        else:
            boxes = True
    return Mask(outlines=tuple(outlines), runs=tuple(runs), boxes=boxes, size=size, source=table)


def _shares(points: list[float], size: tuple[int, int]) -> tuple[float, ...]:
    return tuple(value / size[at % 2] for at, value in enumerate(points))


def unpacked(text: str) -> list[int]:
    """The counts of a COCO run-length string: five bits a character, the fourth count on as a difference.

    The format is that of the COCO API's ``rleToString``.
    """
    counts: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 31) << shift
            more, shift, at = bool(bits & 32), shift + 5, at + 1
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def _twice(image: Path, table: Path) -> Fault:
    return Fault(
        "error",
        "two-labels",
        [str(image), str(table)],
        f"{image.name} is in two tables with different labels or splits",
        "choose a table with --layout coco:table=FILE",
    )
