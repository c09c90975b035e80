"""Which files of a watched folder are still open for writing, as far as the kernel tells (inotify).

It tells of programs on this machine, a file server (Samba) among them. Of what another machine writes onto a
network drive it knows nothing; the file itself must then say whether it is whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterable
from pathlib import Path

import structlog
from inotify_simple import Event, INotify, flags

_MASK = flags.MODIFY | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE

log = structlog.get_logger()


class Writers:
    """What the kernel said of each file since its folder was first seen; for one thread."""

    def __init__(self) -> None:
        self._notes: INotify | None = None
        self._failed = False
        self._folders: dict[int, Path] = {}
        self._open: dict[Path, bool] = {}

    def writing(self, path: Path) -> bool | None:
        """Whether a program writes it: False once who wrote it has closed it, None where nothing is known."""
        return self._open.get(path)

    def watch(self, folders: Iterable[Path]) -> None:
        """Hear of these folders from now on, and of no others."""
        wanted = set(folders)
        gone = [number for number, path in self._folders.items() if path not in wanted]
        for number in gone:
            del self._folders[number]
            with contextlib.suppress(OSError):  # it has gone by itself
                if self._notes is not None:
                    self._notes.rm_watch(number)
        for path in sorted(wanted - set(self._folders.values())):
            self._add(path)

    def refresh(self) -> None:
        """Take note of what has happened."""
        if self._notes is not None:
            for event in self._notes.read(timeout=0):
                self._note(event)

    def keep(self, paths: Container[Path]) -> None:
        """Forget all other files."""
        self._open = {path: writes for path, writes in self._open.items() if path in paths}

    def close(self) -> None:
        if self._notes is not None:
            self._notes.close()
        self._notes, self._folders = None, {}
        self._open.clear()

    def _add(self, folder: Path) -> None:
        try:
            self._notes = self._notes or INotify(nonblocking=True)
            self._folders[self._notes.add_watch(folder, _MASK)] = folder
        except OSError as e:  # too many are watched on this machine, or the folder has gone
            if not self._failed:
                log.warning("cannot detect who writes to the folder", folder=str(folder), error=str(e))
            self._failed = True

    def _note(self, event: Event) -> None:
        if event.mask & flags.Q_OVERFLOW:
            self._open.clear()
        elif event.mask & flags.IGNORED:
            self._folders.pop(event.wd, None)
        elif (folder := self._folders.get(event.wd)) is None:
            return
        elif event.mask & flags.MODIFY:
            self._open[folder / event.name] = True
        elif event.mask & (flags.CLOSE_WRITE | flags.MOVED_TO):
            self._open[folder / event.name] = False
        else:
            self._open.pop(folder / event.name, None)
