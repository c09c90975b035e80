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
        path: the file; made where it is missing, in a folder that is there.

    Attributes:
        before: what an earlier process left, by output.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, ""
        self.before = self._read()

    def keep(self, pending: Mapping[str, int]) -> None:
        """What is on its way now."""
        text = "{" + ",".join(f'"{name}":{n}' for name, n in pending.items() if n) + "}"
        if text != self._last:
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(file, text.encode().ljust(_SIZE), 0)
            finally:
                os.close(file)
            self._last = text

    def _read(self) -> dict[str, int]:
        try:
            return decode(self._path.read_bytes().strip() or b"{}", dict[str, int])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}
