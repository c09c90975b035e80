"""Memory and CPU time of a process and of everything that it started."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


class ProcessTree:
    """A process and its descendants; one that was seen stays watched after its parent has ended.

    Args:
        pid: the process id of the root.
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen: set[psutil.Process] = {self._root}
        self._kinds: set[str] = set()

    def memory_bytes(self) -> float | None:
        """Physical memory now, summed over the tree; None when nothing of it runs any more.

        Proportional set size where the kernel tells it (pages that processes share count once in all), else
        resident set size (they count in each).
        """
        with suppress(psutil.NoSuchProcess):  # when the root has ended, those it started may still run
            self._seen.update(self._root.children(recursive=True))
        sizes = {process: self._size(process) for process in self._seen}
        self._seen = {process for process, size in sizes.items() if size is not None}
        known = [size for size in sizes.values() if size is not None]
        return float(sum(known)) if known else None

    def cpu_seconds(self) -> float:
        """CPU time of the tree so far, user and system; those that have ended count once waited for."""
        total = 0.0
        for process in list(self._seen):
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
                if process == self._root:
                    total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return total

    @property
    def notes(self) -> tuple[str, ...]:
        """How the memory was counted."""
        return (
            (f"CPU memory is {' and '.join(sorted(self._kinds))} of the process tree",) if self._kinds else ()
        )

    def _size(self, process: psutil.Process) -> int | None:
        try:
            if process.status() == psutil.STATUS_ZOMBIE or not process.is_running():
                return None
            pss = _proportional(process.pid)
            size = process.memory_info().rss if pss is None else pss
        except psutil.NoSuchProcess:
            return None
        self._kinds.add("RSS" if pss is None else "PSS")
        return int(size)


def _proportional(pid: int) -> int | None:
    """Proportional set size in bytes from Linux' smaps_rollup; None where it is not told."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)
