"""One digital output: the parts on their way to it, or the state that it shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from saec.station.outputs.line_position import LineAxis
from saec.station.outputs.output_settings import OutputSettings
from saec.station.outputs.pulse_schedule import EndedPart, Outcome, PulseSchedule

CHALLENGES = {"challenge-failed": "failed", "challenge-passed": "passed"}
"""Which result of a challenge an output shows."""


class ComingPart(NamedTuple):
    """A part that has come to the station.

    Attributes:
        key: names it: the number of its frame, or who triggered it and that trigger's number.
        line, source: its frame's.
        at: when, seconds of ``time.perf_counter``.
    """

    key: Hashable
    line: str
    source: str
    at: float


class ActedVerdict(NamedTuple):
    """The verdict on a part that its line acts on.

    Attributes:
        key: names it, as in its ``ComingPart``.
        line: the name of its line.
        says: "defect", "good" or "error"; "challenge" for a golden part, for which no output pulses.
    """

    key: Hashable
    line: str
    says: str


class StationState(NamedTuple):
    """How the station is.

    Attributes:
        sound: no thread of it is stuck. Else outputs stand in their fail-safe state.
        ready: it does what is asked of it.
        challenges: what the last challenge of each line said: "none", "passed" or "failed".
    """

    sound: bool
    ready: bool
    challenges: Mapping[str, str] = {}

    def challenge(self, wanted: str, line: str) -> bool:
        """Whether a line's challenge failed or passed; without a line whether one failed, or all passed."""
        said = [told for name, told in self.challenges.items() if line in ("", name)]
        return "failed" in said if wanted == "failed" else bool(said) and set(said) == {"passed"}


class OutputChannel:
    """What one output is to be.

    Args:
        settings: the output's.
        axis: what its delay is counted on.

    Attributes:
        settings: the same.
        axis: the same.
        counts: parts by outcome.
    """

    def __init__(self, settings: OutputSettings, axis: LineAxis) -> None:
        self.settings, self.axis = settings, axis
        self.counts: Counter[str] = Counter()
        self._schedule = PulseSchedule(settings.rule())
        self._on: bool | None = None

    @property
    def pending(self) -> int:
        """Parts on their way."""
        return len(self._schedule)

    @property
    def safe(self) -> bool:
        """Whether its voltage is high in the fail-safe state."""
        return self.settings.level(self.settings.safe == "on")

    def take(self, news: ComingPart | ActedVerdict) -> None:
        """What has happened; of other lines nothing is taken."""
        s = self.settings
        if not s.for_parts or news.line != s.line:
            return
        if isinstance(news, ActedVerdict):
            self._schedule.judge(news.key, news.says in s.on)
        elif s.source in ("", news.source):
            self._schedule.expect(news.key, self.axis.at(news.at), news.at)

    def jump(self) -> None:
        """The position of the line has become unknown."""
        self._schedule.jump()

    def cut(self) -> None:
        """The output cannot be set: a pulse that lasts has ended."""
        self._schedule.cut()

    def step(self, now: float, state: StationState, *, able: bool) -> tuple[bool, list[EndedPart]]:
        """Whether its voltage is to be high, and the parts that have ended."""
        s, able = self.settings, able and state.sound
        position = self.axis.now(now)
        ended = self._schedule.step(position, now, able=able) if s.for_parts else []
        if not able:
            self._schedule.cut()
            self._on = None
            return self.safe, ended
        if s.for_parts:
            self._on = self._schedule.active(now)
        elif s.on[0] == "heartbeat":
            self._on = bool(int(now / s.heartbeat_s) % 2)
        elif s.on[0] in CHALLENGES:
            self._on = state.challenge(CHALLENGES[s.on[0]], s.line)
        else:
            self._on = state.ready is (s.on[0] == "ready")
        return s.level(self._on), ended

    def count(self, ended: list[EndedPart], *, done: bool) -> list[Outcome]:
        """Count the parts that have ended; where the output could not be set, pulses that began are missed.

        Returns:
            their outcomes.
        """
        acted = [Outcome.PULSED, *([Outcome.LATE] if self.settings.on_late else [])]
        found = [Outcome.MISSED if not done and e.outcome in acted else e.outcome for e in ended]
        self.counts.update(outcome.value for outcome in found)
        return found

    def wake(self, now: float) -> float | None:
        """When it has to be looked at, on the clock of ``now``; None where nothing waits."""
        if not self.settings.for_parts:
            period = self.settings.heartbeat_s
            return (int(now / period) + 1) * period if self.settings.on[0] == "heartbeat" else None
        return self._schedule.wake()

    def status(self) -> dict[str, Any]:
        """Plain values. ``on`` is None in the fail-safe state."""
        counts = {outcome.value: self.counts[outcome.value] for outcome in Outcome}
        return {
            "on": self._on,
            "for": list(self.settings.on),
            "pending": self.pending,
            "counts": counts if self.settings.for_parts else {},
        }
