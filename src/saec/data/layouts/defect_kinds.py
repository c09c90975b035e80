"""Which kind of defect each labelled image shows: by the name of its folder, or by a table.

A kind's name comes from a person, a folder or a spreadsheet, and goes to logs, pages and metrics. So it is
text of a bounded length, and words that mean something else here (good, unknown) are never kinds.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from saec.data.images.file_names import printable_path
from saec.data.items import is_defect_name, is_good_name, is_unknown_name, plain_name
from saec.data.layouts.folder_names import means_good, role_of
from saec.errors import DataError
from saec.profile import sha256_file
from saec.texts import read_table
from saec.types import LONGEST_KIND

MOST_KINDS = 64
"""Kinds of one line; more are parts, days or cameras rather than kinds."""

_TAKEN = frozenset(("judgedgood", "nokind"))
"""Plain names of the columns of a confusion table."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class StatedKind(NamedTuple):
    """A kind and what states it, for errors; "" is no kind."""

    kind: str
    where: str


def defect_kinds(
    folders: Mapping[Path, Sequence[Path]],
    *,
    table: Path | None = None,
    known: Sequence[str] = (),
    hashes: Mapping[Path, str] | None = None,
) -> dict[Path, str]:
    """The kind of each image of folders of defects. Images of unknown kind are not in it.

    In ``folder/KIND/x.png`` the folder KIND states the kind, and a row of the table does. A folder or a row
    that says only "defect" or "unknown" states none.

    Args:
        folders: each folder that was handed over, with the images in it that show a defect.
        table: CSV with the columns ``file`` and ``kind``; see ``kinds_by_table``.
        known: the kinds that the line knows already.
        hashes: sha256 of each image's bytes, where the caller has them; else the files are read.

    Raises:
        DataError: a name that cannot be a kind's, a row that fits no image or several, two rows for one
            image, two kinds for one image or its copies, two spellings of one kind, or too many kinds.
    """
    pictures = list(dict.fromkeys(path for inside in folders.values() for path in inside))
    stated: dict[Path, StatedKind] = {}
    for folder, inside in folders.items():
        for path, said in kinds_by_folder(folder, inside).items():
            if path not in stated or not stated[path].kind:
                stated[path] = said
    hashes = hashes or _hashed(pictures if table or any(s.kind for s in stated.values()) else ())
    if table is not None:
        for path, row in kinds_by_table(table, pictures, hashes).items():
            before = stated[path]
            if row.kind and before.kind and row.kind != before.kind:
                raise _contradiction(path, before, row)
            stated[path] = row if row.kind else before
    _check_copies(stated, hashes)
    _check_spellings(stated.values(), known)
    return {path: said.kind for path, said in stated.items() if said.kind}


def kinds_by_folder(folder: Path, pictures: Iterable[Path]) -> dict[Path, StatedKind]:
    """What the folders between ``folder`` and each image state: the first whose name is one of a class.

    Raises:
        DataError: such a folder's name cannot be a kind's.
    """
    stated, names = {}, {}
    for path in pictures:
        inner = path.relative_to(folder).parts[:-1] if path.is_relative_to(folder) else ()
        classes = [name for name in inner if role_of(name) in ("class", "unlabelled")]
        name = next((n for n in classes if not is_defect_name(n)), "")
        if name not in names:
            where = f"the folder {printable_path(folder / name)}"
            names[name] = StatedKind(check_kind(name, where), where)
        stated[path] = names[name]
    return stated


def kinds_by_table(
    table: Path, pictures: Sequence[Path], hashes: Mapping[Path, str]
) -> dict[Path, StatedKind]:
    """What the rows of a table state of the images.

    The column ``file`` holds an image's name, its path or the end of that path, or the sha256 of its bytes.
    By a hash a row names all copies of an image.

    Raises:
        DataError: a row without a file, one that fits no image or several, a second row for an image, or a
            name that cannot be a kind's. It names the row; the headings are row 1.
    """
    by_name, by_hash = _by_ending(pictures), defaultdict(list)
    for path in pictures:
        by_hash[hashes[path]].append(path)
    stated: dict[Path, StatedKind] = {}
    for number, row in enumerate(read_table(table, ("file", "kind")), 2):
        where = f"{table}, row {number}"
        cell = row["file"].strip()
        kind = check_kind(row["kind"], where)
        if not cell and not row["kind"].strip():
            continue
        if not cell:
            raise DataError(f"{where} has a kind and no file", "name the image, or remove the row")
        found = by_hash[cell.lower()] if _SHA256.fullmatch(cell) else by_name[_ending(cell)]
        for path in _fitting(found, cell, where):
            if path in stated:
                raise DataError(
                    f"{where}: {printable_path(path)} has a kind by {stated[path].where} already",
                    "keep one of the rows",
                )
            stated[path] = StatedKind(kind, where)
    return stated


