"""What the builders share: sources with hashes, exclusions, placing files, and all-or-nothing output."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from saec.data.dataset import categories, open_dataset
from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.data.manifest import FILE, Manifest, hash_item
from saec.data.masks import mask_pixels
from saec.data.parts import PartIds
from saec.data.progress import ShowProgress
from saec.errors import DataError
from saec.profile import sha256_file
from saec.texts import read_lines
from saec.types import DEFECT


class SourceImage(msgspec.Struct, frozen=True):
    """One image that a builder may take: its data set, its path below the source root, and its hash."""

    category: str
    relative: str
    item: Item
    sha: str


class Built(msgspec.Struct, frozen=True):
    """What a builder made: where, how many of what, and what the user should know."""

    out: Path
    counts: dict[str, int]
    notes: list[str]


def collect(
    src: Path, *, holdout_only: bool, parts: PartIds | None, progress: ShowProgress
) -> list[SourceImage]:
    """Every labelled image of a root's data sets with its hash, sorted by path.

    Part ids are made unique by the category's name.

    Raises:
        DataError: no labelled data set there, an unreadable file, or one image with two labels.
    """
    picked: list[tuple[str, Item]] = []
    for folder in categories(src):
        data = open_dataset(folder, parts=parts)
        if data.layout == "images":
            raise DataError(
                f"{folder} holds images without labels", "give a data set with good and defect folders"
            )
        held = data.holdout()
        for item in held if holdout_only else data.select("train") + held:
            part = f"{data.name}/{item.part}" if item.part else ""
            picked.append((data.name, msgspec.structs.replace(item, part=part)))
    picked.sort(key=lambda p: p[1].path.relative_to(src).as_posix())
    sources = [
        SourceImage(category, item.path.relative_to(src).as_posix(), item, hash_item(item))
        for category, item in progress(picked, len(picked))
    ]
    _check_labels(sources)
    return sources


def _check_labels(sources: Iterable[SourceImage]) -> None:
    first: dict[str, SourceImage] = {}
    for source in sources:
        other = first.setdefault(source.sha, source)
        if other.item.label != source.item.label:
            raise DataError(
                f"{other.relative} and {source.relative} are the same image with different labels",
                "keep the one with the right label",
            )


def unique(sources: Iterable[SourceImage]) -> list[SourceImage]:
    """Without copies: the first of each hash."""
    return list({s.sha: s for s in reversed(list(sources))}.values())[::-1]


class Exclusions:
    """Images that must not be taken: by content, or because another image of the same part is excluded."""

    def __init__(self) -> None:
        self.hashes: set[str] = set()
        self.parts: set[str] = set()

    def add_manifest(self, path: Path, *roles: str) -> None:
        """Exclude what a manifest lists, all of it or only some roles."""
        for sha, entry in Manifest.read(path).roles.items():
            if not roles or entry.role in roles:
                self.hashes.add(sha)
                self.parts |= {entry.part} - {""}

    def add_jsonl(self, path: Path, src: Path, sources: Sequence[SourceImage]) -> None:
        """Exclude the images that the lines of a JSONL file name (keys image, images, image_path, path).

        A name is a path, absolute or from the file's folder; or it ends like a path below the source root.

        Raises:
            DataError: a line that is no JSON or names no image, or a name that fits no file.
        """
        by_path = {s.relative: s.sha for s in sources}
        found: set[str] = set()
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            try:
                names = list(_names(json.loads(line)))
            except json.JSONDecodeError as e:
                raise DataError(f"{path}:{number} is not JSON: {e}", "write one JSON object per row") from e
            if not names:
                raise DataError(
                    f"{path}:{number} names no image",
                    "name it with one of the keys image, images, image_path and path",
                )
            found |= {_resolve(n, path, number, src, by_path) for n in names}
        self.hashes |= found
        self.parts |= {s.item.part for s in sources if s.sha in found} - {""}

    def covers(self, source: SourceImage) -> bool:
        return source.sha in self.hashes or source.item.part in self.parts


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("image", "images", "image_path", "path") and isinstance(inner, str):
                yield inner
            elif key == "images" and isinstance(inner, list):
                yield from (i for i in inner if isinstance(i, str))
                yield from _names([i for i in inner if not isinstance(i, str)])
            else:
                yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _resolve(name: str, file: Path, number: int, src: Path, by_path: dict[str, str]) -> str:
    """The hash of the image that a line names."""
    steps = name.replace("\\", "/").split("/")
    for at in range(max(1, len(steps) - 2)):  # three steps at least: 000.png alone could be any
        tail = "/".join(steps[at:])
        if not Path(tail).is_absolute() and (src / tail).is_file():
            return by_path.get(tail) or sha256_file(src / tail)
    located = file.parent / name  # an absolute name stays as it is
    if located.is_file():
        return sha256_file(located)
    raise DataError(
        f"{file}:{number}: the image {name} was not found, so it cannot be excluded",
        "correct the name",
    )


def place_file(source: Path, target: Path, *, link: bool) -> None:
    """Copy a file, or link to it; an existing target is an error, as two sources would share a name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise DataError(
            f"{source} and another image would both be written as {target.name}", "rename one of the two"
        )
    if link:
        target.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)


def place_mask(item: Item, target: Path, *, link: bool) -> None:
    """Copy or link a mask file to ``target``, with the suffix that it has; what is no single file is drawn.

    Raises:
        DataError: the mask is in doubt, or of another size than its image.
        ImageError: the image or a mask cannot be read.
    """
    mask = item.mask
    if mask is None or item.label != DEFECT or (mask.boxes and not mask.files):
        return
    if len(mask.files) == 1:
        place_file(mask.files[0], target.with_name(target.name + mask.files[0].suffix), link=link)
        return
    height, width = read_image(item.path).shape[:2]
    marked = mask_pixels(mask, (height, width)).astype(np.uint8) * 255
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_name(f"{target.name}.png").write_bytes(cv2.imencode(".png", marked)[1].tobytes())


@contextmanager
def building(out: Path, *, src: Path, force: bool) -> Iterator[Path]:
    """A folder beside ``out`` that becomes ``out`` when the block ends well, and vanishes when it does not.

    Raises:
        DataError: ``out`` is not empty and ``force`` is off, or no builder made it, or it holds the source.
    """
    out = out.absolute()
    if src.resolve().is_relative_to(out.resolve()):
        raise DataError(f"the output folder {out} contains the source {src}", "choose another folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not force:
            raise DataError(f"{out} is not empty", "choose another --out, or replace it with --force")
        if not (out / FILE).is_file():
            raise DataError(
                f"{out} holds no {FILE}, so no builder of saec made it",
                "remove it yourself, or choose another --out",
            )
    work = out.with_name(f".{out.name}.partial-{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
        _swap(work, out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _swap(work: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    if out.exists():
        out.replace(old)
    work.replace(out)
    shutil.rmtree(old, ignore_errors=True)


def write_lists(folder: Path | None, lists: dict[str, list[str]]) -> None:
    """Write each list to ``<folder>/<name>.txt``, one path a line; nothing without a folder."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
