"""A watched folder as a source of frames."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import structlog

from saec.data.files import is_picture, passed_over
from saec.errors import SaecError, SpoolError, SpoolFullError
from saec.pipeline.judge import printable
from saec.station.private import make_folder
from saec.station.settings import FolderSource
from saec.station.sources.contract import LARGEST, REST, Accept, Alarm, Refused, Remember
from saec.station.sources.opening import ChangedError, Seen, look, read_as_seen, remove_as_seen
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""Want of handles or memory: nothing can be read now, whatever the file."""

_DAILY = 86400.0
"""Seconds after which the keys of files that stay are remembered anew."""

log = structlog.get_logger()


class Folder:
    """Files that appear in a folder, each once, the oldest first.

    A file is read when neither its size nor its time has changed for ``settle`` seconds. Its key is its name,
    time and size, so a file that was accepted just before a crash is not judged again. The key of a file that
    stays, because it should or because it cannot be removed, is remembered as long as the file is there.

    A link, a pipe or a device is no file. A file with a second name (a hard link) is not taken while it has
    it: whoever may write into the folder could so have any file shown that the station can read.
    """

    def __init__(
        self, settings: FolderSource, accept: Accept, refused: Refused, alarm: Alarm, remember: Remember
    ) -> None:
        self._s, self._accept, self._refused = settings, accept, refused
        self._alarm, self._remember = alarm, remember
        self._left: list[str] = []  # keys of files that have just been accepted and stay
        self._stuck, self._remembered = False, 0.0
        self.state = "watching"
        self._seen: dict[Path, tuple[Seen, float]] = {}
        self._done: set[tuple[Path, Seen]] = set()
        self._told: set[tuple[Path, Seen]] = set()
        self._stopping = Stopping()

    def run(self, stopping: Stopping) -> None:
        self._stopping = stopping
        make_folder(self._s.path)
        while not stopping.is_set():
            full = self.look(time.monotonic())
            stopping.wait(REST if full else self._s.poll)

    def look(self, now: float) -> bool:
        """Take every file that has settled; whether the source should rest, as one could not be taken now."""
        found = self._files()
        self._seen = {path: self._seen.get(path, (seen, now)) for path, seen in found.items()}
        here = {(path, _one(seen)) for path, seen in found.items()}
        self._done &= here
        self._told = {(path, seen) for path, seen in self._told if found.get(path) == seen}
        full = self._take_settled(found, now)
        self._remember_left(now)
        return full

    def _take_settled(self, found: dict[Path, Seen], now: float) -> bool:
        for path, seen in sorted(found.items(), key=lambda item: (item[1].time, str(item[0]))):
            if self._stopping.is_set():
                return False
            last, since = self._seen[path]
            if last != seen:
                self._seen[path] = (seen, now)
                continue
            due = now - since >= self._s.settle and (path, _one(seen)) not in self._done
            if due and not self._take(path, seen):
                return True
        return False

    def _files(self) -> dict[Path, Seen]:
        """Image files as they are now.

        A name that begins with a dot is still being written; thumbnails of file servers are no frames.
        """
        found: dict[Path, Seen] = {}
        for folder, folders, names in os.walk(self._s.path):
            folders[:] = [name for name in folders if not passed_over(name)]
            for name in names:
                self._stopping.turn()
                path = Path(folder) / name
                if not is_picture(name):
                    continue
                if (seen := look(path)) is not None:
                    found[path] = seen
        return found

    def _take(self, path: Path, seen: Seen) -> bool:
        """Hand one file over; False where nothing can be taken now."""
        inside = path.relative_to(self._s.path)
        name = printable(inside.as_posix())
        try:
            data = self._read(inside, name, seen)
            frame = NewFrame(
                line=self._s.line,
                source=self._s.name,
                key=self._key(path, seen),
                suffix=path.suffix.lower(),
                captured=seen.time / 1e9,
            )
            self._accept(frame, data)
        except SpoolFullError:  # counted already
            return False
        except ChangedError:  # it is seen as it is now at the next look
            return True
        except OSError as e:  # the file may be readable later
            self._tell(path, seen, f"{name} cannot be taken now: {e.strerror or e}")
            return e.errno not in _NO_ROOM
        except SaecError as e:  # this file's own fault: it stays, and is not tried again
            self._tell(path, seen, str(e))
            if seen.names == 1:
                self._done.add((path, seen))
            return True
        self._done.add((path, seen))
        self._put_away(path, seen)
        return True

    def _key(self, path: Path, seen: Seen) -> str:
        name = printable(path.relative_to(self._s.path).as_posix())
        return f"{self._s.name}/{name}@{seen.time}+{seen.size}"

    def _read(self, inside: Path, name: str, seen: Seen) -> bytes:
        if seen.size > LARGEST:
            raise SpoolError(f"{name} has {seen.size} bytes", f"give files of at most {LARGEST}")
        if seen.names > 1:
            raise SpoolError(f"{name} is a hard link", "copy the file into the folder, or move it there")
        return read_as_seen(self._s.path, inside, seen)

    def _tell(self, path: Path, seen: Seen, why: str) -> None:
        """Say once why a file is not taken, as long as it stays as it is."""
        if (path, seen) not in self._told:
            self._told.add((path, seen))
            self._refused(self._s.name, why)

    def _put_away(self, path: Path, seen: Seen) -> None:
        """After the frame is safe in the spool: remove the file, or remember that it is there."""
        if self._s.after == "delete":
            try:
                remove_as_seen(self._s.path, path.relative_to(self._s.path), seen)
                self._stuck = False
                return
            except FileNotFoundError:
                return
            except OSError as e:
                self._tell_stuck(e)
        self._left.append(self._key(path, seen))

    def _tell_stuck(self, error: OSError) -> None:
        """One alarm a spell."""
        log.warning("file not removed", source=self._s.name, error=str(error))
        if not self._stuck:
            self._stuck = True
            text = (
                f"{self._s.name}: files in {self._s.path} were judged and cannot be removed "
                f"({error.strerror}); they are not judged again. Let the station delete there, "
                'or set after = "keep"'
            )
            self._alarm("folder", text)

    def _remember_left(self, now: float) -> None:
        """Keep the keys of files that stay, and once a day that they are still there."""
        keys, self._left = self._left, []
        if now - self._remembered >= _DAILY:
            self._remembered = now
            keys += [self._key(path, seen) for path, seen in self._done]
        if keys:
            self._remember(self._s.line, keys)


def _one(seen: Seen) -> Seen:
    """The same file with one name: a name that it is given after it was taken makes it no other."""
    return seen._replace(names=1)
