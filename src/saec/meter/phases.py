"""Phase marks across a process boundary.

``saec meter`` names a file in the environment variable ``SAEC_PHASES``; a process that it measures appends a
line, time and phase, whenever a phase begins (an empty phase when one ends). Times are ``time.monotonic()``,
which is the same clock in every process of a machine. Any program may write such marks.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from saec.errors import DataError

VARIABLE = "SAEC_PHASES"


def mark(phase: str) -> None:
    """Tell a meter outside this process, if there is one, that a phase begins."""
    path = os.environ.get(VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as f:
            f.write(f"{time.monotonic():.6f}\t{phase}\n")


class PhaseMarks:
    """The reading end.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[tuple[float, str]]:
        """The marks that were written since the last call, whole lines only.

        Raises:
            DataError: a line is not a mark.
        """
        if not self._path.exists():
            return []
        with self._path.open("rb") as f:
            f.seek(self._offset)
            data = f.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [_parse(line) for line in whole.decode().splitlines()]


def _parse(line: str) -> tuple[float, str]:
    time_, tab, phase = line.partition("\t")
    try:
        seconds = float(time_)
    except ValueError:
        tab = ""
    if not tab:
        raise DataError(
            f"this line does not mark a phase of the run: {line!r}",
            "write time.monotonic(), a tab and the phase's name",
        )
    return seconds, phase
