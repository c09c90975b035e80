"""Which frame a line is at work on, noted on the disk before the work begins; it outlives the process.

It is written without a sync. Where the process dies the system still has it; where the power goes it may be
lost, and a power cut is no frame's fault. The boot's id tells the two apart.

A process that hangs is ended from outside and leaves the same: the frame that it was at work on is a suspect,
and only one that was alone can have been the cause.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from saec.texts import whole_number

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LENGTH = 96


@dataclass(frozen=True, slots=True)
class CrashMark:
    """A frame that was at work when a process died.

    Attributes:
        alone: no other frame was under way in that process, and the disk did not hang.
    """

    seq: int
    alone: bool


class CrashMarker:
    """The file of one line; for one thread, but for ``excuse``.

    Args:
        path: the file; made where it is missing.
        boot: the id of the machine's present run.

    Attributes:
        left: what the last process was at work on when it died, if it has and the machine has not been
            started anew since.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, boot: str | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._boot = _BOOT.read_text().strip() if boot is None else boot
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.left = self._read()
        self._alone: int | None = None

    def begin(self, seq: int, *, alone: bool = False) -> None:
        """The frame is under way from now on, alone or not."""
        self._alone = seq if alone else None
        self._write(f"{seq} {int(alone)} {self._boot}")

    def end(self) -> None:
        """No frame is under way any more."""
        self._alone = None
        self._write("")

    def excuse(self) -> None:
        """What hangs is not the frame: if the process is ended for it, that does not count. Never waits.

        For another thread. It is the disk that hangs, so the note may reach it much later; a process that
        waits for a disk ends after that.
        """
        seq, self._alone = self._alone, None
        if seq is not None:
            text = f"{seq} 0 {self._boot}"
            threading.Thread(target=self._write, args=(text,), name="saec-excuse", daemon=True).start()

    def close(self) -> None:
        os.close(self._file)

    def _write(self, text: str) -> None:
        os.pwrite(self._file, text.encode().ljust(_LENGTH), 0)

    def _read(self) -> CrashMark | None:
        words = os.pread(self._file, _LENGTH, 0).decode(errors="replace").split()
        if len(words) != 3 or words[2] != self._boot:
            return None
        seq = whole_number(words[0])
        return None if seq is None else CrashMark(seq, words[1] == "1")
