"""One line's questions to the cloud: fresh frames first, then those that were answered provisionally.

Nothing is kept in memory that the spool does not hold: what waits for the cloud waits there.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec
import structlog

from saec.cloud.remote.engine import RemoteEngine
from saec.contracts import CloudEngine
from saec.decoding import decode
from saec.errors import LinkError, MachineError, SpoolError, is_transient
from saec.frame.assessment import DecodeImage
from saec.frame.cloud_questions import ask_clouds, make_query, with_wait
from saec.frame.frame_region import region_query, words_in_picture
from saec.frame.judges import TrustedCloud
from saec.frame.shared_dispatch import SharedDispatch
from saec.frame.verdicts import CLOUD_ERROR, Rules, fallback_verdict
from saec.station.line.opened_version import AnsweringVersion, OpenedVersion, VersionKey
from saec.station.line.verdict_writer import VerdictWriter
from saec.station.line.version_switch import VersionSwitch
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.database.damage import REMEDY
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.types import DEFECT, Box, CloudQuery, Pending, VerdictRecord

MOST_ATTEMPTS = 5
"""After so many answers that were no answer, a frame gets the edge's label as final."""

_IDLE = 0.2
_PAUSE = 1.0
"""Seconds for which frames of the backlog are left alone when the machine could not read one."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A frame that waits for the cloud, and the version whose edge has looked at it."""

    pending: Pending
    version: VersionKey


