"""One line at the station: the edge judges at once, the cloud when it can, the deadline always.

Four threads. *edge* takes accepted frames, those that can be in time first. *cloud* asks about fresh frames
first, then about those that were answered provisionally while the link was down or slow. *deadlines* answers
by the edge for every fresh frame whose time is up. *versions* heeds promotions. Which verdict comes first is
decided in the spool's transaction, so the line acts on one and a frame has one final verdict, whatever the
order in which the threads come.

Nothing is kept in memory that the spool does not hold: after a crash the frames without a verdict are judged
and those that wait for the cloud wait on.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec
import structlog

from saec.config import LinkConfig
from saec.errors import LinkError
from saec.pipeline import stages
from saec.pipeline.desk import Desk
from saec.pipeline.judge import (
    CLOUD_ERROR,
    OVERDUE,
    edge_verdict,
    error_verdict,
    fallback_verdict,
)
from saec.pipeline.sources import Source
from saec.pipeline.waiting import Pending
from saec.schedule.dispatch import Dispatch
from saec.station.arrivals import Answers, Arrivals
from saec.station.edition import Edition, Look, look
from saec.station.editions import CloudFor, Editions
from saec.station.guard import GuardError
from saec.station.pictures import Pictures
from saec.station.records import Held
from saec.station.settings import LineSettings
from saec.station.spool import Spool
from saec.station.threads import Stopping
from saec.station.versions import VersionStore
from saec.verdict import DEFECT, CloudQuery, Verdict

ADVISORY = "advisory-cloud"
"""Reason of a provisional verdict on a frame whose cloud may change no label: the line need not wait."""

MOST_ATTEMPTS = 5
"""After so many answers that were no answer, a frame gets the edge's label as final."""

_MARGIN = 0.1
"""Seconds before the deadline at which the edge answers for the cloud, since its verdict must be written to
the disk by then. At most a fifth of the deadline."""

