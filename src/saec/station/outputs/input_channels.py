"""What each use of a digital input makes of its readings."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from saec.station.outputs.couplers.coupler_contract import InputReading
from saec.station.outputs.debounced_input import DebouncedInput
from saec.station.outputs.line_position import EncoderCount, PositionHistory, RunningSeconds
from saec.station.outputs.output_settings import InputSettings
from saec.station.plc.worker.plc_notes import PlcNotes
from saec.station.triggers.trigger_board import Announced, Trigger, TriggerBoard

WHO = "input:"
"""Before an input's name, where a trigger says who asks."""


class TriggerHooks(NamedTuple):
    """What a trigger input works with.

    Attributes:
        triggers: has the source take the picture.
        number: gives a number for a trigger that was never used.
        recipe: the number of the recipe in force on a line.
        due: seconds from a picture within which the line needs its verdict.
        notes: raises alarms.
    """

    triggers: TriggerBoard
    number: Callable[[], int]
    recipe: Callable[[str], int | None]
    due: float
    notes: PlcNotes


class InputChannel(Protocol):
    """One input of a coupler."""

    def begin(self) -> None:
        """The coupler is reached, for the first time or again: what the input is now is no change."""
        ...

    def see(self, reading: InputReading, now: float) -> bool:
        """A reading; whether the position of the line has become unknown by it."""
        ...

    def away(self) -> None:
        """The coupler is away: nothing is known of the input."""
        ...

    def status(self) -> dict[str, Any]:
        """Plain values."""
        ...


class TriggerInput:
    """A light barrier: each time it turns on, its source is to take a picture.

    Args:
        settings: the input's.
        debounce: seconds for which a level must stand.
        hooks: what it works with.
    """

    def __init__(self, settings: InputSettings, debounce: float, hooks: TriggerHooks) -> None:
        self._s, self._debounce, self._hooks = settings, debounce, hooks
        self._contact = DebouncedInput(debounce)
        self._open: deque[Announced] = deque()
        self._counts: Counter[str] = Counter()

    def begin(self) -> None:
        self._contact = DebouncedInput(self._debounce)

    def see(self, reading: InputReading, now: float) -> bool:
        for change in self._contact.see(reading.changes, now):
            if change.level is not self._s.inverted:
                self._announce(change.time)
        self.look(now)
        return False

    def away(self) -> None:
        """Pictures may come all the same."""

    def look(self, now: float) -> None:
        """Give up the triggers whose picture has not come."""
        while self._open:
            first = self._open[0]
            if first.wait(0):
                self._told("failed" if first.failure else "pictures", first.failure)
            elif now - first.trigger.at > self._s.picture_s:
                self._hooks.triggers.withdraw(first)
                self._told("missed", f"no picture came within {self._s.picture_s:g} s of a trigger")
            else:
                return
            self._open.popleft()

    def status(self) -> dict[str, Any]:
        level = self._contact.level
        return {
            "use": "trigger",
            "on": None if level is None else level is not self._s.inverted,
            "counts": dict(self._counts),
        }

    def _announce(self, at: float) -> None:
        s = self._s
        self._counts["triggers"] += 1
        trigger = Trigger(
            plc=f"{WHO}{s.name}",
            number=self._hooks.number(),
            source=s.source,
            line=s.line,
            at=at,
            due=at + s.picture_s + self._hooks.due,
            recipe=self._hooks.recipe(s.line),
        )
        self._open.append(self._hooks.triggers.announce(trigger))

    def _told(self, what: str, why: str) -> None:
        self._counts[what] += 1
        if what != "pictures":
            text = f"{self._s.name}: {why}; check the source {self._s.source}, light and cable"
            self._hooks.notes.alarm(self._s.name, "picture", what, text)


class EncoderInput:
    """How far the line has moved, in counts; an axis for delays.

    Args:
        settings: the input's.
        values: number of the values of its counter; 0 where it does not wrap.
        alone: the counter goes on while nobody reads it.
        notes: raises alarms.
    """

    def __init__(self, settings: InputSettings, values: int, alone: bool, notes: PlcNotes) -> None:
        self._s, self._alone, self._notes = settings, alone, notes
        self._count, self._history = EncoderCount(values, settings.most_counts), PositionHistory()
        self._begun = self._unknown = False

    def begin(self) -> None:
        self._unknown, self._begun = self._begun and not self._alone, True

    def see(self, reading: InputReading, now: float) -> bool:
        jumped = self._count.see(reading.value)
        unknown, self._unknown = self._unknown or jumped, False
        if unknown:
            self._history.clear()
            text = f"{self._s.name}: the encoder's counter jumped; parts on their way have lost their place"
            self._notes.alarm(self._s.name, "encoder", "jump", text)
        self._history.note(now, self._count.position)
        return unknown

    def away(self) -> None:
        self._history.clear()

    def now(self, now: float) -> float:
        return self._count.position

    def at(self, time: float) -> float | None:
        return self._history.at(time)

    def status(self) -> dict[str, Any]:
        return {"use": "encoder", "position": self._count.position, "counts": {"jumps": self._count.jumps}}


class RunningInput:
    """Whether the line runs; an axis of the seconds in which it did.

    Args:
        settings: the input's.
        debounce: seconds for which a level must stand.
    """

    def __init__(self, settings: InputSettings, debounce: float) -> None:
        self._s, self._debounce = settings, debounce
        self._contact, self._seconds = DebouncedInput(debounce), RunningSeconds()
        self._history = PositionHistory()
        self.running: bool | None = None

    def begin(self) -> None:
        self._contact = DebouncedInput(self._debounce)

    def see(self, reading: InputReading, now: float) -> bool:
        self._contact.see(reading.changes, now)
        self.running = self._contact.level is not self._s.inverted
        self._seconds.see(self.running, now)
        self._history.note(now, self._seconds.position)
        return False

    def away(self) -> None:
        """The seconds go on as the line did when it was last seen: a belt does not stop for a cable."""

    def now(self, now: float) -> float:
        return self._seconds.position

    def at(self, time: float) -> float | None:
        return self._history.at(time)

    def status(self) -> dict[str, Any]:
        return {"use": "running", "on": self.running, "counts": {}}
