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
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog

from saec.frame.assessment import DecodeImage
from saec.frame.cloud_questions import with_wait
from saec.frame.deadline_desk import Desk
from saec.frame.verdicts import OVERDUE, edge_verdict, fallback_verdict
from saec.schedule.link.dispatch import Dispatch
from saec.settings import LinkConfig
from saec.station.line.arrivals import TOLD, Arrival, Arrivals
from saec.station.line.asking import Asking, readable
from saec.station.line.company import Company, OthersAtWorkError
from saec.station.line.deciding import Decisions
from saec.station.line.edition import Edition, Look, load, look
from saec.station.line.editions import CloudFor, Editions
from saec.station.line.touched import Touched
from saec.station.line.troubles import Troubles
from saec.station.line.versions import VersionStore
from saec.station.setup.settings import LineSettings
from saec.station.storage.database.damage import is_damage
from saec.station.storage.pictures import Pictures
from saec.station.storage.records import Held
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.transient import is_transient
from saec.types import DEFECT, Pending

ADVISORY = "advisory-cloud"
"""Reason of a provisional verdict on a frame whose cloud may change no label: the line need not wait."""

_MARGIN = 0.1
"""Seconds before the deadline at which the edge answers for the cloud, since its verdict must be written to
the disk by then. At most a fifth of the deadline."""

_PATIENCE = 0.2
"""Seconds for which a suspect waits for the other lines' frames to end; they wait as long for it."""

_FRESH = 64
_IDLE = 0.2

log = structlog.get_logger()