_FRESH = 64
_IDLE = 0.2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame that waits for the cloud, and the version whose edge has looked at it."""

    pending: Pending
    version: int


class LineRunner:
    """Judges the frames of one line.

    Args:
        settings: of the line.
        spool: holds its frames.
        versions: of its profile.
        cloud_for: opens the cloud.
        batch: frames that the cloud is asked about at once.
        pictures: keeps pictures of frames with their maps.

    Attributes:
        editions: the versions that judge.
    """

    def __init__(
        self,
        settings: LineSettings,
        spool: Spool,
        versions: VersionStore,
        *,
        cloud_for: CloudFor,
        batch: int,
        pictures: Pictures,
    ) -> None:
        self.settings = settings
        self._spool, self._pictures = spool, pictures
        self._log = log.bind(line=settings.name)
        self.editions = Editions(settings, versions, cloud_for, spool)
        self._arrivals = Arrivals(settings.deadline)
        self._unsaid: deque[Pending] = deque()
        self._fresh: deque[Waiting] = deque()
        self._sent_by: dict[int, int] = {}  # seq of each fresh frame -> version
        self._attempts: dict[int, int] = {}
        self._sent = threading.Event()
        self._unfair = ""
        self.answers = Answers()
        connected = settings.cloud and cloud_for(None) is not None
        dispatch: Dispatch[Pending] = Dispatch(
            batch=batch,
            capacity=_FRESH,
            deadline=settings.deadline,
            connected=connected,
            config=LinkConfig(margin=min(_MARGIN, settings.deadline / 5)),
        )
        self._batch, self._connected = batch, connected
        self.desk = Desk(dispatch, self._stand_in)

    def status(self) -> dict[str, Any]:
        """What is asked of it: version, shadow, link and queue."""
        state = self.desk.state(time.perf_counter())
        current, shadow = self.editions.current, self.editions.shadow
        drift = current.drift.state
        return {
            "version": current.number,
            "shadow": None if shadow is None else shadow.number,
            "threshold": current.judges.rules.calibration.threshold,
            "cloud": current.judges.rules.role if self._connected else None,
            "link": state.link if self._connected else None,
            "queue": state.queue,
            "deadline_s": self.settings.deadline,
            "drift": drift.sentence(),
            "answer_ms": self.answers.quantiles(),
            "late": self.answers.late,
        }

    # frames in

    def accepted(self, seq: int, begun: float) -> None:
        """A frame of this line is in the spool since ``begun`` (seconds of perf_counter)."""
        self._arrivals.add(seq, begun)

    def recover(self) -> None:
        """After a start: what an earlier process left without a verdict gets one, too late to act on."""
        after = 0
        while frames := self._spool.frames("asked", line=self.settings.name, after=after):
            for frame in frames:
                if not self._spool.verdicts(frame.seq):
                    pending = _pending(frame)
                    rules = self.editions.of(frame).judges.rules
                    self._decide(pending, fallback_verdict(pending, rules, OVERDUE), in_time=False)
            after = frames[-1].seq
        after = 0
        while frames := self._spool.frames("accepted", line=self.settings.name, after=after):
            for frame in frames:
                self._arrivals.add_late(frame.seq)
            after = frames[-1].seq

    # edge

    def run_edge(self, stopping: Stopping) -> None:
        """A thread's body: judge what is accepted, what can be in time first."""
        while not stopping.is_set():
            for _ in range(len(self._unsaid)):
                self._stand_in(self._unsaid.popleft())
            entry = self._arrivals.next(_IDLE)
            if entry is None:
                continue
            seq, begun = entry
            start, frame = time.perf_counter(), self._spool.frame(seq)
            if frame is not None and frame.state == "accepted":
                self.judge(frame, begun)
            self._arrivals.done(seq, time.perf_counter() - start)

    def judge(self, frame: Held, begun: float) -> None:
        """The edge's part of one frame, accepted at ``begun``."""
        edition, path = self.editions.current, self._spool.path(frame)
        try:
            seen = look(edition, frame, path, self.desk, begun)
        except Exception as e:
            self._reject(frame, str(path), begun, e)
            return
        self._unfair = ""
        self._route(frame, edition, seen)
        self._drift(edition, seen)
        self.editions.judge_beside(frame, seen)

    def _reject(self, frame: Held, path: str, begun: float, error: Exception) -> None:
        """No label: an unreadable file, or no fair picture. Each spell of them raises one alarm."""
        source, name = Source(id=frame.id, path=path), self.settings.name
        stage = f"guard-{error.kind}" if isinstance(error, GuardError) else "edge"
        verdict = error_verdict(
            source, name, error, sha256=frame.sha256, time=frame.captured, seq=frame.seq, stage=stage
        )
        alarms = [] if self._unfair == stage else [(stage, str(error))]
        self._unfair = stage
        in_time = time.perf_counter() - begun <= self.settings.deadline
        self._spool.decide(
            frame.seq,
            "final",
            verdict,
            in_time=in_time,
            version=str(self.editions.current.number),
            alarms=alarms,
        )
        self._log.warning("frame without label", frame=frame.id, reason=verdict.reason, error=str(error))

    def _route(self, frame: Held, edition: Edition, seen: Look) -> None:
        rules = edition.judges.rules
        route, version = seen.pending.route, edition.number
        plain = route.decision == "edge" and seen.pending.edge.label != DEFECT
        name = self._pictures.name(frame, wanted=not plain)
        pending = stages.changed(seen.pending, map=name)
        blob = msgspec.json.encode(pending)
        if route.decision == "edge":
            self._decide(pending, edge_verdict(pending, rules), edge=blob, version=str(version))
        elif rules.role == "advisory":
            self._decide(pending, fallback_verdict(pending, rules, ADVISORY), edge=blob, version=str(version))
        else:
            self._spool.ask(frame.seq, blob, str(version))
            pending = stages.changed(pending, since=time.perf_counter())
            self._sent_by[frame.seq] = version
            self._fresh.append(Waiting(pending, version))
            self.desk.send()
            self.desk.hold(pending)
        self._sent.set()
        if name is not None:
            self._keep_picture(name, seen, rules.calibration.threshold)

    def _keep_picture(self, name: str, seen: Look, threshold: float) -> None:
        """For the status page; a disk that is full is no reason to stop judging."""
        try:
            self._pictures.keep(name, seen.image, seen.opinion, threshold)
        except OSError as e:
            self._log.warning("no picture", frame=seen.pending.source.id, error=str(e))

    def _drift(self, edition: Edition, seen: Look) -> None:
        before = edition.drift.state.alarm
        state = edition.drift.update(seen.opinion.score)
        if before is None and state.alarm is not None:
            self._spool.alarm("drift", f"{self.settings.name}: {state.sentence()}")

    # deadlines

    def _stand_in(self, pending: Pending) -> None:
        """The time of a fresh frame is up: the edge answers, provisionally.

        Where that cannot be written, as on a full disk, it is tried again by the edge's thread: no frame is
        handed back twice.
        """
        try:
            self._overdue(pending)
        except (OSError, sqlite3.Error) as e:
            self._unsaid.append(pending)
            self._log.error("verdict not written", frame=pending.source.id, error=str(e))

    def _overdue(self, pending: Pending) -> None:
        pending = stages.waited(pending, time.perf_counter())
        edition = self.editions.at(self._sent_by.get(pending.seq, self.editions.current.number))
        self._decide(pending, fallback_verdict(pending, edition.judges.rules, OVERDUE))

    # cloud

    def run_cloud(self, stopping: Stopping) -> None:
        """A thread's body: ask about fresh frames, else about those with a provisional verdict."""
        after = 0
        self._fresh.clear()  # begun anew after a failure: all of them stand in the spool
        self._sent_by.clear()
        self.desk.reset()
        while not stopping.is_set():
            self._sent.clear()
            batch = [self._fresh.popleft() for _ in range(min(self._batch, len(self._fresh)))]
            if not batch and self._connected:
                batch, after = self._backlog(after)
            if not batch:
                self._sent.wait(_IDLE)
            for version, group in groupby(batch, key=lambda waiting: waiting.version):
                self._ask_all(self.editions.at(version), [waiting.pending for waiting in group])

    def _backlog(self, after: int) -> tuple[list[Waiting], int]:
        """Frames that wait for the cloud beside the fresh ones, and from where to look next."""
        frames = self._spool.frames("asked", line=self.settings.name, after=after, most=self._batch)
        batch = [
            Waiting(_pending(frame), self.editions.of(frame).number)
            for frame in frames
            if frame.seq not in self._sent_by
        ]
        for _ in batch:
            self.desk.send()
        return batch, (frames[-1].seq if frames else 0)

    def _ask_all(self, edition: Edition, batch: list[Pending]) -> None:
        while batch:
            frames = self.desk.ready()
            self._ask(edition, batch[:frames])
            batch = batch[frames:]

    def _ask(self, edition: Edition, batch: list[Pending]) -> None:
        now = time.perf_counter()
        asked = [(pending, self._query(pending, edition)) for pending in batch]
        queries = [
            (stages.waited(p, now) if p.since else p, query) for p, query in asked if query is not None
        ]
        self.desk.drop(len(batch) - len(queries))
        engine = edition.judges.engine
        if engine is None:  # its version has no cloud any more: the frames wait for the age limit
            self.desk.drop(len(queries))
            return
        if not queries:
            return
        self.desk.begin(len(queries))
        answered = False
        try:
            verdicts = stages.ask(engine, queries, edition.judges.rules, explain=False)
            answered = any(verdict.cloud is not None for verdict in verdicts)
        finally:
            self.desk.end(answered=answered)
        defects = []
        for (pending, query), verdict in zip(queries, verdicts, strict=True):
            self._sent_by.pop(pending.seq, None)
            if verdict.cloud is None:
                self._unanswered(pending, edition, verdict)
                continue
            self._attempts.pop(pending.seq, None)
            self._decide(pending, verdict, state="final", in_time=self.desk.claim(pending))
            if verdict.label == DEFECT:
                defects.append((pending, query))
        self._explain(edition, defects)

    def _query(self, pending: Pending, edition: Edition) -> CloudQuery | None:
        judges = edition.judges
        try:
            return stages.fetch(pending, self.settings.name, judges.references, bits=judges.bits)
        except Exception as e:  # its image has gone: the edge's answer stands
            self._sent_by.pop(pending.seq, None)
            self._give_up(pending, edition, e)
            return None

    def _unanswered(self, pending: Pending, edition: Edition, verdict: Verdict) -> None:
        """The link's failure is nobody's; an answer that is none is the frame's, and not asked for ever."""
        error = verdict.error
        if error is None or error.kind == LinkError.__name__:
            return
        self._attempts[pending.seq] = self._attempts.get(pending.seq, 0) + 1
        if self._attempts[pending.seq] >= MOST_ATTEMPTS:
            del self._attempts[pending.seq]
            self._give_up(pending, edition, RuntimeError(error.message))

    def _give_up(self, pending: Pending, edition: Edition, error: Exception) -> None:
        in_time = self.desk.claim(pending)
        verdict = fallback_verdict(pending, edition.judges.rules, CLOUD_ERROR, error)
        alarm = ("cloud-failed", f"no answer on {pending.source.id}: {error}")
        final = msgspec.structs.replace(verdict, state="final")
        self._decide(pending, final, state="final", in_time=in_time, alarms=[alarm])

    def expire(self, frame: Held) -> None:
        """A frame has waited for the cloud for too long: the edge's label becomes final, and is said to."""
        pending = _pending(frame)
        self._give_up(pending, self.editions.of(frame), TimeoutError("the cloud was not reached in time"))

    def _explain(self, edition: Edition, defects: list[tuple[Pending, CloudQuery]]) -> None:
        """Words for defects; the verdict does not wait for them, and stands without them."""
        engine = edition.judges.engine
        for pending, query in defects:
            if self._fresh or engine is None:
                return
            try:
                (words,) = engine.explain([query])
            except Exception as e:
                self._log.info("no explanation", frame=pending.source.id, error=str(e))
            else:
                self._spool.explain(pending.seq, words)

    # shared

    def _decide(
        self,
        pending: Pending,
        verdict: Verdict,
        *,
        state: str = "",
        in_time: bool | None = None,
        **more: object,
    ) -> None:
        waited = time.perf_counter() - pending.begun
        timely = waited <= self.settings.deadline if in_time is None else in_time
        verdict = msgspec.structs.replace(verdict, ms={**verdict.ms, "answer": waited * 1e3})
        kind = state or ("provisional" if verdict.state == "provisional" else "final")
        if self._spool.decide(pending.seq, kind, verdict, in_time=timely, **more):  # type: ignore[arg-type]
            if timely or in_time is None:
                self.answers.add(waited, late=not timely)
            self._log.info(
                "verdict",
                frame=verdict.id,
                state=kind,
                label=verdict.label,
                by=verdict.decided_by,
                reason=verdict.reason,
                answer_ms=round(waited * 1e3, 1),
            )


def _pending(frame: Held) -> Pending:
    """What the edge said of a frame; it is no longer fresh."""
    if frame.edge is None:
        raise AssertionError(f"{frame.id} waits for the cloud and the edge has not spoken")
    pending = msgspec.json.decode(frame.edge, type=Pending)
    return msgspec.structs.replace(pending, since=0.0)
