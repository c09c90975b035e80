"""How the station does, as it told the page last: a line a second on the page's standard input."""

from __future__ import annotations

import time
from typing import Any

from saec.station.page.trouble_watch import AlarmCourse, TroubleWatch
from saec.station.storage.records import Alarm

_SILENT = 6.0
"""Seconds without a word after which the station counts as silent."""


class StationFeed:
    """The station's last word. One thread updates it, others read it.

    Attributes:
        status: ``Station.status()`` as plain values; empty before the first word.
        problems: why the station is not ready, one sentence each.
        ended: whether the station has ended, and the page is to end.
    """

    def __init__(self) -> None:
        self.status: dict[str, Any] = {}
        self.problems: list[str] = []
        self.ended = False
        self._heard: float | None = None
        self._troubles = TroubleWatch()

    def update(self, told: dict[str, Any]) -> None:
        """Keep a word of the station: ``{"status": ..., "problems": [...]}``."""
        self.status, self.problems = told.get("status", {}), told.get("problems", [])
        self._heard = time.monotonic()
        self._troubles.note(self.status)

    def end(self) -> None:
        """The station has ended: streams to browsers end, so that nothing holds the process."""
        self.ended = True

    @property
    def silent(self) -> bool:
        """Whether a word is overdue; one that has never come is not."""
        return self._heard is not None and time.monotonic() - self._heard > _SILENT

    def course(self, alarm: Alarm) -> AlarmCourse | None:
        """Whether what an alarm tells of goes on or is over; None where nothing tells."""
        return None if self.silent else self._troubles.course(alarm)

    def line(self, name: str) -> dict[str, Any]:
        """What it said of a line; empty where it said nothing."""
        told: dict[str, Any] = self.status.get("lines", {}).get(name, {})
        if told.get("link") == "up" and told.get("asked") == 0:
            return told | {"link": "new"}  # this line does not know yet whether it answers
        return told
