"""How a line's verdicts are written: in time or late, to the spool, and to the log."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import structlog

from saec.frame.frame_spans import record_verdict, traced_verdict
from saec.frame.verdicts import answer_times
from saec.station.line.arrivals import TOLD, AnswerTimes
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.records import VerdictState
from saec.station.storage.spool import Spool
from saec.types import Pending, VerdictRecord


class VerdictWriter:
    """Writes the verdicts of one line; safe to use from its threads.

    Attributes:
        answers: how long the line waited for each first verdict.
    """

    def __init__(self, line: LineSettings, spool: Spool) -> None:
        self._deadline, self._spool = line.deadline_s, spool
        self._log = structlog.get_logger().bind(line=line.name)
        self.answers = AnswerTimes()

    def write(
        self,
        pending: Pending,
        verdict: VerdictRecord,
        *,
        in_time: bool | None = None,
        edge: bytes | None = None,
        version: str | None = None,
        alarms: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Write a verdict, unless its frame has it already.

        Args:
            in_time: whether the line can still act on it; None asks the clock.
            edge, version, alarms: the arguments of ``Spool.decide``.
        """
        waited = time.perf_counter() - pending.begun
        timely = waited <= self._deadline if in_time is None else in_time
        verdict = msgspec.structs.replace(verdict, ms=answer_times(verdict.ms, waited * 1e3))
        verdict = traced_verdict(verdict)
        golden = pending.seq in self._spool.golden
        state: VerdictState = "provisional" if verdict.state == "provisional" else "final"
        if not self._spool.decide(
            pending.seq, state, verdict, in_time=timely, edge=edge, version=version, alarms=alarms
        ):
            return
        if not golden and (timely or in_time is None):
            self.answers.add(verdict.ms, late=not timely)
        record_verdict(verdict, waited, first=timely or in_time is None or state == "provisional")
        self._log.info(
            "verdict",
            frame=verdict.id,
            state=state,
            label=verdict.label,
            by=verdict.decided_by,
            reason=verdict.reason,
            **({"trace": verdict.trace} if verdict.trace else {}),
            **{f"{name}_ms": round(verdict.ms.get(name, 0.0), 1) for name in TOLD},
        )
