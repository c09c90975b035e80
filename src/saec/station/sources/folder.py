"""A watched folder as a source of frames."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import structlog

from saec.data.files import is_picture, passed_over
from saec.errors import SaecError, SpoolError, SpoolFullError
from saec.pipeline.judge import printable
from saec.station.settings import FolderSource
from saec.station.sources.contract import LARGEST, REST, Accept, Refused
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping

log = structlog.get_logger()


class Folder:
    """Files that appear in a folder, each once, the oldest first.

    A file is read when neither its size nor its time has changed for ``settle`` seconds. Its key is its name,
    time and size, so a file that was accepted just before a crash is not judged again.
    """

    def __init__(self, settings: FolderSource, accept: Accept, refused: Refused, data: Path) -> None:
        self._s, self._accept, self._refused = settings, accept, refused
        self._moved = data / "taken" / settings.name
        self.state = "watching"
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        self._done: set[tuple[Path, tuple[int, int]]] = set()

    def run(self, stopping: Stopping) -> None:
        self._s.path.mkdir(parents=True, exist_ok=True)
        while not stopping.is_set():
            full = self.look(time.monotonic())
            stopping.wait(REST if full else self._s.poll)

    def look(self, now: float) -> bool:
        """Take every file that has settled; whether the spool refused one."""
        found = self._files()
        self._seen = {path: self._seen.get(path, (stamp, now)) for path, stamp in found.items()}
        self._done &= set(found.items())
        for path, stamp in sorted(found.items(), key=lambda item: (item[1][0], str(item[0]))):
            last, since = self._seen[path]
            if last != stamp:
                self._seen[path] = (stamp, now)
            elif now - since >= self._s.settle and (path, stamp) not in self._done:
                if not self._take(path, stamp):
                    return True
                self._done.add((path, stamp))
        return False

    def _files(self) -> dict[Path, tuple[int, int]]:
        """Image files with their time (ns) and size.

        A name that begins with a dot is still being written; thumbnails of file servers are no frames.
        """
        found: dict[Path, tuple[int, int]] = {}
        for folder, folders, names in os.walk(self._s.path):
            folders[:] = [name for name in folders if not passed_over(name)]
            for name in names:
                path = Path(folder) / name
                if not is_picture(name) or path.is_symlink():
                    continue
                try:
                    status = path.stat()
                except OSError:
                    continue  # it has gone
                if stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                    found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def _take(self, path: Path, stamp: tuple[int, int]) -> bool:
        """Hand one file over; False where there is no room for it now."""
        name = printable(path.relative_to(self._s.path).as_posix())
        try:
            if stamp[1] > LARGEST:
                raise SpoolError(f"{name} has {stamp[1]} bytes", f"give files of at most {LARGEST}")
            data = path.read_bytes()
            frame = NewFrame(
                line=self._s.line,
                source=self._s.name,
                key=f"{self._s.name}/{name}@{stamp[0]}+{stamp[1]}",
                suffix=path.suffix.lower(),
                captured=stamp[0] / 1e9,
            )
            self._accept(frame, data)
        except SpoolFullError:  # counted already
            return False
        except (SaecError, OSError) as e:  # this file's own fault: it stays, and is not tried again
            self._refused(self._s.name, str(e))
            return True
        self._put_away(path)
        return True

    def _put_away(self, path: Path) -> None:
        """After the frame is safe in the spool; a file that stays where it is has its key."""
        try:
            if self._s.after == "delete":
                path.unlink()
            elif self._s.after == "move":
                target = self._moved / path.relative_to(self._s.path)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        except OSError as e:
            log.warning("file not put away", source=self._s.name, file=str(path), error=str(e))
