"""Images and masks told apart, by folders, by names and, where these do not say, by what is in the files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from saec.data.items import Split
from saec.data.layouts.folder_names import Role, image_stems, mask_name, role_of, split_of
from saec.data.masks import looks_like_mask

LOOKED_AT = 3
"""Files of a folder that decide whether it holds masks, where its name does not."""

What = Literal["image", "mask", "unlabelled", "no-class"]


class Placed(msgspec.Struct, frozen=True):
    """A file with what its folders say.

    Attributes:
        path: the file.
        what: an image, a mask, or neither.
        split: the split that the first folder names.
        classes: the folders that say neither split nor kind of file.
    """

    path: Path
    what: What
    split: Split
    classes: tuple[str, ...]

    @property
    def place(self) -> tuple[Split, tuple[str, ...]]:
        """Split and classes, without case."""
        return self.split, tuple(name.lower() for name in self.classes)


def sort_files(root: Path, files: Iterable[Path]) -> list[Placed]:
    """What each file of a data set is; of masks beside their images, too."""
    known: dict[Path, bool] = {}
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        by_folder[path.parent].append(path)
    placed = [_place(root, path, by_folder, known) for paths in by_folder.values() for path in paths]
    return _masks_beside(placed)


def _place(root: Path, path: Path, by_folder: Mapping[Path, list[Path]], known: dict[Path, bool]) -> Placed:
    what: What = "image"
    split: Split = ""
    classes: list[str] = []
    at = root
    for name in path.relative_to(root).parts[:-1]:
        at /= name
        role = role_of(name)
        if role == "maybe-mask":
            role = "mask" if what == "image" and _holds_masks(at, by_folder, known) else "class"
        if role == "split" and not split:
            split = split_of(name) or ""
        elif role == "class":
            classes.append(name)
        elif what == "image" and role in ("mask", "unlabelled", "no-class"):
            what = _WHAT[role]
    return Placed(path, what, split, tuple(classes))


_WHAT: dict[Role, What] = {"mask": "mask", "unlabelled": "unlabelled", "no-class": "no-class"}


def _holds_masks(folder: Path, by_folder: Mapping[Path, list[Path]], known: dict[Path, bool]) -> bool:
    if folder not in known:
        within = [p for held, paths in by_folder.items() if held.is_relative_to(folder) for p in paths]
        known[folder] = all(looks_like_mask(path) for path in within[:LOOKED_AT])
    return known[folder]


def _masks_beside(placed: list[Placed]) -> list[Placed]:
    """The same, with the masks found that lie among images."""
    stems: dict[tuple[object, ...], set[str]] = defaultdict(set)
    suffixes: dict[tuple[Path, str], int] = defaultdict(int)
    for file in placed:
        if file.what == "image":
            stems[file.place].add(file.path.stem.lower())
            suffixes[file.path.parent, file.path.stem.lower()] += 1
    twins = {key for key, count in suffixes.items() if count > 1}
    masks = {f.path for f in placed if f.what == "image" and _is_mask(f.path, stems[f.place])}
    masks |= _twin_masks([f.path for f in placed if (f.path.parent, f.path.stem.lower()) in twins])
    return [msgspec.structs.replace(f, what="mask") if f.path in masks else f for f in placed]


def _is_mask(path: Path, stems: set[str]) -> bool:
    """Whether a file among images is the mask of one: its name says so, and an image or its pixels agree."""
    named = mask_name(path)
    if not named:
        return False
    partner = any(stem in stems for stem in image_stems(path.stem)[1:])
    if named == "sure":
        return partner or looks_like_mask(path)
    return partner and looks_like_mask(path)


def _twin_masks(twins: list[Path]) -> set[Path]:
    """Files that look like masks, among files that differ only in their suffix and hold an image."""
    groups: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in twins:
        groups[path.parent, path.stem.lower()].append(path)
    found: set[Path] = set()
    for group in groups.values():
        masks = {path for path in group if looks_like_mask(path)}
        if len(masks) < len(group):
            found |= masks
    return found
