"""Whether the clock can be trusted with ages: one that is wrong by weeks makes everything old at once.

So nothing is deleted for its age before the clock is proven. It is, where it goes on from the latest time
that was proven before, or where the system says that it is synchronised (NTP). Else it has to run steadily
for a stated rest, as it does after a station was off for weeks. After a jump it has to rest as well.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

JUMP = 60.0
"""Seconds between two looks by which a clock may go wrong; more is a jump."""

REST = 3600.0
"""Seconds after a jump of the clock in which nothing is deleted for its age."""

AHEAD = 86400.0
"""Seconds by which the clock may be ahead of the latest proven time and go on from it, as after a night."""

UNPROVEN_REST = 86400.0
"""Seconds for which a clock that does not go on from that time must run without a jump to be trusted."""

_SAME = 5.0
"""Seconds by which the kernel's clock and ours may differ for its word to be about ours."""

_TIME_ERROR = 5
"""What adjtimex returns where the clock is not synchronised."""

_TIMEX = struct.Struct("@I4xqqqqi4xqqqq")
"""The head of the kernel's ``struct timex`` on 64-bit Linux; its last field is the time in seconds."""


class ClockGuard:
    """Whether ages can be trusted now.

    Args:
        proven: latest time that was trusted, seconds since the epoch; None where none was kept.
        synchronised: whether the system vouches for a time.

    Attributes:
        proven: the latest trusted time; it rises while the clock is trusted.
    """

    def __init__(
        self, proven: float | None = None, synchronised: Callable[[float], bool] | None = None
    ) -> None:
        self.proven = proven
        self._synchronised = synchronised or is_synchronised
        self._ahead: float | None = None
        self._rest, self._proof = 0.0, 0.0  # seconds of the steady clock until which it is not trusted

    def look(self, wall: float, steady: float) -> tuple[bool, str]:
        """Whether ages can be trusted now, and what a person should know: a sentence, or "".

        Args:
            wall: seconds since the epoch, by the clock that can be set.
            steady: seconds by one that cannot.
        """
        ahead, before = wall - steady, self._ahead
        self._ahead, told = ahead, ""
        if before is None:
            told = self._doubt(wall, steady)
        elif abs(ahead - before) > JUMP:
            self._rest = steady + REST
            doubt = self._doubt(wall, steady)
            jump = f"the system clock jumped by {ahead - before:+.0f} s"
            told = doubt or f"{jump}; for {REST / 3600:.0f} h nothing is deleted because of its age"
        if steady < self._rest or (steady < self._proof and not self._synchronised(wall)):
            return False, told
        self.proven, self._proof = wall, 0.0
        return True, ""

    def _doubt(self, wall: float, steady: float) -> str:
        """Why a clock does not go on from the latest proven time, so that it must rest; "" where it does."""
        self._proof = 0.0
        gone = None if self.proven is None else wall - self.proven
        if gone is not None and -JUMP <= gone <= AHEAD:
            return ""
        self._proof = steady + UNPROVEN_REST
        if gone is None or self._synchronised(wall):  # of a new database; there is nothing that could be old
            return ""
        way = "ahead of" if gone > 0 else "behind"
        return (
            f"the system clock is {abs(gone) / 3600:.1f} h {way} the latest time known to be right: check "
            f"it. Until it is synchronised, or for {UNPROVEN_REST / 3600:.0f} h, nothing is deleted "
            "because of its age"
        )


def is_synchronised(wall: float) -> bool:
    """Whether the kernel holds its clock for synchronised (adjtimex), and means the clock that we read.

    Args:
        wall: seconds since the epoch, as this process sees them.
    """
    try:
        ask = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):  # another system than Linux
        return False
    state = ctypes.create_string_buffer(512)  # all zero: asks and changes nothing
    if not 0 <= ask(state) < _TIME_ERROR:
        return False
    return bool(abs(_TIMEX.unpack_from(state.raw)[-1] - wall) <= _SAME)
