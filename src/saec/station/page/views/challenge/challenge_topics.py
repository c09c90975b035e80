"""The topics ``challenge-LINE`` of the page's events: how each line's challenge stands, and its last runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from saec.station.page.page_tools import PageTools
from saec.station.page.views.challenge.challenge_view import NEWEST, ShownChallenge, shown_challenge
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role

_LOOK_S = 0.5
"""Seconds between two looks."""


class ChallengeTopics:
    """The challenges as they change.

    Args:
        tools: what the views work with.
        steady: seconds by a clock that is never set.
    """

    def __init__(self, tools: PageTools, steady: Callable[[], float] = time.monotonic) -> None:
        self._tools, self._steady, self._looked = tools, steady, float("-inf")
        self._now: dict[str, ShownChallenge] = {}

    def every(self) -> list[str]:
        return [f"challenge-{line}" for line in self._now]

    def changed(self) -> list[str]:
        now = self._steady()
        if now - self._looked < _LOOK_S:
            return []
        self._looked, before = now, self._now
        self._now = {line: shown_challenge(self._tools, line, NEWEST) for line in self._tools.lines}
        return [f"challenge-{line}" for line, seen in self._now.items() if seen != before.get(line)]

    def text(self, name: str, words: Wording, role: Role) -> str:
        shown = self._now[name.partition("-")[2]]
        return self._tools.templates.text("challenge/now.html", words, line=shown)
