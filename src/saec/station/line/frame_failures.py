"""What becomes of a frame of a line that cannot be judged: an error, another attempt, or quarantine."""

from __future__ import annotations

import contextlib
import time

import structlog

from saec.errors import DecoderDiedError, DecoderOverranError, ImageError, MachineError
from saec.frame.frame_spans import record_verdict, traced_verdict
from saec.frame.verdicts import error_verdict
from saec.station.line.arrivals import Arrivals
from saec.station.line.crash_marker import CrashMark
from saec.station.line.guard import GuardError
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.crash_attempts import MOST_ATTEMPTS
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.types import Source, VerdictRecord

_CRASH = "the station crashed while it worked on this frame"
_ENOUGH = 8
"""Frames that were postponed, which show that it is none of theirs' fault."""

_ADVICE = (
    "check the sender, and open the file on another computer; `saec station quarantine` lists "
    "such frames and releases them"
)


class StoppedLineError(MachineError):
    """The line judges nothing, as it failed a challenge."""


class NoVersionError(MachineError):
    """The line has no version yet, so nothing can judge its frames."""

    def __init__(self, line: str) -> None:
        super().__init__(
            f"{line}: this line has no version yet",
            "make one with `saec fit`, and add it with `saec station add`",
        )


class QuarantinedError(ImageError):
    """A frame over which a decoder or the station ended each time; its image is kept."""


class FrameFailures:
    """Decides what becomes of such frames; for the edge's thread of one line.

    Args:
        line: its settings.
        spool: keeps verdicts, attempts and alarms.
        arrivals: takes the frames that are to be tried again.
    """

    def __init__(self, line: LineSettings, spool: Spool, arrivals: Arrivals) -> None:
        self._line, self._spool, self._arrivals = line, spool, arrivals
        self._log = structlog.get_logger().bind(line=line.name)
        self._rejected_stage = ""
        self._told = False
        self._postponed: dict[int, str] = {}  # frames since the last that was looked at, and why

    @property
    def blocked(self) -> str:
        """Why the line's frames wait for the machine, one sentence; "" while it can look at them.

        One frame alone may lie on a sector that cannot be read, and says nothing of the others.
        """
        held = list(self._postponed.values())  # the edge's thread goes on meanwhile
        return self._sentence(held[-1]) if len(held) > 1 else ""

    def recover(self, left: CrashMark | None) -> set[int]:
        """After a start: the frames under suspicion, which are queued behind all others.

        Args:
            left: what an earlier process died over.
        """
        if left is not None:
            frame = self._spool.frame(left.seq)
            if frame is not None and frame.line == self._line.name and frame.state == "accepted":
                self._spool.attempts.add(left.seq, _CRASH, counted=left.alone)
                self._log.warning(
                    "a crash happened at this frame, which is judged last",
                    frame=frame.id,
                    why=_CRASH,
                    counts_for_quarantine=left.alone,
                )
        suspects = self._spool.attempts.of_line(self._line.name)
        for suspect in suspects:
            frame = self._spool.frame(suspect.seq)
            if suspect.attempts >= MOST_ATTEMPTS and frame is not None and frame.state == "accepted":
                self._quarantine(frame, suspect.why, in_time=False)
            else:
                self._arrivals.add_suspect(suspect.seq)
        return {suspect.seq for suspect in suspects}

    def failed(self, frame: SpooledFrame, path: str, begun: float, error: Exception, version: str) -> None:
        """It was not judged, by its own fault."""
        in_time = time.perf_counter() - begun <= self._line.deadline_s
        if not isinstance(error, DecoderDiedError | DecoderOverranError):
            self._reject(frame, path, error, in_time=in_time, version=version)
            return
        attempts = self._spool.attempts.add(frame.seq, error.what, counted=True)
        self._log.warning(
            "the decoder failed at this frame, which is judged last",
            frame=frame.id,
            why=error.what,
            attempts=attempts,
        )
        if attempts >= MOST_ATTEMPTS:
            self._quarantine(frame, error.what, in_time=in_time)
        else:
            self._arrivals.add_suspect(frame.seq, begun)

    def judged(self) -> None:
        """A frame was judged: a spell of rejected ones is over."""
        self._rejected_stage = ""

    def postpone(self, seq: int, error: Exception) -> None:
        """The machine could not look at a frame, which waits; the first of a spell raises an alarm."""
        self._log.warning("frame postponed", seq=seq, error=str(error))
        if len(self._postponed) < _ENOUGH:
            self._postponed[seq] = str(error)
        if self._told:
            return
        with contextlib.suppress(
            Exception
        ):  # the alarm meets the same trouble; then the next frame raises it
            self._spool.alarm("waiting", self._sentence(str(error)), about=self._line.name)
            self._told = True

    def machine_works(self) -> None:
        """The machine has looked at a frame."""
        self._told = False
        self._postponed.clear()

    def _sentence(self, why: str) -> str:
        return f"{self._line.name}: frames wait until this machine can judge them: {why}"

    def _reject(
        self, frame: SpooledFrame, path: str, error: Exception, *, in_time: bool, version: str
    ) -> None:
        """No label: an unreadable file, or no fair picture. Each spell of them raises one alarm."""
        if isinstance(error, GuardError):
            stage = f"guard-{error.kind}"
        else:
            stage = "recipe" if isinstance(error, MachineError) else "edge"
        stage = "stopped" if isinstance(error, StoppedLineError) else stage
        stage = "no-version" if isinstance(error, NoVersionError) else stage
        verdict = self._verdict(frame, path, error, stage)
        # of a stop its challenge has told, and of a line without a version the start
        told = stage in (self._rejected_stage, "stopped", "no-version")
        alarms = [] if told else [(stage, str(error))]
        if self._spool.decide(frame.seq, "final", verdict, in_time=in_time, version=version, alarms=alarms):
            record_verdict(verdict, time.time() - frame.accepted, first=True)
        if not frame.challenge:
            self._rejected_stage = stage
        self._log.warning("frame without label", frame=frame.id, reason=verdict.reason, error=str(error))

    def _quarantine(self, frame: SpooledFrame, why: str, *, in_time: bool) -> None:
        path = str(self._spool.path(frame))
        what = f"{frame.id} is in quarantine after {MOST_ATTEMPTS} attempts: {why}"
        error = QuarantinedError(what, _ADVICE)
        verdict = self._verdict(frame, path, error, "quarantine")
        alarm = f"{what}; its image is {frame.image} ({_ADVICE})"
        if self._spool.decide(frame.seq, "final", verdict, in_time=in_time, alarms=[("quarantined", alarm)]):
            record_verdict(verdict, time.time() - frame.accepted, first=True)
        self._log.error("frame in quarantine", frame=frame.id, why=why)

    def _verdict(self, frame: SpooledFrame, path: str, error: Exception, stage: str) -> VerdictRecord:
        source = Source(id=frame.id, path=path, part=frame.part)
        verdict = error_verdict(
            source,
            self._line.name,
            error,
            sha256=frame.sha256,
            time=frame.captured,
            seq=frame.seq,
            stage=stage,
        )
        return traced_verdict(verdict)