def check_kind(name: str, where: str) -> str:
    """A name as a kind's: normalised (Unicode NFC), without space around it; "" where it states none.

    Args:
        name: the name of a folder, or a cell of a table.
        where: where it stands, for the error.

    Raises:
        DataError: it means good, is too long, holds no letter or digit, or holds what cannot be printed.
    """
    text = unicodedata.normalize("NFC", name).strip()
    if not text or is_defect_name(text) or is_unknown_name(text):
        return ""
    shown = f"{where}: the kind {text[:LONGEST_KIND]!r}"
    if is_good_name(text) or means_good(text) or plain_name(text) in _TAKEN:
        raise DataError(
            f"{shown} means no defect", "take good images out of the defects, or give the kind another name"
        )
    if not text.isprintable():
        raise DataError(
            f"{shown} holds line ends or other characters that cannot be printed", "rename the kind"
        )
    if not any(c.isalnum() for c in text):
        raise DataError(f"{shown} holds no letter and no digit", "rename the kind")
    if len(text) > LONGEST_KIND:
        raise DataError(f"{shown}... has more than {LONGEST_KIND} characters", "shorten its name")
    return text


def _hashed(pictures: Iterable[Path]) -> dict[Path, str]:
    try:
        return {path: sha256_file(path) for path in pictures}
    except OSError as e:
        raise DataError(f"{e.filename} cannot be read: {e.strerror or e}", "check the file") from e


def _ending(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))


def _by_ending(pictures: Iterable[Path]) -> defaultdict[str, list[Path]]:
    """Each end of an image's full path, with slashes -> the images that have it."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in pictures:
        parts = path.absolute().parts
        for at in range(1, len(parts)):
            found[_ending("/".join(parts[at:]))].append(path)
        found[_ending(path.absolute().as_posix())].append(path)
    return found


def _fitting(found: Sequence[Path], cell: str, where: str) -> Sequence[Path]:
    shown = repr(cell[:200])
    if not found:
        raise DataError(
            f"{where}: no image among the defects is {shown}",
            "correct the name, path or sha256, or remove the row",
        )
    if len(found) > 1 and not _SHA256.fullmatch(cell):
        raise DataError(
            f"{where}: {shown} could be {printable_path(found[0])} or {printable_path(found[1])}",
            "write more of the path, or the sha256",
        )
    return found


def _check_copies(stated: Mapping[Path, StatedKind], hashes: Mapping[Path, str]) -> None:
    """Copies of one image must not have two kinds."""
    first: dict[str, Path] = {}
    for path, said in stated.items():
        if said.kind:
            other = first.setdefault(hashes[path], path)
            if stated[other].kind != said.kind:
                raise _contradiction(path, stated[other], said, f", a copy of {printable_path(other)},")


def _contradiction(path: Path, one: StatedKind, other: StatedKind, copy: str = "") -> DataError:
    return DataError(
        f"{printable_path(path)}{copy} is {one.kind!r} by {one.where} and {other.kind!r} by {other.where}",
        "keep one of the two kinds",
    )


def _check_spellings(stated: Iterable[StatedKind], known: Sequence[str]) -> None:
    """One kind is spelt alike everywhere, and there are not too many."""
    spelt = {plain_name(name): StatedKind(name, "the line") for name in known}
    for said in stated:
        if not said.kind:
            continue
        other = spelt.setdefault(plain_name(said.kind), said)
        if other.kind != said.kind:
            raise DataError(
                f"one kind is spelt {other.kind!r} in {other.where} and {said.kind!r} in {said.where}",
                f"write it alike, as {other.kind!r}",
            )
    if len(spelt) > MOST_KINDS:
        raise DataError(
            f"the defects have {len(spelt)} kinds; a line knows at most {MOST_KINDS}",
            "if the folders are parts or days, put the images into one folder and name kinds with --kinds",
        )
