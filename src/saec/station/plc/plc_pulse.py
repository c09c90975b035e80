"""Whether a PLC lives, and whether it is the same run of its program, by its heartbeat."""

from __future__ import annotations

_JUMP = 4
"""A counter that is found further on than this part of its range, or behind, has begun anew."""


class PlcPulse:
    """Follows the heartbeat of one PLC.

    Args:
        silence: seconds without another value, after which the PLC counts as stopped.
        values: number of the values of a heartbeat that counts up; 0 where it is a bit, whose jumps say
            nothing.

    Attributes:
        alive: it goes on, or the PLC has none. Of an old reading nothing is believed: it has to change first.
    """

    def __init__(self, silence: float, values: int) -> None:
        self._silence, self._values = silence, values
        self._last: int | None = None
        self._changed: float | None = None
        self.alive = False
        self._silent = False

    def see(self, heartbeat: int | None, now: float) -> bool:
        """A reading; whether the PLC has been restarted since the last one."""
        if heartbeat is None:
            self.alive, self._last, self._changed = True, None, None
            return False
        before, self._last = self._last, heartbeat
        if before is None:
            self.alive, self._changed, self._silent = False, now, False
            return False
        if heartbeat == before:
            return False
        self.alive, self._changed, self._silent = True, now, False
        return self._values > 0 and (heartbeat - before) % self._values > self._values // _JUMP

    def falls_silent(self, now: float) -> bool:
        """Whether it has stopped now; true once a spell."""
        if self._silent or self._changed is None or now - self._changed <= self._silence:
            return False
        self.alive, self._silent = False, True
        return True
