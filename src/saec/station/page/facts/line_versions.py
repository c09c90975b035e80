"""Which version of a line is chosen, which one really judges, and how a shadow agrees with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saec.errors import LineError
from saec.station.line.version_store import Version, Versions, VersionStore
from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role

_LOOK_S = 0.5
"""Seconds between two looks at the files of the versions."""

LISTED = 30
"""The newest versions of a line that are listed."""


@dataclass(frozen=True, slots=True)
class ShadowAgreement:
    """On how many frames a shadow gave the same label as the version that judged, another, or none."""

    same: int
    other: int
    failed: int

    @property
    def share(self) -> float | None:
        """The share of the same label among the frames that it judged; None before the first."""
        judged = self.same + self.other
        return self.same / judged if judged else None


@dataclass(frozen=True, slots=True)
class LineVersions:
    """The versions of a line as they are now.

    Attributes:
        state: what is chosen; None where no version was added yet, or the file is damaged.
        problem: why, then.
        running: the version that judges, as the station says; None where it says nothing.
        running_shadow: the one that judges beside it, likewise.
        agreements: those of each version that has been a shadow.
    """

    name: str
    state: Versions | None
    problem: str
    running: int | None
    running_shadow: int | None
    agreements: Mapping[int, ShadowAgreement]

    @property
    def listed(self) -> list[Version]:
        """The newest versions, and those that play a part, newest first."""
        if self.state is None:
            return []
        newest = sorted(self.state.known, key=lambda version: -version.number)
        parts = (self.state.current, self.state.previous, self.state.shadow)
        return newest[:LISTED] + [one for one in newest[LISTED:] if one.number in parts]

    @property
    def switching(self) -> bool:
        """Whether the station still has to do what was chosen."""
        state, known = self.state, self.running is not None
        chosen = None if state is None else (state.current, state.shadow)
        return known and chosen is not None and chosen != (self.running, self.running_shadow)

    @property
    def seen(self) -> str:
        """What is chosen, as one word; a form says by it what its person has seen."""
        state = self.state
        return "" if state is None else f"{state.current}.{state.previous or 0}.{state.shadow or 0}"


def line_versions(data: Path, name: str, feed: StationFeed) -> LineVersions:
    """The versions of a line.

    Args:
        data: the station's data folder.
        name: the line's name.
        feed: says which versions judge.
    """
    state, problem = None, ""
    try:
        state = VersionStore(data / "lines" / name).state()
    except (LineError, OSError) as e:
        problem = str(e)
    told = {} if feed.silent else feed.line(name)
    counters = feed.status.get("counters", {})
    return LineVersions(
        name=name,
        state=state,
        problem=problem,
        running=told.get("version"),
        running_shadow=told.get("shadow"),
        agreements=_agreements(name, counters, [] if state is None else state.known),
    )


def _agreements(line: str, counters: Mapping[str, Any], known: list[Version]) -> dict[int, ShadowAgreement]:
    found = {}
    for version in known:
        start = f"shadow:{line}:v{version.number}"
        counts = [int(counters.get(f"{start}:{how}", 0)) for how in ("same", "other", "error")]
        if any(counts):
            found[version.number] = ShadowAgreement(*counts)
    return found


class VersionTopics:
    """Topics of the page's events: ``versions-LINE`` with what may be done, and ``agreement-LINE``.

    Args:
        data: the station's data folder.
        lines: the names of the lines.
        steady: seconds by a clock that is never set.
    """

    def __init__(
        self,
        data: Path,
        lines: list[str],
        feed: StationFeed,
        templates: PageTemplates,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data, self._lines, self._feed, self._templates = data, lines, feed, templates
        self._steady, self._looked = steady, float("-inf")
        self._now: dict[str, LineVersions] = {}

    def every(self) -> list[str]:
        return [f"{part}-{line}" for line in self._now for part in ("versions", "agreement")]

    def changed(self) -> list[str]:
        now = self._steady()
        if now - self._looked < _LOOK_S:
            return []
        self._looked, before = now, self._now
        self._now = {line: line_versions(self._data, line, self._feed) for line in self._lines}
        news = []
        for line, seen in self._now.items():
            old = before.get(line)
            if old is None or old.agreements != seen.agreements:
                news.append(f"agreement-{line}")
            if old is None or _without_counts(old) != _without_counts(seen):
                news.append(f"versions-{line}")
        return news

    def text(self, name: str, words: Wording, role: Role) -> str:
        part, _, line = name.partition("-")
        template = "line_versions.html" if part == "versions" else "line_agreement.html"
        may_change = role.allows(Role.ENGINEER)
        return self._templates.text(template, words, line=self._now[line], may_change=may_change)


def _without_counts(line: LineVersions) -> tuple[Any, ...]:
    return line.state, line.problem, line.running, line.running_shadow
