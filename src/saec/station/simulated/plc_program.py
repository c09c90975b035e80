"""What a PLC's program does at a station: a state machine without I/O, called once a cycle.

docs/plc/saec_handshake.st has the same states in structured text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from saec.station.plc.signals import PlcResult, PlcSignals, ResultLabel, StationSignals
from saec.station.simulated.plc_mistakes import MistakeShares, PlcMistake
from saec.station.simulated.plc_tally import PlcTally


class PlcPhase(IntEnum):
    """Where the program stands; the values are those of the structured text."""

    STARTING = 0
    """All signals are low; an answer that still stands is not its."""
    IDLE = 10
    """It waits for Ready, and for a part."""
    VALUES = 20
    """Part, recipe and number are written, Trigger not yet."""
    TRIGGERED = 30
    """Trigger is high; it waits for the answer."""
    ACKNOWLEDGING = 40
    """The answer was read; it waits until the station takes it back."""


class PlcPart(msgspec.Struct, frozen=True):
    """What stands before the camera: its id and the recipe that it needs, None for none."""

    part: str
    recipe: int | None = None


class PlcTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long a simulated PLC takes for what it does, in seconds.

    Attributes:
        interval: the time between two parts; 0 is as fast as the station is ready.
        give_up: the time from Trigger after which it waits for no answer.
        heartbeat: the time between two values of its heartbeat.
        bounce: how long Trigger is low within a double trigger.
        torn: how long half a part id stands.
        down: how long a restart takes.
        silent: how long the link is silent.
        recipe: how long it waits for the recipe that its part needs, before it triggers all the same.
    """

    interval: float = 0.0
    give_up: float = 10.0
    heartbeat: float = 0.1
    bounce: float = 0.02
    torn: float = 0.005
    down: float = 0.05
    silent: float = 1.5
    recipe: float = 1.0


