"""What a simulated PLC does wrong on purpose, and when."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class PlcMistake(StrEnum):
    """One thing that goes wrong at a PLC."""

    LOST_ACKNOWLEDGE = "lost-acknowledge"
    """The result is read, but Acknowledge never rises."""
    DOUBLE_TRIGGER = "double-trigger"
    """Trigger falls and rises again while the station is busy."""
    HALF_WRITTEN = "half-written"
    """Trigger rises while half of the part id is still that of the part before."""
    RESTART_BUSY = "restart-busy"
    """The PLC is restarted while the station is busy."""
    RESTART_ANSWERED = "restart-answered"
    """The PLC is restarted between the answer and its acknowledge."""
    DEAD_SESSION = "dead-session"
    """The link falls silent while the station is busy."""


class MistakeShares(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the triggers go wrong, as shares of 1.

    Attributes:
        lost_acknowledge: The result is read, but Acknowledge never rises.
        double_trigger: Trigger falls and rises again while the station is busy.
        half_written: Trigger rises while half of the part id is still that of the part before.
        restart: The PLC is restarted, while the station is busy or before it has acknowledged.
        dead_session: The link falls silent while the station is busy.
    """

    lost_acknowledge: Share = 0.0
    double_trigger: Share = 0.0
    half_written: Share = 0.0
    restart: Share = 0.0
    dead_session: Share = 0.0

    def chosen(self, chance: random.Random) -> PlcMistake | None:
        """What goes wrong at the next trigger; None most of the time."""
        shares = {
            PlcMistake.LOST_ACKNOWLEDGE: self.lost_acknowledge,
            PlcMistake.DOUBLE_TRIGGER: self.double_trigger,
            PlcMistake.HALF_WRITTEN: self.half_written,
            PlcMistake.RESTART_BUSY: self.restart / 2,
            PlcMistake.RESTART_ANSWERED: self.restart / 2,
            PlcMistake.DEAD_SESSION: self.dead_session,
        }
        drawn = chance.random()
        for mistake, share in shares.items():
            drawn -= share
            if drawn < 0:
                return mistake
        return None
