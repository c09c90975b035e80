"""The challenge that a PLC asks for, and how it stands."""

from __future__ import annotations

from typing import Protocol

from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import ChallengeCode, FaultCode, PlcSignals


class LineChallenges(Protocol):
    """The challenges of a station's lines. None of these waits."""

    def want(self, line: str, who: str) -> None:
        """Have a run begin soon."""
        ...

    def refuses(self, line: str) -> bool:
        """Whether a part that comes now would not be judged."""
        ...

    def standing(self, line: str) -> str:
        """How a line's challenge stands; a name of ``ChallengeCode`` in small letters."""
        ...


class ChallengeWish:
    """Follows what one PLC wants of its line's challenge.

    Args:
        settings: the PLC's.
        challenges: the lines'; None where there are none.
    """

    def __init__(self, settings: PlcSettings, challenges: LineChallenges | None) -> None:
        self._settings, self._challenges = settings, challenges
        self._high = True  # no edge before it was seen low

    def heed(self, seen: PlcSignals) -> None:
        """A reading: the signal's rise asks for a run."""
        if seen.challenge and not self._high and self._challenges is not None:
            self._challenges.want(self._settings.line, f"plc:{self._settings.name}")
        self._high = seen.challenge

    def able(self) -> FaultCode:
        """``STOPPED`` while the line judges nothing; else ``NONE``."""
        stopped = self._challenges is not None and self._challenges.refuses(self._settings.line)
        return FaultCode.STOPPED if stopped else FaultCode.NONE

    def code(self) -> ChallengeCode:
        """How the challenge stands."""
        if self._challenges is None:
            return ChallengeCode.NONE
        return ChallengeCode[self._challenges.standing(self._settings.line).upper()]
