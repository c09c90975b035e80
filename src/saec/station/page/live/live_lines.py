"""What Live shows of each line: its newest frame, its last verdicts, and how it does."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from saec.station.page.live.frame_cards import FrameCard, frame_card
from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.words.languages import Wording
from saec.station.page.words.page_terms import label_key
from saec.station.people.roles import Role
from saec.station.setup.station_settings import StationSettings
from saec.station.sources import AnySource
from saec.station.storage.frame_search import FoundFrame, FrameQuery
from saec.station.storage.spool_reader import SpoolReader

STRIP = 50
"""The last verdicts of a line that are shown."""

_FAST, _PICTURE_WITHIN, _SETTLED = 0.5, 1.5, 1.0
"""Seconds. Where good frames follow one another faster than the first, not each has a picture of its map: the
newest that has one is shown, if it is younger than the second. Once no frame has come for the third, the
newest is shown in any case."""

_MANY = 2000
"""Verdicts since the last look from which on the lines are looked up anew."""

_PARTS = ("line", "state", "defect")
"""The topics of a line: its frame, how it does, and the last defect for a picture that is held."""

_TOLD = ("version", "shadow", "cloud", "link", "drift", "late", "deadline_s")


@dataclass(frozen=True, slots=True)
class LineNow:
    """A line as Live shows it.

    Attributes:
        card: the frame that is shown; None before the first.
        defect: the last defect of the strip, for a picture that is held; None without.
        strip: the last verdicts, newest first.
        told: what the station says of the line.
        sources: where its frames come from.
    """

    name: str
    card: FrameCard | None = None
    defect: FrameCard | None = None
    strip: Sequence[FoundFrame] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    sources: Sequence[AnySource] = ()

    @property
    def waits(self) -> bool:
        """Whether a newer frame than the one that is shown waits for the line to be quiet."""
        return self.card is not None and self.card.found.n != self.strip[0].n

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each label stands in the strip."""
        return Counter(label_key(found.label, found.state) for found in self.strip)


class LiveLines:
    """The lines as they are now, kept from look to look; safe to use from several threads.

    A line that has long been quiet costs nothing: only what has changed is read.

    Args:
        reader: one of its own, so that a long search elsewhere holds nothing up.
        settings: the station's, which name the lines and where their frames come from.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        reader: SpoolReader,
        feed: StationFeed,
        settings: StationSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader, self._feed, self._clock = reader, feed, clock
        self._sources = {
            line.name: [source for source in settings.source if source.line == line.name]
            for line in settings.line
        }
        self._lock = threading.Lock()
        self._n: int | None = None
        self._now: dict[str, LineNow] = {}

    def look(self) -> dict[str, LineNow]:
        """Each line by its name; a line about which nothing is new is the same object as before."""
        with self._lock:
            last = self._reader.last_change()
            for line, strip in self._changed(last).items():
                self._now[line] = self._line(line, strip)
            self._n = last
            for line, now in self._now.items():
                if now.waits and self._clock() - now.strip[0].time > _SETTLED:
                    now = self._now[line] = replace(now, card=frame_card(self._reader, now.strip[0]))
                told = _told(self._feed.line(line))
                if told != now.told:
                    self._now[line] = replace(now, told=told)
            return dict(self._now)

    def _changed(self, last: int) -> dict[str, Sequence[FoundFrame]]:
        """The new strips of the lines that have verdicts since the last look."""
        if self._n is None or not 0 <= last - self._n <= _MANY:
            return {line: self._reader.search(FrameQuery(line=line), most=STRIP) for line in self._sources}
        if last == self._n:
            return {}
        news: dict[str, list[FoundFrame]] = {}
        for found in self._reader.changes(self._n, most=_MANY):
            if found.line in self._now:
                news.setdefault(found.line, []).insert(0, found)
        return {line: _joined(found, self._now[line].strip) for line, found in news.items()}

    def _line(self, name: str, strip: Sequence[FoundFrame]) -> LineNow:
        defect = next((found for found in strip if found.label == 1), None)
        return LineNow(
            name=name,
            card=_shown(self._reader, strip),
            defect=None if defect is None else frame_card(self._reader, defect),
            strip=strip,
            told=_told(self._feed.line(name)),
            sources=self._sources[name],
        )


def _told(status: Mapping[str, Any]) -> dict[str, Any]:
    return {key: status.get(key) for key in _TOLD}


def _joined(news: Sequence[FoundFrame], strip: Sequence[FoundFrame]) -> Sequence[FoundFrame]:
    """A strip with newer verdicts before it; a frame that has another one now stands there once."""
    renewed = {found.seq for found in news}
    return [*news, *(found for found in strip if found.seq not in renewed)][:STRIP]


def _shown(reader: SpoolReader, strip: Sequence[FoundFrame]) -> FrameCard | None:
    """The newest frame; of a fast line the newest with a picture of its map, while the frames are good."""
    if not strip:
        return None
    newest = frame_card(reader, strip[0])
    fast = len(strip) > 1 and strip[0].time - strip[1].time < _FAST
    if newest.picture.endswith("/map") or newest.found.label != 0 or not fast:
        return newest
    for found in strip[1:]:
        if newest.found.time - found.time > _PICTURE_WITHIN:
            break
        card = frame_card(reader, found)
        if card.picture.endswith("/map"):
            return card
    return newest


class LiveTopics:
    """The lines as topics of the page's events: ``line-NAME``, ``state-NAME`` and ``defect-NAME``."""

    def __init__(self, lines: LiveLines, templates: PageTemplates) -> None:
        self._lines, self._templates = lines, templates
        self._now: dict[str, LineNow] = {}

    def every(self) -> list[str]:
        return [f"{part}-{line}" for line in self._now for part in _PARTS]

    def changed(self) -> list[str]:
        before, self._now = self._now, self._lines.look()
        names = [line for line, now in self._now.items() if before.get(line) is not now]
        return [f"{part}-{line}" for line in names for part in _PARTS]

    def text(self, name: str, words: Wording, role: Role) -> str:
        part, _, line = name.partition("-")
        now = self._now[line]
        return self._templates.text(f"live_{part}.html", words, line=now)
