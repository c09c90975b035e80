"""What people and programs want of a line's challenge: a run, or an override; kept until it is heeded."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from saec.errors import SaecError
from saec.profile import write_json
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.challenge.golden_set import GoldenSetError
from saec.station.challenge_records import ChallengeWay
from saec.station.storage.database.schema import alone_in, sync_folder
from saec.texts import read_json

RUN, OVERRIDE = "challenge.run", "challenge.override"
"""The actions in the record of actions."""

_REMEDY = "delete the file, and ask again"


class RunWish(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks for a run.

    Attributes:
        way: what is to be judged; None takes the line's setting.
        who: who asks, as in ``Action``.
        why: what kind of wish it is: "asked", "plc", "schedule" or "promotion".
        time: when, seconds since the epoch.
    """

    way: ChallengeWay | None
    who: str
    why: str = "asked"
    time: float = 0.0


class RunOverride(msgspec.Struct, frozen=True, kw_only=True):
    """An engineer has the line judge again in spite of a failed run.

    Attributes:
        run: number of the run that is overridden, and all before it.
        who: who does it.
        reason: why.
        time: when, seconds since the epoch.
    """

    run: int
    who: str
    reason: str
    time: float


class LineWishes:
    """The wishes for one line, in files that page, command line and station share.

    Args:
        data: the station's data folder.
        line: the line's name.
    """

    def __init__(self, data: Path, line: str) -> None:
        self._folder, self._line = data / "challenge" / line, line

    def ask(
        self, audit: AuditLog, who: str, role: str, way: ChallengeWay | None, why: str, reason: str = ""
    ) -> None:
        """Ask for a run; one that is asked for and has not begun is asked for once.

        Raises:
            AuditError: the row cannot be written; nothing is asked.
        """
        wish = RunWish(way=way, who=who, why=why, time=time.time())
        action = Action(actor=who, role=role, what=RUN, about=self._line, after={"way": way}, reason=reason)
        self._folder.mkdir(parents=True, exist_ok=True)
        with alone_in(self._folder):
            if self.wish() is None:
                with audit.recorded(action):
                    self._write("asked.json", wish)

    def wish(self) -> RunWish | None:
        """The run that is asked for; None without one."""
        path = self._folder / "asked.json"
        if not path.is_file():
            return None
        return read_json(path, RunWish, error=GoldenSetError, remedy=_REMEDY)

    def heeded(self) -> None:
        """The run that was asked for has begun, or is given up."""
        (self._folder / "asked.json").unlink(missing_ok=True)

    def override(self, audit: AuditLog, who: str, role: str, run: int, reason: str) -> None:
        """Have the line judge again in spite of a failed run.

        Raises:
            SaecError: no reason is given.
            AuditError: the row cannot be written; nothing was changed.
        """
        if not reason.strip():
            raise SaecError("an override needs a reason", "say why the line may judge all the same")
        told = RunOverride(run=run, who=who, reason=reason.strip(), time=time.time())
        action = Action(
            actor=who, role=role, what=OVERRIDE, about=self._line, before={"run": run}, reason=told.reason
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        with alone_in(self._folder), audit.recorded(action):
            self._write("override.json", told)

    def overridden(self) -> RunOverride | None:
        """The last override; None without one."""
        path = self._folder / "override.json"
        if not path.is_file():
            return None
        return read_json(path, RunOverride, error=GoldenSetError, remedy=_REMEDY)

    def _write(self, name: str, value: RunWish | RunOverride) -> None:
        write_json(self._folder / name, value)
        sync_folder(self._folder)
