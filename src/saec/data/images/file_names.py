"""Which files of a folder are pictures of the user's: one rule for data sets and for watched folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from saec.data.images.pixels import SUFFIXES
from saec.errors import DataError

# fmt: off
SYSTEM_NAMES = frozenset((
    # Network storage: Synology, QNAP, NetApp, Windows shares
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "@sharebin", "@snapshot", "@appstore",
    "#recycle", "#snapshot", "~snapshot", "network trash folder", "temporary items",
    # Windows, Linux, macOS, tools
    "$recycle.bin", "recycler", "recycled", "system volume information", "found.000", "lost+found",
    "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini",
))
# fmt: on
"""Names (lower case) of what file servers and systems put among a user's files. Names that begin with a dot
(``.Trash``, ``._x``, ``.ipynb_checkpoints``) need no entry: they are passed over as well."""


RENAME = "rename the file or folder to valid UTF-8; zip files and old shares often hold other names"


def passed_over(name: str) -> bool:
    """Whether a file or folder of that name is hidden, a thumbnail or a system's own: never a picture."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def is_picture(name: str) -> bool:
    """Whether a file of that name counts as an image: by its ending, and not passed over."""
    return not passed_over(name) and Path(name).suffix.lower() in SUFFIXES


def printable_path(path: str | Path) -> str:
    """A path as valid UTF-8; bytes of a name that are not stand as ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_utf8(path: str | Path) -> bool:
    """Whether a path can be written to a log or a manifest."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def subfolders(root: Path) -> list[Path]:
    """The folders in a folder, sorted, without those that are passed over.

    Raises:
        DataError: a folder that cannot be listed.
    """
    try:
        if not root.is_dir():
            return []
        return sorted(p for p in root.iterdir() if not passed_over(p.name) and p.is_dir())
    except OSError as e:
        raise DataError(f"{root}: {e.strerror or e}", "check the permissions of the folder") from e


def find_images(root: str | Path) -> list[Path]:
    """All image files under a folder, sorted by relative path; a single file gives itself.

    Links are followed; a link back to a folder that contains it is passed over, and so is what
    `passed_over` names. Broken links are listed, so that reading them fails aloud.

    Raises:
        DataError: no such file or folder, or a folder that cannot be listed.
    """
    root = Path(root)
    if root.is_dir():
        found = _walk(root, frozenset())
        return sorted(found, key=lambda p: p.relative_to(root).as_posix())
    if root.exists():
        return [root]
    raise DataError(f"{root} does not exist", "check the path")


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        entries = list(os.scandir(folder))
    except OSError as e:
        raise DataError(f"{folder}: {e.strerror or e}", "check the permissions of the folder") from e
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in entries:
        if passed_over(entry.name):
            continue
        if _is_dir(entry):
            yield from _walk(folder / entry.name, above | {here})
        elif is_picture(entry.name):
            yield folder / entry.name


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself
        return False