class CloudThread:
    """Asks the cloud about the frames of one line.

    Args:
        line: its settings.
        spool: holds the frames.
        versions: the versions that judge, each with its engine.
        dispatch: what is known of the link.
        writer: takes the verdicts.
        batch: frames that the cloud is asked about at once.
        connected: there is a cloud at all.
        decode: decodes a frame's bytes, which the edge has decoded before.
    """

    def __init__(
        self,
        line: LineSettings,
        spool: Spool,
        versions: VersionSwitch,
        dispatch: SharedDispatch,
        writer: VerdictWriter,
        *,
        batch: int,
        connected: bool,
        decode: DecodeImage,
    ) -> None:
        self._line, self._spool, self._versions = line.name, spool, versions
        self._dispatch, self._writer = dispatch, writer
        self._batch, self._connected, self._decode = batch, connected, decode
        self._put_off = 0.0
        self._log = structlog.get_logger().bind(line=line.name)
        self._fresh: deque[_Question] = deque()
        self._sent_by: dict[int, Rules] = {}  # by the seq of each fresh frame
        self._attempts: dict[int, int] = {}
        self._sent = threading.Event()
        self._turn: Callable[[], None] = lambda: None

    def send(self, pending: Pending, version: OpenedVersion) -> None:
        """A frame that stands in the spool as asked is to be asked about; its deadline is watched."""
        self._sent_by[pending.seq] = version.judges.rules
        self._fresh.append(_Question(pending, version.key))
        self._dispatch.send()
        self._dispatch.hold(pending)
        self._sent.set()

    def rules_of(self, pending: Pending) -> Rules:
        """The rules of the version that has looked at a fresh frame."""
        return self._sent_by.get(pending.seq, self._versions.current.judges.rules)

    def run(self, stopping: Stopping) -> None:
        """A thread's body: ask about fresh frames, else about those with a provisional verdict."""
        after, self._turn = 0, stopping.turn
        self._fresh.clear()  # begun anew after a failure: all of them stand in the spool
        self._sent_by.clear()
        self._dispatch.reset()
        while not stopping.is_set():
            self._sent.clear()
            batch = [self._fresh.popleft() for _ in range(min(self._batch, len(self._fresh)))]
            if not batch and self._connected and time.monotonic() >= self._put_off:
                batch, after = self._backlog(after)
            if not batch:
                self._sent.wait(_IDLE)
            for version, group in groupby(batch, key=lambda waiting: waiting.version):
                self._ask_group(self._versions.answering_at(version), [one.pending for one in group])

    def expire(self, frame: SpooledFrame) -> None:
        """A frame has waited for the cloud for too long: the edge's label becomes final.

        Many do at once, so whoever calls it raises the alarm.
        """
        error = TimeoutError("the cloud did not answer in time")
        self._give_up(pending_of(frame), self.rules_for(frame), error, alarms=())

    def rules_for(self, frame: SpooledFrame) -> Rules:
        """The rules of the version that has looked at a frame; where its recipe is lost, those of the current
        one: the edge's answer alone is the same by either."""
        try:
            return self._versions.answering(frame).judges.rules
        except MachineError:
            return self._versions.current.judges.rules

    def _backlog(self, after: int) -> tuple[list[_Question], int]:
        """Frames that wait for the cloud beside the fresh ones, and from where to look next."""
        frames = self._spool.frames("asked", line=self._line, after=after, most=self._batch)
        batch = []
        for frame in frames:
            if frame.seq in self._sent_by or (pending := pending_or_damaged(frame, self._spool)) is None:
                continue
            try:
                batch.append(_Question(pending, self._versions.answering(frame).key))
            except MachineError as e:  # its recipe is lost
                self._give_up(pending, self.rules_for(frame), e)
        for _ in batch:
            self._dispatch.send()
        return batch, (frames[-1].seq if frames else 0)

    def _ask_group(self, version: AnsweringVersion, batch: list[Pending]) -> None:
        while batch:
            frames = self._dispatch.ready(self._turn)
            self._ask(version, batch[:frames])
            batch = batch[frames:]

    def _ask(self, version: AnsweringVersion, batch: list[Pending]) -> None:
        now = time.perf_counter()
        asked = [(pending, self._query(pending, version)) for pending in batch]
        queries = [(with_wait(p, now) if p.since else p, query) for p, query in asked if query is not None]
        self._dispatch.drop(len(batch) - len(queries))
        clouds = sorted(version.judges.clouds, key=_away)  # in order of preference, those that answer first
        if not clouds:  # its version has no cloud any more: the frames wait for the age limit
            self._dispatch.drop(len(queries))
            return
        if not queries:
            return
        self._dispatch.begin(len(queries))
        answered = False
        try:
            verdicts = ask_clouds(clouds, queries)
            answered = any(verdict.cloud is not None for verdict, _ in verdicts)
        finally:
            self._dispatch.end(answered=answered)
        defects = []
        for (pending, query), (verdict, engine) in zip(queries, verdicts, strict=True):
            self._sent_by.pop(pending.seq, None)
            if verdict.cloud is None:
                self._unanswered(pending, version.judges.rules, verdict)
                continue
            self._attempts.pop(pending.seq, None)
            self._writer.write(pending, verdict, in_time=self._dispatch.claim(pending))
            if verdict.label == DEFECT:
                defects.append((pending, query, engine))
        self._explain(defects, version.key.region)

    def _query(self, pending: Pending, version: AnsweringVersion) -> CloudQuery | None:
        judges, refs = version.judges, version.judges.references
        self._turn()
        try:
            query = make_query(pending, self._line, refs, bits=judges.bits, decode=self._decode)
            return region_query(query, version.key.region)
        except Exception as e:
            self._sent_by.pop(pending.seq, None)
            if is_transient(e):  # it stands in the spool as asked, and is asked about later
                self._put_off = time.monotonic() + _PAUSE
                self._log.warning("cloud request postponed", frame=pending.source.id, error=str(e))
            else:  # its image has gone: the edge's answer stands
                self._give_up(pending, judges.rules, e)
            return None

    def _unanswered(self, pending: Pending, rules: Rules, verdict: VerdictRecord) -> None:
        """The link's failure is nobody's; an answer that is none is the frame's, and not asked for ever."""
        error = verdict.error
        if error is None or error.kind == LinkError.__name__:
            return
        self._attempts[pending.seq] = self._attempts.get(pending.seq, 0) + 1
        if self._attempts[pending.seq] >= MOST_ATTEMPTS:
            del self._attempts[pending.seq]
            self._give_up(pending, rules, RuntimeError(error.message))

    def _give_up(
        self,
        pending: Pending,
        rules: Rules,
        error: Exception,
        alarms: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        in_time = self._dispatch.claim(pending)
        verdict = fallback_verdict(pending, rules, CLOUD_ERROR, error)
        final = msgspec.structs.replace(verdict, state="final")
        if alarms is None:
            alarms = [("cloud-failed", f"no answer about {pending.source.id}: {error}")]
        self._writer.write(pending, final, in_time=in_time, alarms=alarms)

    def _explain(self, defects: list[tuple[Pending, CloudQuery, CloudEngine]], region: Box | None) -> None:
        """Words for defects; the verdict does not wait for them, and stands without them."""
        for pending, query, engine in defects:
            if self._fresh:
                return
            self._turn()
            try:
                (words,) = engine.explain([query])
            except Exception as e:
                self._log.info("no explanation from the cloud", frame=pending.source.id, error=str(e))
            else:
                self._spool.explain(pending.seq, words_in_picture(words, region))


def _away(cloud: TrustedCloud) -> bool:
    """Whether no address of a cloud seems to be up; it is asked where nobody else is left."""
    return isinstance(cloud.engine, RemoteEngine) and not cloud.engine.reachable


def pending_or_damaged(frame: SpooledFrame, spool: Spool) -> Pending | None:
    """As ``pending_of``; None, and it is noted, where the record is damaged: it waits for the repair."""
    try:
        return pending_of(frame)
    except SpoolError as e:
        spool.damage.note(e.what)
        return None


def pending_of(frame: SpooledFrame) -> Pending:
    """What the edge said of a frame that the spool holds; it is no longer fresh.

    Raises:
        SpoolError: the record is damaged.
    """
    if frame.edge is None:
        raise AssertionError(f"{frame.id} waits for the cloud, but has no opinion of the edge")
    try:
        pending = decode(frame.edge, Pending)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise SpoolError(f"the record of {frame.id} is damaged: {e}", REMEDY) from e
    return msgspec.structs.replace(pending, since=0.0)
