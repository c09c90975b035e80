"""YOLO exports: a text file of boxes or outlines for each image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saec.data.faults import Fault
from saec.data.images.file_names import find_images, is_picture, subfolders
from saec.data.items import Item, Split, plain_name
from saec.data.layouts.folder_names import means_good, split_of
from saec.data.layouts.layout_reading import Choice, LayoutReading
from saec.data.layouts.tree import split_folders
from saec.errors import DataError
from saec.texts import read_text
from saec.types import DEFECT, GOOD, Mask, Outline

NAME_FILES = ("classes.txt", "obj.names", "labels/classes.txt", "train/labels/classes.txt")
BOX = 5
"""Numbers in a line: class, centre and size. An outline has the class and three points or more."""


class Yolo:
    """``images`` and ``labels`` side by side, below the splits or above them, or both in one folder."""

    name = "yolo"
    looks = (
        "images/ with labels/*.txt, boxes or outlines, above or below the splits; data.yaml names the classes"
    )
    listed = False

    def found(self, root: Path) -> bool:
        tops = [root, *split_folders(root).values()]
        return (
            any(_label_folder(top) for top in tops) or (root / "obj.data").is_file() or _labels_beside(root)
        )

    def read(self, root: Path, choice: Choice) -> LayoutReading:
        """Items of every image; one without a mark is good, as the format says.

        Raises:
            DataError: a label file that is none.
        """
        yaml = _yaml(root)
        names = _names(root, yaml)
        labels = _label_files(root)
        items, missing = [], []
        for image in find_images(root):
            text = next((t for t in _label_paths(root, image) if t in labels), None)
            labels.discard(text) if text else missing.append(image)
            marks = list(_marks(text, names, choice)) if text else []
            if text is None and choice.unmarked == "out":
                continue
            items.append(_item(image, _split(root, image, yaml), marks, text))
        faults = [*_without(root, missing, choice), *_orphans(labels)]
        items.sort(key=lambda i: (i.split, i.path.relative_to(root).as_posix()))
        return LayoutReading(items=items, aside=frozenset(missing), faults=faults)

    def sets(self, root: Path) -> list[Path]:
        return []


def _label_folder(top: Path) -> bool:
    """Whether ``labels`` with text files lies beside ``images``."""
    by_name = {plain_name(f.name): f for f in subfolders(top)}
    if "labels" not in by_name or "images" not in by_name:
        return False
    folders = [by_name["labels"], *subfolders(by_name["labels"])]
    return any(p.suffix == ".txt" for folder in folders for p in folder.iterdir())


def _labels_beside(root: Path) -> bool:
    """LabelImg's form: ``classes.txt`` and a text file beside each marked image."""
    if not (root / "classes.txt").is_file():
        return False
    return any(is_picture(p.name) and p.with_suffix(".txt").is_file() for p in root.iterdir())


def _label_files(root: Path) -> set[Path]:
    """Text files that may be labels: not the lists of classes and images."""
    others = {"classes.txt", "readme.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "notes.txt"}
    found = {p for p in root.rglob("*.txt") if p.name.lower() not in others}
    return {p for p in found if not p.name.lower().startswith("readme")}


def _label_paths(root: Path, image: Path) -> Iterator[Path]:
    """Where the labels of an image may stand: in ``labels`` for ``images``, or beside it."""
    parts = image.relative_to(root).parts
    for at in reversed(range(len(parts) - 1)):
        if plain_name(parts[at]) == "images":
            yield root.joinpath(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")
    yield image.with_suffix(".txt")


def _marks(text: Path, names: dict[int, str], choice: Choice) -> Iterator[tuple[str, Outline | None]]:
    """Class and outline (None for a box) of each line that marks a defect."""
    for number, line in enumerate(read_text(text, error=DataError).splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, *numbers = line.split()
            points = tuple(map(float, numbers))
            name = names.get(int(kind), f"class {int(kind)}")
        except ValueError as e:
            raise DataError(
                f"{text}:{number} is not a label: {line.strip()[:40]!r}", "export the labels again"
            ) from e
        outline = len(points) >= BOX + 1 and len(points) % 2 == 0
        if not outline and len(points) != BOX - 1:
            raise DataError(
                f"{text}:{number} has {len(points) + 1} numbers",
                "write class and box (5 numbers), or class and at least three points",
            )
        if not means_good(name, choice.good):
            yield name, Outline(points) if outline else None


def _item(image: Path, split: Split, marks: list[tuple[str, Outline | None]], text: Path | None) -> Item:
    outlines = tuple(outline for _, outline in marks if outline is not None)
    mask = Mask(outlines=outlines, boxes=len(outlines) < len(marks), source=text) if marks else None
    return Item(
        path=image,
        label=DEFECT if marks else GOOD,
        split=split,
        kind=" + ".join(sorted({name for name, _ in marks})) or "good",
        mask=mask,
    )


def _split(root: Path, image: Path, yaml: dict[str, Any]) -> Split:
    parts = image.relative_to(root).parts[:-1]
    for name in parts:
        if (split := split_of(name)) is not None:
            return split
    for key in ("train", "val", "test"):
        value = yaml.get(key)
        for folder in value if isinstance(value, list) else [value]:
            if isinstance(folder, str) and parts[: len(Path(folder).parts)] == Path(folder).parts:
                return split_of(key) or ""
    return ""


def _yaml(root: Path) -> dict[str, Any]:
    """The settings of the data set, from ``data.yaml`` or the only other file of its kind."""
    import yaml

    files = sorted(p for ending in ("*.yaml", "*.yml") for p in root.glob(ending))
    for path in sorted(files, key=lambda p: p.stem != "data"):
        try:
            value = yaml.safe_load(read_text(path, error=DataError))
        except yaml.YAMLError as e:
            raise DataError(f"{path} is not YAML: {e}", "export the data set again") from e
        if isinstance(value, dict) and "names" in value:
            return value
    return {}


def _names(root: Path, yaml: dict[str, Any]) -> dict[int, str]:
    names = yaml.get("names")
    if isinstance(names, dict):
        return {int(number): str(name) for number, name in names.items()}
    if isinstance(names, list):
        return dict(enumerate(map(str, names)))
    for file in NAME_FILES:
        if (root / file).is_file():
            return dict(enumerate(read_text(root / file, error=DataError).splitlines()))
    return {}


def _without(root: Path, missing: list[Path], choice: Choice) -> Iterator[Fault]:
    if missing and not choice.unmarked:
        yield Fault(
            "warning",
            "unmarked",
            [str(path) for path in missing],
            f"{len(missing)} images have no label file; in this format that means that they are good",
            "if nobody has labelled them, give --layout yolo:unmarked=out",
        )


def _orphans(labels: set[Path]) -> Iterator[Fault]:
    for path in sorted(labels):
        remedy = "restore the image or remove the label file"
        yield Fault("warning", "mask-orphan", [str(path)], "this label file has no image", remedy)
