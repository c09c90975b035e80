"""The calibrations of the versions that have judged, read once each."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import structlog

from saec.errors import SaecError
from saec.profile import Calibration, LineProfile

_KEPT = 16

log = structlog.get_logger()


class KeptCalibrations:
    """Gives the calibration of a line's version; for one thread.

    Args:
        lines: the folder of the lines' versions.
    """

    def __init__(self, lines: Path) -> None:
        self._lines = lines
        self._kept: OrderedDict[tuple[str, str], Calibration | None] = OrderedDict()

    def __call__(self, line: str, version: str) -> Calibration | None:
        """A version's calibration; None where it is gone or damaged, which is logged once.

        Args:
            version: its number, as text.
        """
        key = (line, version)
        if key not in self._kept:
            try:
                self._kept[key] = LineProfile.open(
                    self._lines / line / f"v{version}", verify=False
                ).calibration
            except (SaecError, OSError) as e:
                log.warning("no calibration of a version", line=line, version=version, error=str(e))
                self._kept[key] = None
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]
