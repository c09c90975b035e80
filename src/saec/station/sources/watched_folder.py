"""A watched folder as a source of frames."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from saec.data.images.file_names import is_picture, passed_over
from saec.errors import SaecError, SpoolError, SpoolFullError
from saec.frame.verdicts import printable
from saec.station.parts.part_ids import PartIdError, part_pattern, part_within
from saec.station.section_types import FieldFault, Seconds
from saec.station.sources.frame_source import (
    LARGEST,
    REST,
    AcceptFrame,
    FrameRefused,
    Remember,
    SourceAlarm,
    SourceHooks,
    SourceSettings,
)
from saec.station.sources.overlooked import Overlooked
from saec.station.sources.seen_files import ChangedError, SeenFile, read_as_seen, remove_as_seen, see_file
from saec.station.sources.settling import SettlingFile, why_not_whole
from saec.station.sources.writers import Writers
from saec.station.storage.private_files import make_folder
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""Want of handles or memory: nothing can be read now, whatever the file."""

WATCHING, LOST = "watching", "lost"
"""States: it is looked at, or cannot be."""

_DAILY = 86400.0
"""Seconds after which the keys of files that stay are remembered anew."""

log = structlog.get_logger()


class FolderSource(SourceSettings, frozen=True, kw_only=True, tag_field="kind", tag="folder"):
    """A [[source]] of kind "folder": image files that appear in a folder.

    Attributes:
        path: The folder to watch, with its subfolders.
        settle_s: Seconds without a change before a file is read.
        patience_s: Seconds without a change before a file that is not whole is refused, with an alarm. It is
            judged if it becomes whole later.
        after: Delete or keep a file once it is accepted. The station has a copy of its own.
        poll_s: Seconds between two looks at the folder.
        part_pattern: A regular expression whose group "part" is the id of the part, in the file's name. The
            name stands below the folder, as "A1042/front.png" (docs/parts.md).
    """

    path: Path
    settle_s: Seconds = 0.2
    patience_s: Seconds = 10.0
    after: Literal["delete", "keep"] = "delete"
    poll_s: Seconds = 0.1
    part_pattern: str | None = None

    def faults(self) -> Iterator[FieldFault]:
        if self.part_pattern is not None:
            try:
                part_pattern(self.part_pattern)
            except PartIdError as e:
                yield "part_pattern", e.what, e.remedy

    def notes(self) -> Iterator[str]:
        """What the pattern of part ids finds in a file that lies in the folder."""
        if self.part_pattern is None:
            return
        files = (path for path in sorted(self.path.rglob("*")) if is_picture(path.name))
        name = next((printable(path.relative_to(self.path).as_posix()) for path in files), None)
        if name is None:
            yield "part_pattern cannot be tried, as the folder holds no image file"
        elif part := self.part_of(name):
            yield f"part_pattern finds the part {part} in {name}"
        else:
            yield f"part_pattern finds no part in {name}"

    def part_of(self, name: str) -> str:
        """The id of the part that a file's name tells; "" where it tells none."""
        return "" if self.part_pattern is None else part_within(part_pattern(self.part_pattern), name)

    def watched(self) -> Path:
        return self.path

    def reads(self) -> Path:
        return self.path

    def make_source(self, hooks: SourceHooks) -> WatchedFolder:
        return WatchedFolder(self, hooks.accept, hooks.refused, hooks.alarm, hooks.remember)


