"""The alarms as the page shows them: open ones first, and as topics of its events."""

from __future__ import annotations

from collections.abc import Sequence

from saec.station.page.live.acknowledgements import Acknowledgements, JudgedAlarm
from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role
from saec.station.storage.spool_reader import SpoolReader

SHOWN = 200
"""The last alarms that are looked at; an older one that is still open has not come for long."""


def judged_alarms(reader: SpoolReader, done: Acknowledgements) -> list[JudgedAlarm]:
    """The last alarms with what was done about them, the open ones first, each part newest first."""
    return done.judged(reader.alarms(SHOWN))


class AlarmTopics:
    """The topics ``banner``, which each view shows, and ``alarms``, the list."""

    def __init__(
        self, reader: SpoolReader, done: Acknowledgements, feed: StationFeed, templates: PageTemplates
    ) -> None:
        self._reader, self._done, self._feed, self._templates = reader, done, feed, templates
        self._seen: object = None
        self._alarms: Sequence[JudgedAlarm] = ()

    def every(self) -> list[str]:
        return ["banner", "alarms"]

    def changed(self) -> list[str]:
        newest = self._reader.alarms(1)
        seen = (newest, self._done.changes, self._feed.silent, self._feed.problems)
        if seen == self._seen:
            return []
        self._alarms = judged_alarms(self._reader, self._done)
        self._seen = seen
        return self.every()

    def text(self, name: str, words: Wording, role: Role) -> str:
        template = "alarm_banner.html" if name == "banner" else "alarm_list.html"
        return self._templates.text(
            template,
            words,
            alarms=self._alarms,
            problems=self._feed.problems,
            silent=self._feed.silent,
            may_acknowledge=role.allows(Role.OPERATOR),
        )
