"""Whether what an alarm tells of goes on: by the station's last word, and by what the page saw change.

The station's status has states of now; an alarm has the moment at which it came last. What the station said
before that moment says nothing of the alarm.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saec.station.storage.records import Alarm

LONGEST_S = 6.0
"""Seconds between two words of the station beyond which nobody saw when a state changed."""

Subject = tuple[str, str]
"""The kind of an alarm and what it is about."""


@dataclass(frozen=True, slots=True)
class AlarmCourse:
    """What has become of what an alarm tells of.

    Attributes:
        over: whether it is over; else it goes on.
        since: when it ended, seconds since the epoch; None where the page did not see it end.
    """

    over: bool
    since: float | None = None


@dataclass(frozen=True, slots=True)
class StatesOf:
    """By which states of the status an alarm of a kind goes on, and by which it is over.

    Attributes:
        kind: the alarm's.
        section: where the status has the things that it may be about, by name.
        key: the entry of such a thing that is its state; "" where the thing is the state itself.
        bad: it goes on.
        well: it is over. A state that is neither tells nothing.
    """

    kind: str
    section: str
    key: str
    bad: frozenset[str]
    well: frozenset[str]


STATES = (
    StatesOf("sink", "sinks", "state", frozenset({"away", "refusing"}), frozenset({"up"})),
    StatesOf("plc", "plcs", "state", frozenset({"away", "refusing"}), frozenset({"up"})),
    StatesOf(
        "camera",
        "sources",
        "",
        frozenset({"lost", "hangs"}),
        frozenset({"connected", "incomplete", "playing"}),
    ),
    StatesOf(
        "camera-settings", "sources", "", frozenset({"refusing"}), frozenset({"connected", "incomplete"})
    ),
    StatesOf("folder", "sources", "", frozenset({"lost"}), frozenset({"watching"})),
    StatesOf("cloud-untrusted", "lines", "cloud", frozenset({"advisory", "unasked"}), frozenset({"fused"})),
    StatesOf("cloud-weights", "addresses", "state", frozenset({"other weights"}), frozenset({"up"})),
)
"""The kinds of alarms of which a state tells."""

SEEN = frozenset({"cloud-failed", "drift", "folder"})
"""Kinds that are over only where the page saw the state change. Their good state also holds while the trouble
lasts: a monitor of drift begins anew with the station, a folder is watched whose files cannot be removed, and
a link is up whose cloud gave no answer about one frame.
"""


class TroubleWatch:
    """Follows the states by which alarms go on; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: float | None = None
        self._now: Mapping[Subject, bool] = {}
        self._last: dict[Subject, bool] = {}
        self._ended: dict[Subject, float] = {}

    def note(self, status: Mapping[str, Any]) -> None:
        """The station has told how it does, as in ``Station.status()``."""
        now = dict(_troubles(status))
        said = status["started"] + status["uptime_s"] if "uptime_s" in status else None
        with self._lock:
            before, self._said, self._now = self._said, said, now
            followed = said is not None and before is not None and 0.0 <= said - before <= LONGEST_S
            for subject, bad in now.items():
                if bad:
                    self._ended.pop(subject, None)
                elif self._last.get(subject) and followed and said is not None:
                    self._ended[subject] = said
                self._last[subject] = bad

    def course(self, alarm: Alarm) -> AlarmCourse | None:
        """What has become of an alarm, by the last word; None where that tells nothing of it."""
        subject = alarm.kind, alarm.about
        with self._lock:
            bad, ended = self._now.get(subject), self._ended.get(subject)
            if bad is None or self._said is None or self._said <= alarm.last:
                return None
        since = ended if ended is not None and ended > alarm.last else None
        if bad:
            return AlarmCourse(over=False)
        return None if since is None and alarm.kind in SEEN else AlarmCourse(over=True, since=since)


def _troubles(status: Mapping[str, Any]) -> Iterator[tuple[Subject, bool]]:
    """Of each thing that the status tells of: the alarm about it, and whether that goes on."""
    for one in STATES:
        for name, told in (status.get(one.section) or {}).items():
            state = told.get(one.key) if one.key else told
            if state in one.bad or state in one.well:
                yield (one.kind, name), state in one.bad
    for name, told in status.get("threads", {}).items():
        yield ("thread", name), not told["alive"] or told["stuck"] or told.get("failing", False)
    lines = status.get("lines", {})
    for name, told in lines.items():
        if told.get("drift") is not None:
            yield ("drift", name), bool(told["drift"])
        if (gone := _is_gone([told])) is not None:
            yield ("cloud-failed", name), gone
    if (gone := _is_gone([told for told in lines.values() if told.get("link")])) is not None:
        yield ("cloud-failed", ""), gone


def _is_gone(lines: Collection[Mapping[str, Any]]) -> bool | None:
    """Whether the cloud is away for one of some lines, or there for all; None where that is not known."""
    links = [line.get("link") for line in lines]
    if "down" in links:
        return True
    known = bool(lines) and all(line.get("link") == "up" and line.get("asked") for line in lines)
    return False if known else None