class WatchedFolder:
    """Files that appear in a folder, each once, the oldest first.

    A file is read when it has not changed for ``settle_s`` seconds, and taken when it is whole: by its own
    structure, and where that cannot tell, by what the kernel says of who writes it (``Writers``). One that is
    not whole after ``patience_s`` is refused once, by name; it stays, and is taken if it becomes whole.

    Its key is its name, time, size and contents: a file that was accepted just before a crash is not judged
    again, another frame under an old name is. A file that is put there anew after its forerunner was removed
    is a frame of its own, whatever it holds. The key of a file that stays, because it should or because it
    cannot be removed, is remembered as long as the file is there.

    A link, a pipe or a device is no file. A file with a second name (a hard link) is not taken while it has
    it: whoever may write into the folder could so have any file shown that the station can read.
    """

    def __init__(
        self,
        settings: FolderSource,
        accept: AcceptFrame,
        refused: FrameRefused,
        alarm: SourceAlarm,
        remember: Remember,
    ) -> None:
        self._s, self._accept, self._refused = settings, accept, refused
        self._alarm, self._remember = alarm, remember
        self._left: list[str] = []  # keys of files that have just been accepted and stay
        self._stuck, self._remembered = False, 0.0
        self.state = WATCHING
        self._waits: dict[Path, SettlingFile] = {}
        self._done: dict[Path, tuple[SeenFile, str]] = {}  # with the key of each that was accepted
        self._told: set[tuple[Path, SeenFile]] = set()
        self._writers, self._overlooked = Writers(), Overlooked(settings.path)
        self._stopping = Stopping()

    def run(self, stopping: Stopping) -> None:
        self._stopping = stopping
        make_folder(self._s.path)
        try:
            while not stopping.is_set():
                full = self.look(time.monotonic())
                stopping.wait(REST if full else self._s.poll_s)
        finally:
            self._writers.close()

    def look(self, now: float) -> bool:
        """Take every file that has settled; whether the source should rest, as one could not be taken now."""
        self._writers.refresh()  # before the folder is read: so that nothing newer is forgotten
        found = self._files()
        self._writers.keep(found)
        self._writers.refresh()
        self._waits = {path: wait for path, wait in self._waits.items() if path in found}
        self._done = {path: done for path, done in self._done.items() if path in found}
        self._told = {(path, seen) for path, seen in self._told if found.get(path) == seen}
        if (text := self._overlooked.told()) is not None:
            log.warning("files ignored", source=self._s.name, what=text)
            self._alarm("passed-over", f"{self._s.name}: {text}")
        full = self._take_settled(found, now)
        self._remember_left(now)
        return full

    def _take_settled(self, found: dict[Path, SeenFile], now: float) -> bool:
        for path, seen in sorted(found.items(), key=lambda item: (item[1].time, str(item[0]))):
            if self._stopping.is_set():
                return False
            wait = self._waits.get(path)
            if wait is None or wait.seen != seen:
                self._waits[path] = SettlingFile(seen, now, self._s.settle_s, self._writers.writing(path))
                continue
            due = wait.is_due(now, self._writers.writing(path)) and not self._is_done(path, seen)
            if due and not self._take(path, wait, now):
                return True
        return False

    def _is_done(self, path: Path, seen: SeenFile) -> bool:
        done = self._done.get(path)
        if done is None:
            return False
        return done[0] == seen or (seen.names > 1 and done[0].but_for_names() == seen.but_for_names())

    def _files(self) -> dict[Path, SeenFile]:
        """Image files as they are now.

        A name that begins with a dot is still being written; thumbnails of file servers are no frames.
        """
        found: dict[Path, SeenFile] = {}
        watched: list[Path] = []
        errors: list[OSError] = []
        for folder, folders, names in os.walk(self._s.path, onerror=errors.append):
            watched.append(Path(folder))
            folders[:] = [name for name in folders if not passed_over(name)]
            for name in folders:
                if (path := Path(folder) / name).is_symlink():
                    self._overlooked.see(path)
            for name in names:
                self._stopping.turn()
                path = Path(folder) / name
                if is_picture(name) and (seen := see_file(path)) is not None:
                    found[path] = seen
                else:
                    self._overlooked.see(path)
        self._writers.watch(watched)
        self._tell_unread([e for e in errors if e.errno != errno.ENOENT or Path(e.filename) == self._s.path])
        return found

    def _tell_unread(self, errors: list[OSError]) -> None:
        """One alarm a spell in which the folder, or one in it, cannot be read."""
        if errors and self.state != LOST:
            why = f"{errors[0].filename} cannot be read ({errors[0].strerror})"
            log.warning("folder not read", source=self._s.name, error=why)
            self._alarm("folder", f"{self._s.name}: {why}; its files wait until it can be read")
        self.state = LOST if errors else WATCHING

    def _take(self, path: Path, wait: SettlingFile, now: float) -> bool:
        """Hand one file over; False where nothing can be taken now."""
        seen, inside = wait.seen, path.relative_to(self._s.path)
        name = printable(inside.as_posix())
        try:
            data = self._read(inside, name, seen)
            self._writers.refresh()  # it may have been written to while it was read
            writing, waited = self._writers.writing(path), now - wait.since >= self._s.patience_s
            if (why := why_not_whole(data, name, writing=writing, waited=waited)) is not None:
                self._put_off(path, wait, why, now)
                return True
            key = self._hand_over(path, name, seen, data)
        except SpoolFullError:  # counted already
            return False
        except ChangedError:  # it is seen as it is now at the next look
            return True
        except OSError as e:  # the file may be readable later
            self._tell(path, seen, f"{name} cannot be read now: {e.strerror or e}")
            return e.errno not in _NO_ROOM
        except SaecError as e:  # this file's own fault: it stays, and is not tried again
            self._tell(path, seen, str(e))
            if seen.names == 1:
                self._done[path] = (seen, "")
            return True
        self._done[path] = (seen, key)
        self._put_away(path, seen, key)
        return True

    def _read(self, inside: Path, name: str, seen: SeenFile) -> bytes:
        if seen.size > LARGEST:
            raise SpoolError(
                f"{name} has more than {LARGEST / 1e6:.0f} MB, which is too large", "give smaller files"
            )
        if seen.names > 1:
            raise SpoolError(f"{name} is a hard link", "copy the file into the folder, or move it there")
        return read_as_seen(self._s.path, inside, seen)

    def _put_off(self, path: Path, wait: SettlingFile, why: str, now: float) -> None:
        """Look into it again later; once the patience is over, say so."""
        if wait.put_off(now, self._s.patience_s):
            why = (
                f"{why}; the file has not changed for {self._s.patience_s:g} s and is not judged. Check the "
                "program that writes it. The station judges the file when it is complete; else delete it"
            )
            self._tell(path, wait.seen, why, "unfinished")

    def _hand_over(self, path: Path, name: str, seen: SeenFile, data: bytes) -> str:
        """Have the spool accept a frame; its key."""
        key = f"{self._s.name}/{name}@{seen.time}+{seen.size}#{hashlib.sha256(data).hexdigest()[:16]}"
        frame = NewFrame(
            line=self._s.line,
            source=self._s.name,
            key=key,
            suffix=path.suffix.lower(),
            captured=seen.time / 1e9,
            part=self._s.part_of(name),
        )
        taken = self._accept(frame, data)
        if not taken.duplicate:
            return key
        if self._s.after == "keep":
            self._tell_again(path, name, seen, key)
            return key
        if taken.since is not None and seen.changed / 1e9 > taken.since:
            # The file of the earlier frame was removed, and this one was put there after it.
            frame = msgspec.structs.replace(frame, key=f"{key}/{seen.changed}")
            self._accept(frame, data)
        return frame.key

    def _tell_again(self, path: Path, name: str, seen: SeenFile, key: str) -> None:
        """Say it where a file holds what an earlier one of its name held, after another was there."""
        if path in self._done and self._done[path][1] not in (key, ""):
            what = (
                f"{name} has the bytes, time and size of an earlier frame of that name, so it "
                "is not judged again"
            )
            self._tell(path, seen, f"{what}. Write each frame under a name of its own")

    def _tell(self, path: Path, seen: SeenFile, why: str, kind: str = "refused") -> None:
        """Say once why a file is not taken, as long as it stays as it is."""
        if (path, seen) not in self._told:
            self._told.add((path, seen))
            self._refused(self._s.name, why, kind)

    def _put_away(self, path: Path, seen: SeenFile, key: str) -> None:
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
        self._left.append(key)

    def _tell_stuck(self, error: OSError) -> None:
        """One alarm a spell."""
        log.warning("file not removed", source=self._s.name, error=str(error))
        if not self._stuck:
            self._stuck = True
            text = (
                f"{self._s.name}: files in {self._s.path} were judged, but cannot be removed "
                f"({error.strerror}). They are not judged again. Give the station the right to delete there, "
                'or set after = "keep"'
            )
            self._alarm("folder", text)

    def _remember_left(self, now: float) -> None:
        """Keep the keys of files that stay, and once a day that they are still there."""
        keys, self._left = self._left, []
        if now - self._remembered >= _DAILY:
            self._remembered = now
            keys += [key for _, key in self._done.values() if key and key not in keys]
        if keys:
            self._remember(self._s.line, keys)
