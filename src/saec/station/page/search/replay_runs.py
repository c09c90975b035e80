"""Replays that a person asks for: a frame judged again in a process of its own, one at a time.

The detector's model is loaded in that process and leaves with it. It steps back behind line and page, has one
thread for its sums, and is ended when it takes too long.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import msgspec
import structlog

from saec.decoding import decode
from saec.errors import SaecError
from saec.station.page.words.languages import msgid
from saec.station.setup.handed_settings import handed_json
from saec.station.setup.station_settings import StationSettings

REPLAY = [sys.executable, "-P", "-m", "saec.station.page.search.replay_program"]
"""The program that judges again, to which its seconds are added; the page knows where the package lies."""

LIMIT = 50.0
"""Seconds of one replay; the station waits 60 for an answer of the page."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

log = structlog.get_logger()


class ReplayRow(msgspec.Struct, frozen=True):
    """One thing that was recorded, and what it is now; ``same`` is None where it cannot be computed."""

    what: str
    recorded: str
    again: str
    same: bool | None


class ReplayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the process says: rows, or why there are none."""

    rows: list[ReplayRow] = []
    problem: str = ""
    remedy: str = ""


class ReplayRuns:
    """Judges recorded frames again; safe to use from several threads.

    Args:
        settings: those of the station that judged them.
        limit: seconds after which a replay is given up.
        command: the program that judges again.
    """

    def __init__(
        self, settings: StationSettings, *, limit: float = LIMIT, command: Sequence[str] = REPLAY
    ) -> None:
        self._settings, self._limit, self._command = settings, limit, command
        self._busy = threading.Lock()

    def run(self, id: str) -> list[ReplayRow]:
        """Judge a frame again and compare.

        Raises:
            SaecError: another replay is under way, it takes too long, or the frame cannot be judged again.
        """
        if not self._busy.acquire(blocking=False):
            raise SaecError(msgid("Another replay is under way"), msgid("Try again when it has ended"))
        try:
            answer = self._answer(id)
        finally:
            self._busy.release()
        if answer.problem:
            raise SaecError(answer.problem, answer.remedy)
        return answer.rows

    def _answer(self, id: str) -> ReplayAnswer:
        asked = handed_json(self._settings) + b"\n" + id.encode() + b"\n"
        try:
            done = subprocess.run(
                [*self._command, str(int(self._limit) + 5)],
                input=asked,
                capture_output=True,
                timeout=self._limit,
                env={**os.environ, **_ONE_THREAD},
                check=False,
            )
        except subprocess.TimeoutExpired as e:
            raise SaecError(
                msgid("The replay took too long and was ended"),
                msgid("Run `saec station replay` on the station's machine"),
            ) from e
        if done.returncode != 0:
            log.error(
                "replay failed",
                frame=id,
                status=done.returncode,
                said=done.stderr[-2000:].decode("utf-8", "replace"),
            )
            raise SaecError(msgid("The replay failed"), msgid("Look into the station's log, which says why"))
        answer: ReplayAnswer = decode(done.stdout, ReplayAnswer)
        return answer