class LineRunner:
    """Judges the frames of one line.

    Args:
        settings: of the line.
        spool: holds its frames.
        versions: of its profile.
        cloud_for: opens the cloud.
        batch: frames that the cloud is asked about at once.
        pictures: keeps pictures of frames with their maps.
        decode, decode_again: decode a frame's bytes, for the edge and for the cloud; each for one thread.
        company: of the frames that are at work in this process, all lines'.

    Attributes:
        editions: the versions that judge; its ``run`` is a thread's body.
        desk: what is known of the cloud.
        link: its state as it was within the last second; "none" without a cloud.
        asking: asks the cloud; its ``run`` is a thread's body.
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
        decode: DecodeImage,
        decode_again: DecodeImage,
        company: Company | None = None,
    ) -> None:
        self.settings = settings
        self._spool, self._pictures = spool, pictures
        self._log = log.bind(line=settings.name)
        self.editions = Editions(settings, versions, cloud_for, spool)
        self._arrivals = Arrivals(settings.deadline)
        self._unsaid: deque[Pending] = deque()
        self._turn: Callable[[], None] = lambda: None
        self._decode, self._company = decode, company or Company()
        self._touched = Touched(spool.folder / "touched" / settings.name)
        self._troubles = Troubles(settings, spool, self._arrivals)
        self._decisions = Decisions(settings, spool)
        connected = settings.cloud and cloud_for(None) is not None
        dispatch: Dispatch[Pending] = Dispatch(
            batch=batch,
            capacity=_FRESH,
            deadline=settings.deadline,
            connected=connected,
            config=LinkConfig(margin=min(_MARGIN, settings.deadline / 5)),
        )
        self._connected = connected
        self.link = "" if connected else "none"
        self.desk = Desk(dispatch, self._stand_in)
        self.asking = Asking(
            settings,
            spool,
            self.editions,
            self.desk,
            self._decisions,
            batch=batch,
            connected=connected,
            decode=decode_again,
        )

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
            **{f"{name}_ms": self._decisions.answers.quantiles(name) for name in TOLD},
            "late": self._decisions.answers.late,
        }

    # frames in

    def accepted(self, seq: int, begun: float) -> None:
        """A frame of this line is in the spool since ``begun`` (seconds of perf_counter)."""
        self._arrivals.add(seq, begun)

    def recover(self) -> None:
        """After a start: what an earlier process left without a verdict gets one, too late to act on.

        What that process died over comes last, and alone.
        """
        after, line = 0, self.settings.name
        while frames := self._spool.frames("asked", line=line, after=after, without_verdict=True):
            for frame in frames:
                if (pending := readable(frame, self._spool)) is None:
                    continue
                rules = self.editions.of(frame).judges.rules
                self._decisions.write(pending, fallback_verdict(pending, rules, OVERDUE), in_time=False)
            after = frames[-1].seq
        suspects = self._troubles.recover(self._touched.left)
        after = 0
        while frames := self._spool.frames("accepted", line=line, after=after):
            for frame in frames:
                if frame.seq not in suspects:
                    self._arrivals.add_late(frame.seq)
            after = frames[-1].seq

    def released(self, seq: int) -> None:
        """A frame is to be judged again after its quarantine; the line no longer acts on it."""
        self._arrivals.add_late(seq)

    def excuse(self) -> None:
        """The disk hangs: an end of the process for that does not count against a frame. Never waits."""
        self._touched.excuse()

    def problem(self) -> str:
        """Why its frames get no verdict now, one sentence; "" when they do."""
        return self._troubles.waiting

    def close(self) -> None:
        """Let go of its files; its threads have ended."""
        self._touched.close()

    # edge

    def run_edge(self, stopping: Stopping) -> None:
        """A thread's body: judge what is accepted, what can be in time first."""
        self._turn = stopping.turn
        while not stopping.is_set():
            for _ in range(len(self._unsaid)):
                self._stand_in(self._unsaid.popleft())
            arrival = self._arrivals.next(_IDLE)
            if arrival is None:
                continue
            start = time.perf_counter()
            try:
                self._judge(arrival)
            except OthersAtWorkError:
                self._arrivals.again(arrival)
            except Exception as e:
                self._set_aside(arrival, e)
            else:
                self._troubles.passed()
            self._arrivals.took(time.perf_counter() - start)

    def _set_aside(self, arrival: Arrival, error: Exception) -> None:
        """It was not judged: it comes again, unless its record lies in a damaged page; the others go on.

        Raises:
            Exception: the error itself, where it is not one that passes.
        """
        if is_damage(error):  # it waits for the repair
            self._log.error("frame not judged", seq=arrival.seq, error=str(error))
            return
        self._arrivals.again(arrival)
        if not is_transient(error):
            raise error
        self._troubles.put_off(arrival.seq, error)

    def _judge(self, arrival: Arrival) -> None:
        frame = self._spool.frame(arrival.seq)
        if frame is None or frame.state != "accepted":
            return
        self._touched.begin(frame.seq)
        try:
            self.judge(frame, arrival.begun, suspect=arrival.suspect)
        finally:
            self._touched.end()

    def judge(self, frame: Held, begun: float, *, suspect: bool = False) -> None:
        """The edge's part of one frame, accepted at ``begun``.

        Its bytes are decoded in a process of its own. All else is done here: for a suspect while no other
        line is at work, so that what ends this process meanwhile is known to be its doing.

        Raises:
            Exception: a transient one; the frame is to be judged again.
        """
        edition, name = self.editions.current, str(self._spool.folder / frame.image)
        try:
            path = self._spool.path(frame)
            pixels = load(frame, path, begun, bits=edition.judges.bits, decode=self._decode)
            self._turn()  # decoding alone may have taken long
            with self._among_others(frame, suspect):
                self._turn()
                seen = look(edition, frame.seq, pixels, self.desk)
        except Exception as e:
            if is_transient(e) or isinstance(e, OthersAtWorkError):
                raise
            self._troubles.stumbled(frame, name, begun, e, version=str(edition.number))
            return
        self._troubles.fair()
        self._route(frame, edition, seen)
        if suspect:
            self._spool.attempts.clear(frame.seq)
        self._drift(edition, seen)
        self.editions.judge_beside(frame, seen)

    @contextmanager
    def _among_others(self, frame: Held, suspect: bool) -> Iterator[None]:
        if not suspect:
            with self._company.shared(self._turn):
                yield
            return
        with self._company.alone(_PATIENCE):
            self._touched.begin(frame.seq, alone=True)
            try:
                yield
            finally:
                self._touched.begin(frame.seq)  # what follows are writes: the disk's time, not the frame's

    def _route(self, frame: Held, edition: Edition, seen: Look) -> None:
        rules = edition.judges.rules
        route, version = seen.pending.route, str(edition.number)
        plain = route.decision == "edge" and seen.pending.edge.label != DEFECT
        name = self._pictures.name(frame, wanted=not plain)
        pending = msgspec.structs.replace(seen.pending, map=name)
        blob = msgspec.json.encode(pending)
        if route.decision == "edge":
            self._decisions.write(pending, edge_verdict(pending, rules), edge=blob, version=version)
        elif rules.role == "advisory":
            verdict = fallback_verdict(pending, rules, ADVISORY)
            self._decisions.write(pending, verdict, edge=blob, version=version)
        else:
            self._spool.ask(frame.seq, blob, version)
            self.asking.send(msgspec.structs.replace(pending, since=time.perf_counter()), edition.number)
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
            name = self.settings.name
            self._spool.alarm("drift", f"{name}: {state.sentence()}", about=name)

    # deadlines

    def run_deadlines(self, stopping: Stopping) -> None:
        """A thread's body: answer by the edge for frames whose time is up."""

        def turn() -> None:
            stopping.turn()
            if self._connected:
                self.link = self.desk.state(time.perf_counter()).link

        self.desk.watch(turn)

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
        pending = with_wait(pending, time.perf_counter())
        rules = self.asking.version(pending).judges.rules
        self._decisions.write(pending, fallback_verdict(pending, rules, OVERDUE))
