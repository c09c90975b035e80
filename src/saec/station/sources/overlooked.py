"""What lies in a watched folder and is not taken: said once, and not at each look."""

from __future__ import annotations

import stat
from pathlib import Path

from saec.data.images.file_names import is_picture, passed_over
from saec.frame.verdicts import printable

_ON_THEIR_WAY = frozenset((".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp"))
"""Endings under which programs write what they rename when it is whole."""

_ENDINGS = 100
"""Endings that are said; a folder with more of them is no folder of pictures."""

_NAMED = 5


class Overlooked:
    """Names that were passed over, each link and each ending of a name once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._endings: set[str] = set()
        self._links: set[Path] = set()
        self._here: set[Path] = set()
        self._new: list[str] = []

    def see(self, path: Path) -> None:
        """A file or folder that is not taken."""
        name = path.name
        if passed_over(name):
            return
        ending = path.suffix.lower()
        if path.is_symlink():
            self._see_odd(path, "a symbolic link")
        elif not is_picture(name):
            if ending not in self._endings | _ON_THEIR_WAY and len(self._endings) < _ENDINGS:
                self._endings.add(ending)
                self._new.append(f"{self._shown(path)} ({ending or 'no ending'} is not an image type)")
        elif (kind := _kind(path)) is not None:
            self._see_odd(path, kind)

    def told(self) -> str | None:
        """What is new since the last time, one sentence; None where nothing is."""
        self._links, self._here = self._links & self._here, set()
        new, self._new = self._new, []
        if not new:
            return None
        more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        return (
            f"ignored in {self._root}: {', '.join(new[:_NAMED])}{more}. Copy or move the image files "
            "themselves there, with names that end in their type, such as .png"
        )

    def _see_odd(self, path: Path, kind: str) -> None:
        self._here.add(path)
        if path not in self._links:
            self._links.add(path)
            self._new.append(f"{self._shown(path)} ({kind})")

    def _shown(self, path: Path) -> str:
        return printable(path.relative_to(self._root).as_posix())


def _kind(path: Path) -> str | None:
    """What a name that is no file and no link stands for; None where it has gone or is a file by now."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) else "a pipe, a socket or a device"
