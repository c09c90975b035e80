"""The challenges of a station's lines, with what of the station they need; one thread serves all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import structlog

from saec.frame.assessment import DecodeImage
from saec.frame.judges import read_references
from saec.station.audit.audit_log import AuditLog
from saec.station.challenge.challenge_wishes import LineWishes
from saec.station.challenge.golden_run import ClaimedFrame
from saec.station.challenge.golden_set import GoldenSet
from saec.station.challenge.line_challenge import (
    ChallengeHooks,
    ChallengeResult,
    ChallengeStanding,
    LineChallenge,
)
from saec.station.challenge.picture_look import PictureLook, picture_look
from saec.station.challenge.run_conditions import KnownGoods
from saec.station.challenge_records import ChallengeWay
from saec.station.line.version_store import VersionStore
from saec.station.recipes.recipe_choice import PROGRAM
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.records import NewFrame, Receipt
from saec.station.storage.results.challenge_table import CUT_SHORT
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping

_IDLE, _BUSY = 0.25, 0.02
"""Seconds between two turns, without and with a run under way."""

log = structlog.get_logger()


class ChallengedStation(Protocol):
    """What a station has that its challenges need."""

    @property
    def settings(self) -> StationSettings: ...

    @property
    def spool(self) -> Spool: ...

    @property
    def audit(self) -> AuditLog: ...

    def accept(self, frame: NewFrame, data: bytes) -> Receipt: ...


class StationChallenges:
    """The challenges of all lines.

    Args:
        station: the station.
        decode: decodes golden pictures, for one thread.

    Attributes:
        lines: each line's, by name.
    """

    def __init__(
        self,
        station: ChallengedStation,
        decode: DecodeImage,
    ) -> None:
        settings, spool = station.settings, station.spool
        self._spool, self._audit, self._recovered = spool, station.audit, False
        self._wanted: dict[str, str] = {}
        self.lines: Mapping[str, LineChallenge] = {
            line.name: LineChallenge(
                line.name,
                line.challenge,
                line.deadline_s,
                GoldenSet(settings.station.data, line.name),
                LineWishes(settings.station.data, line.name),
                _hooks(settings, line.name, spool, station.accept, decode),
            )
            for line in settings.line
        }

    def _recover(self) -> None:
        """After a start: what an earlier process left running was interrupted."""
        self._recovered = True
        for record in self._spool.runs.cut_short():
            if (line := self.lines.get(record.line)) is not None:
                line.recover(record, CUT_SHORT)

    def want(self, line: str, who: str) -> None:
        """Have a run begin soon; for a thread that may not wait for the disk."""
        self._wanted[line] = who

    def run(self, stopping: Stopping) -> None:
        """A thread's body."""
        if not self._recovered:  # the body may be begun again, with a run of its own under way
            self._recover()
        while not stopping.is_set():
            while self._wanted:
                line_name, who = self._wanted.popitem()
                self.ask(line_name, who, why="plc")
            busy = False
            for line in self.lines.values():
                busy = line.turn() or busy
                stopping.turn()
            stopping.wait(_BUSY if busy else _IDLE)

    @contextmanager
    def claimed(self, frame: NewFrame) -> Iterator[ClaimedFrame]:
        """A frame that is about to be accepted, marked where it shows a golden part."""
        with self.lines[frame.line].claimed(frame) as claimed:
            yield claimed

    def ask(
        self,
        line: str,
        who: str,
        *,
        role: str = PROGRAM,
        way: ChallengeWay | None = None,
        why: str = "asked",
        reason: str = "",
    ) -> None:
        """Ask for a run, which begins at once.

        Raises:
            AuditError: the row cannot be written; nothing is asked.
        """
        self.lines[line].wishes.ask(self._audit, who, role, way, why, reason)

    def override(self, line: str, run: int, who: str, role: str, reason: str) -> None:
        """Have a line judge again in spite of a failed run.

        Raises:
            SaecError: no reason is given.
            AuditError: the row cannot be written; nothing was changed.
        """
        found = self.lines[line]
        found.wishes.override(self._audit, who, role, run, reason)
        found.see_override()

    def stopped(self, line: str) -> str:
        """Why a line judges nothing but golden parts, one sentence; "" while it judges. Never waits."""
        return self.lines[line].stopped

    def refuses(self, line: str) -> bool:
        """Whether a part that comes now would not be judged. Never waits."""
        return self.lines[line].refuses

    def standing(self, line: str) -> ChallengeStanding:
        """How a line's challenge stands, in one word. Never waits."""
        return self.lines[line].standing

    def result(self, line: str) -> ChallengeResult:
        """What the last run that passed or failed said. Never waits."""
        return self.lines[line].result

    def status(self, line: str) -> dict[str, Any]:
        """Plain values for page and metrics."""
        return self.lines[line].status()


def _hooks(
    settings: StationSettings,
    line: str,
    spool: Spool,
    accept: Callable[[NewFrame, bytes], Receipt],
    decode: DecodeImage,
) -> ChallengeHooks:
    store = VersionStore(settings.station.data / "lines" / line)

    def version() -> int:
        return store.state().current

    def look(data: bytes) -> PictureLook:
        bits = store.profile(version()).line.preparation.bits
        return picture_look(decode(data, bits=bits, name="golden part"))

    def goods(number: str) -> KnownGoods:
        profile = store.profile(int(number))
        references = read_references(profile, len(profile.references()))
        return KnownGoods([picture_look(one) for one in references], profile.calibration.goods)

    alarm = partial(spool.alarm, about=line)
    return ChallengeHooks(spool, accept, goods, look, lambda kind, text: alarm(kind, text))
