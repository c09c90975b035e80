"""A clock that goes when it is told to, passwords, and a list of what was noted."""

from __future__ import annotations

from typing import Any

SECRET, OTHER = "correct horse battery", "staple crosses the river"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_hours(self, hours: float) -> None:
        self.now += 3600 * hours


class Notes:
    """What was noted, row by row."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, Any, Any]] = []

    def __call__(self, what: str, about: str, before: Any, after: Any) -> None:
        self.rows.append((what, about, before, after))
