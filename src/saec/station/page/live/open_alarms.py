"""The alarms as the page shows them: open ones first, and as topics of its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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


def with_courses(alarms: Sequence[JudgedAlarm], feed: StationFeed) -> list[JudgedAlarm]:
    """The alarms with what has become of them; an older alarm about the same is not about now."""
    newest: dict[tuple[str, str], int] = {}
    for one in alarms:
        key = one.alarm.kind, one.alarm.about
        newest[key] = max(one.alarm.n, newest.get(key, 0))
    return [
        replace(one, course=feed.course(one.alarm))
        if one.alarm.n == newest[one.alarm.kind, one.alarm.about]
        else one
        for one in alarms
    ]


class AlarmTopics:
    """The topics ``banner``, which each view shows, and ``alarms``, the list."""

    def __init__(
        self, reader: SpoolReader, done: Acknowledgements, feed: StationFeed, templates: PageTemplates
    ) -> None:
        self._reader, self._done, self._feed, self._templates = reader, done, feed, templates
        self._seen: object = None
        self._judged: Sequence[JudgedAlarm] = ()
        self._alarms: Sequence[JudgedAlarm] = ()

    def every(self) -> list[str]:
        return ["banner", "alarms"]

    def changed(self) -> list[str]:
        newest = self._reader.alarms(1)
        seen = (newest, self._done.changes, self._feed.silent, self._feed.problems)
        judged = self._judged if seen == self._seen else judged_alarms(self._reader, self._done)
        alarms = with_courses(judged, self._feed)
        if seen == self._seen and alarms == self._alarms:
            return []
        self._seen, self._judged, self._alarms = seen, judged, alarms
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
