"""The numbers of a PLC's triggers: each once, over restarts of the station as well."""

from __future__ import annotations

import threading

from saec.station.storage.spool import Spool

BLOCK = 512
"""Numbers that are reserved by one write to the disk; a process that ends leaves the rest of them unused."""


class TriggerNumbers:
    """Gives numbers that rise by one; safe to use from several threads.

    A number is given only once its block is on the disk. ``reserve`` writes the next block ahead of its need,
    so that no trigger waits for the disk.

    Args:
        spool: keeps what was reserved.
        plc: name of the PLC.
    """

    def __init__(self, spool: Spool, plc: str) -> None:
        self._spool, self._name = spool, f"plc:{plc}"
        self._lock = threading.Lock()
        self._last = self._reserved = int(spool.mark(self._name) or 0)

    @property
    def left(self) -> int:
        """Numbers that can be given without a write."""
        return self._reserved - self._last

    def reserve(self) -> None:
        """Reserve another block where less than half a one is left."""
        with self._lock:
            if self.left < BLOCK // 2:
                self._write(self._reserved + BLOCK)

    def begin_after(self, number: int) -> None:
        """A PLC knows this number already, as from a station whose data are lost."""
        with self._lock:
            if number > self._last:
                self._last = number
                if number > self._reserved:
                    self._write(number + BLOCK)

    def take(self) -> int:
        """The next number; only where none is left does it wait for the disk."""
        with self._lock:
            if not self.left:
                self._write(self._reserved + BLOCK)
            self._last += 1
            return self._last

    def _write(self, reserved: int) -> None:
        self._spool.set_mark(self._name, reserved)
        self._reserved = reserved
