"""Which parts are on their way to an output, and when it pulses for them. Pure: no clock, no I/O.

A part is expected from its trigger on. Its point comes when its delay is over: after seconds, or after counts
of an encoder. At its point each part ends with exactly one outcome, by what is known of it then. What becomes
known later changes nothing, so that a pulse never hits another part.
"""

from __future__ import annotations

import bisect
import itertools
from collections import OrderedDict
from collections.abc import Hashable
from enum import StrEnum

import msgspec

MOST_PARTS = 5000
"""Parts that may be on their way; with one more the oldest is lost. An encoder that stands would have it."""

_EARLY = 1000
"""Verdicts that are kept for parts which are not expected yet."""


class Outcome(StrEnum):
    """What became of a part at an output.

    PULSED: its verdict asked for a pulse, which began at its point. PASSED: its verdict asked for none.
    LATE: no verdict was known at its point, and the stated action was taken. MISSED: a pulse was due, but the
    output could not be set within the tolerance. LOST: where it is was no longer known.
    """

    PULSED = "pulsed"
    PASSED = "passed"
    LATE = "late"
    MISSED = "missed"
    LOST = "lost"


class PulseRule(msgspec.Struct, frozen=True, kw_only=True):
    """How an output acts.

    Attributes:
        delay: seconds or counts from the trigger to the point; None acts as soon as the verdict is known.
        patience: seconds without a delay, after which a part without a verdict is late.
        tolerance: how far the point may be passed when the pulse begins, in the unit of the delay.
        pulse: length of a pulse in seconds.
        late: pulse for a part whose verdict is not known at its point.
    """

    delay: float | None
    patience: float
    tolerance: float
    pulse: float
    late: bool


class EndedPart(msgspec.Struct, frozen=True):
    """A part that has passed its point."""

    key: Hashable
    outcome: Outcome


class _Part:
    """``wanted`` is whether its verdict asks for a pulse, None while there is none."""

    def __init__(self, key: Hashable, point: float, begun: float, wanted: bool | None) -> None:
        self.key, self.point, self.begun, self.wanted = key, point, begun, wanted


class PulseSchedule:
    """The parts on their way to one output, each of which ends once, in the order of their points.

    A position is in the unit of the delay, and ``now`` always in seconds of one clock. A position may also
    go back, as a belt does: a part that has ended stays so.

    Args:
        rule: how the output acts.
    """

    def __init__(self, rule: PulseRule) -> None:
        self._rule = rule
        self._order: list[tuple[float, int, _Part]] = []
        self._parts: dict[Hashable, _Part] = {}
        self._early: OrderedDict[Hashable, bool] = OrderedDict()
        self._count = itertools.count()
        self._until: float | None = None
        self._hold: float | None = None
        self._ended: list[EndedPart] = []

    def __len__(self) -> int:
        """Parts that have not passed their point."""
        return len(self._parts)

    def expect(self, key: Hashable, origin: float | None, begun: float) -> None:
        """A part is on its way; one that is known already is not expected twice.

        Args:
            key: names it.
            origin: its position at its trigger; None where that is not known, so that it is lost.
            begun: when its trigger was, in seconds.
        """
        if key in self._parts:
            return
        if origin is None:
            self._early.pop(key, None)
            self._ended.append(EndedPart(key, Outcome.LOST))
            return
        if len(self._parts) >= MOST_PARTS:
            self._end(self._order[0], Outcome.LOST)
        delay = self._rule.delay
        point = begun + self._rule.patience if delay is None else origin + delay
        part = _Part(key, point, begun, self._early.pop(key, None))
        self._parts[key] = part
        bisect.insort(self._order, (point, next(self._count), part), key=lambda entry: entry[:2])

    def judge(self, key: Hashable, wanted: bool) -> None:
        """The verdict on a part is known. The first one counts, and one that comes too late does nothing."""
        part = self._parts.get(key)
        if part is None:
            self._early[key] = wanted
            if len(self._early) > _EARLY:
                self._early.popitem(last=False)
        elif part.wanted is None:
            part.wanted = wanted

    def step(self, position: float, now: float, *, able: bool = True) -> list[EndedPart]:
        """What has ended since the last step; ``active`` then says whether the output is on.

        Args:
            position: how far the line has moved, on the scale of the origins.
            now: the time in seconds.
            able: the output can be set. Else a pulse that is due is missed.
        """
        if self._rule.delay is None:
            for entry in [entry for entry in self._order if entry[2].wanted is not None]:
                self._reach(entry, 0.0, now, able)
            position = now
        while self._order and self._order[0][0] <= position:
            over = position - self._order[0][0]
            self._reach(self._order[0], 0.0 if self._rule.delay is None else over, now, able)
        if self._hold is not None and position >= self._hold:
            self._hold, self._until = None, max(self._until or now, now + self._rule.pulse)
        ended, self._ended = self._ended, []
        return ended

    def jump(self) -> None:
        """The position has become unknown: all parts on their way are lost.

        An output that acts on late parts stays on until the last of them must have passed.
        """
        if self._order and self._rule.late:
            last = self._order[-1][0]
            self._hold = last if self._hold is None else max(self._hold, last)
        while self._order:
            self._end(self._order[0], Outcome.LOST)

    def cut(self) -> None:
        """The output cannot be set: a pulse that lasts has ended, and does not go on later."""
        self._until = None

    def active(self, now: float) -> bool:
        """Whether the output is on: a pulse lasts, or parts are passing that it lost."""
        return self._hold is not None or (self._until is not None and now < self._until)

    def wake(self) -> float | None:
        """When a step is due at the latest, in seconds, where the delay is in seconds or there is none."""
        due = [self._order[0][0]] if self._order else []
        if self._rule.delay is None and any(part.wanted is not None for part in self._parts.values()):
            return 0.0
        return min([*due, *([] if self._until is None else [self._until])], default=None)

    def _reach(self, entry: tuple[float, int, _Part], over: float, now: float, able: bool) -> None:
        """A part is at its point, or ``over`` beyond it."""
        wanted = entry[2].wanted
        acts = self._rule.late if wanted is None else wanted
        outcome = Outcome.LATE if wanted is None else Outcome.PULSED if wanted else Outcome.PASSED
        if acts and (not able or over > self._rule.tolerance):
            outcome = Outcome.MISSED
        elif acts:
            self._until = max(self._until or now, now + self._rule.pulse)
        self._end(entry, outcome)

    def _end(self, entry: tuple[float, int, _Part], outcome: Outcome) -> None:
        self._order.remove(entry) if self._order[0] is not entry else self._order.pop(0)
        del self._parts[entry[2].key]
        self._ended.append(EndedPart(entry[2].key, outcome))
