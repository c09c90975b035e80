"""How many parts are on their way to each output, on the disk: the next start says what was lost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from saec.decoding import decode

_SIZE = 4096
"""Bytes of the file, which are written at once, so that a process that is killed leaves them whole."""


class PendingParts:
    """The numbers of parts on their way to the outputs of one coupler.

    They are handed to the kernel with each change and not synced: they outlive the process, and after a power
    cut they may be some seconds old.

    Args:
        path: the file; made where it is missing.

    Attributes:
        before: what an earlier process left, by output.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.before = self._read()
        self._last = ""

    def keep(self, pending: Mapping[str, int]) -> None:
        """What is on its way now."""
        text = "{" + ",".join(f'"{name}":{n}' for name, n in pending.items() if n) + "}"
        if text != self._last:
            self._last = text
            os.pwrite(self._file, text.encode().ljust(_SIZE), 0)

    def close(self) -> None:
        os.close(self._file)

    def _read(self) -> dict[str, int]:
        try:
            return decode(os.pread(self._file, 1 << 20, 0).strip() or b"{}", dict[str, int])
        except msgspec.DecodeError:
            return {}