class PlcProgram:
    """The program of one station's PLC.

    It moves the reject gate once for each sequence number, and keeps the last number over its own restarts.

    Args:
        parts: come before the camera one after another; the program ends with them.
        times: how long it takes.
        mistakes: what goes wrong on purpose.
        seed: fixes what is chosen by chance.

    Attributes:
        phase: where it stands.
        tally: what was counted.
        silent: the link is to be silent now.
        ended: all parts had their answers.
    """

    def __init__(
        self,
        parts: Iterator[PlcPart],
        *,
        times: PlcTimes | None = None,
        mistakes: MistakeShares | None = None,
        seed: int = 0,
    ) -> None:
        self._parts, self._times = parts, times or PlcTimes()
        self._mistakes, self._chance = mistakes or MistakeShares(), random.Random(seed)
        self.phase, self.tally = PlcPhase.STARTING, PlcTally()
        self.silent = self.ended = False
        self._part, self._next = PlcPart(""), next(parts, None)
        self._recipe_since: float | None = None
        self._asking = False
        self._mistake: PlcMistake | None = None
        self._done: PlcMistake | None = None
        self._torn: str | None = None
        self._number = self._last = 0  # both outlive a restart
        self._standing: int | None = None
        self._gated: set[str] = set()
        self._since = self._due = 0.0
        self._down_until: float | None = None
        self._silent_until: float | None = None
        self._low_until: float | None = None
        self._beats, self._beaten = 1, 0.0
        self._reset = False
        self._part_before = ""

    def scan(self, seen: StationSignals | None, now: float) -> PlcSignals:
        """One cycle.

        Args:
            seen: the station's signals; None while there are none.
            now: seconds of a clock that never goes back.

        Returns:
            The PLC's signals from now on.
        """
        if self._is_down(now):
            return PlcSignals(heartbeat=self._beats)
        self._beat(now)
        self.silent = self._silent_until is not None and now < self._silent_until
        if seen is not None:
            self._reset = seen.fault and seen.busy
            self._see_answer(seen, now)
            self._go_on(seen, now)
        return self._signals(now)

    # the phases

    def _go_on(self, seen: StationSignals, now: float) -> None:
        standing = _answer(seen) is not None
        if self.phase is PlcPhase.STARTING:
            if not standing:
                self.phase = PlcPhase.IDLE
        elif self.phase is PlcPhase.IDLE:
            if standing:
                self.phase = PlcPhase.ACKNOWLEDGING
            elif now >= self._due and self._may_trigger(seen, now):
                self._take_part(now)
        elif self.phase is PlcPhase.VALUES:
            self.phase, self._since, self._asking = PlcPhase.TRIGGERED, now, True
            self.tally.triggers += 1
        elif self.phase is PlcPhase.TRIGGERED:
            self._while_triggered(seen, now)
        elif not standing:
            self.phase = PlcPhase.IDLE

    def _may_trigger(self, seen: StationSignals, now: float) -> bool:
        """The station is ready for the next part's recipe, or does not take it: its fault will say why."""
        wanted = None if self._next is None else self._next.recipe
        unheard = seen.ready and not seen.recipe  # a station that is ready with none in force has none
        if wanted is None or unheard or seen.recipe in (None, wanted):
            self._recipe_since = None
            return seen.ready or self._next is None
        self._recipe_since = now if self._recipe_since is None else self._recipe_since
        return now - self._recipe_since >= self._times.recipe

    def _take_part(self, now: float) -> None:
        part, self._next, self._recipe_since = self._next, next(self._parts, None), None
        if part is None:
            self.ended = True
            return
        self._part_before, self._part = self._part.part, part
        self._number += 1
        self._torn = None
        self._mistake, self._done = self._mistakes.chosen(self._chance), None
        self._due = max(now, self._due + self._times.interval) if self._times.interval else 0.0
        self.phase = PlcPhase.VALUES

    def _while_triggered(self, seen: StationSignals, now: float) -> None:
        if not self._asking:
            self._after_answer(seen, now)
        elif now - self._since > self._times.give_up:
            self.tally.unanswered += 1
            self.tally.note(f"{self._told()} has no answer; the station tells: {_in_words(seen)}")
            self._asking, self.phase = False, PlcPhase.STARTING
        elif seen.busy:
            self._while_busy(now)

    def _while_busy(self, now: float) -> None:
        if self._mistake is PlcMistake.DOUBLE_TRIGGER:
            self._low_until = now + self._times.bounce
        elif self._mistake is PlcMistake.DEAD_SESSION:
            self._silent_until = now + self._times.silent
        elif self._mistake is PlcMistake.RESTART_BUSY:
            self._restart(now)
        else:
            return
        self._make_mistake()

    def _after_answer(self, seen: StationSignals, now: float) -> None:
        if self._mistake is PlcMistake.RESTART_ANSWERED:
            self._restart(now)
        elif self._mistake is not PlcMistake.LOST_ACKNOWLEDGE:
            self.phase = PlcPhase.ACKNOWLEDGING
            return
        elif _answer(seen) is None:
            self.phase = PlcPhase.IDLE
        else:
            return
        self._make_mistake()

    # answers

    def _see_answer(self, seen: StationSignals, now: float) -> None:
        """Whatever the phase: a result moves the gate by its number alone, as a plain program's does."""
        answer = _answer(seen)
        number = None if answer is None else answer.number
        if answer is None or number == self._standing or self.phase is PlcPhase.STARTING:
            self._standing = number
            return
        self._standing = number
        if answer.number <= self._last:
            self.tally.repeats += 1
            return
        self._last = answer.number
        asked, self._asking = self._asking, False
        if asked:
            self.tally.times.append(now - self._since)
        if seen.result_valid:
            self._see_result(answer, asked)
        elif asked:
            self.tally.count_fault(seen.code)
        else:
            self.tally.refusals += 1

    def _see_result(self, result: PlcResult, asked: bool) -> None:
        tally, part = self.tally, self._part.part
        tally.results += asked
        if not asked:
            tally.unasked += 1
            tally.note(f"result {result.number} of {result.part} came while no trigger waited for one")
        if result.part == self._torn:
            tally.half_parts += 1
        elif result.part not in ("", part):
            tally.wrong_parts += 1
            tally.note(f"{self._told()} was given result {result.number}, which is of {result.part}")
        elif result.label is ResultLabel.DEFECT:
            tally.actuations += 1
            if part in self._gated:
                tally.double_actuations += 1
                tally.note(f"result {result.number} moved the gate again for {part}")
            self._gated.add(part)

    def _told(self) -> str:
        """The trigger under way, for a note."""
        done = f" after {self._done}" if self._done else ""
        return f"trigger {self._number} of {self._part.part}{done}"

    # what happens to it

    def _make_mistake(self) -> None:
        if self._mistake is not None:
            self.tally.mistakes[self._mistake] += 1
            self._done, self._mistake = self._mistake, None

    def _restart(self, now: float) -> None:
        self.tally.abandoned += self._asking
        self._asking, self.phase = False, PlcPhase.STARTING
        self._down_until, self._beats = now + self._times.down, 0

    def _is_down(self, now: float) -> bool:
        if self._down_until is not None and now >= self._down_until:
            self._down_until = None
        return self._down_until is not None

    def _beat(self, now: float) -> None:
        if now - self._beaten >= self._times.heartbeat:
            self._beats, self._beaten = (self._beats + 1) % 65_536, now

    def _signals(self, now: float) -> PlcSignals:
        low = self._low_until is not None and now < self._low_until
        return PlcSignals(
            trigger=self.phase is PlcPhase.TRIGGERED and not low,
            acknowledge=self.phase is PlcPhase.ACKNOWLEDGING,
            reset=self._reset,
            heartbeat=self._beats,
            part=self._written_part(now),
            recipe=self._wanted(),
            number=self._number,
        )

    def _wanted(self) -> int | None:
        """The next part's recipe, as soon as no trigger is under way: the station may have to open it."""
        idle = self.phase is PlcPhase.IDLE and self._next is not None
        return self._next.recipe if idle and self._next is not None else self._part.recipe

    def _written_part(self, now: float) -> str:
        part = self._part.part
        if self._mistake is not PlcMistake.HALF_WRITTEN or self.phase is PlcPhase.IDLE:
            return part
        if self.phase is PlcPhase.VALUES or now - self._since < self._times.torn:
            half = len(part) // 2
            self._torn = part[:half] + self._part_before[half:]
            return self._torn
        self._make_mistake()
        return part


def _in_words(seen: StationSignals) -> str:
    """What a station tells, for people who program PLCs."""
    bits = {"Ready": seen.ready, "Busy": seen.busy, "ResultValid": seen.result_valid, "Fault": seen.fault}
    told = [f"{name} = {int(value)}" for name, value in bits.items()]
    told.append(f"fault code {int(seen.code)} ({seen.code.name.lower().replace('_', ' ')})")
    if seen.recipe is not None:
        told.append(f"recipe {seen.recipe}")
    told.append("no result yet" if seen.result is None else f"number {seen.result.number}")
    return ", ".join(told)


def _answer(seen: StationSignals) -> PlcResult | None:
    """The answer that stands: a result, or a fault once the station is no longer busy."""
    valid = seen.result_valid or (seen.fault and not seen.busy)
    return seen.result if valid else None
