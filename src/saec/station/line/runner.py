"""One line at the station: the edge judges at once, the cloud when it can, the deadline always.

Four threads. *edge* takes accepted frames, those that can be in time first (``edge_thread``). *cloud* asks
about fresh frames first, then about those that were answered provisionally while the link was down or slow
(``cloud_thread``). *deadlines* answers by the edge for every fresh frame whose time is up. *versions* heeds
promotions (``version_switch``). Which verdict comes first is decided in the spool's transaction, so the line
acts on one and a frame has one final verdict, whatever the order in which the threads come.

Nothing is kept in memory that the spool does not hold: after a crash the frames without a verdict are judged
and those that wait for the cloud wait on.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from saec.frame.assessment import DecodeImage
from saec.frame.cloud_questions import with_wait
from saec.frame.judges import TrustedCloud
from saec.frame.shared_dispatch import SharedDispatch
from saec.frame.verdicts import OVERDUE, fallback_verdict
from saec.schedule.link.dispatch import Dispatch
from saec.settings import LinkConfig
from saec.station.challenge.line_challenge import LineChallenge
from saec.station.line.arrivals import TOLD, Arrivals
from saec.station.line.cloud_thread import CloudThread, pending_or_damaged
from saec.station.line.crash_marker import CrashMarker
from saec.station.line.edge_thread import EdgeThread, EdgeTools
from saec.station.line.exclusive_lock import ExclusiveLock
from saec.station.line.frame_failures import FrameFailures, NoVersionError
from saec.station.line.verdict_writer import VerdictWriter
from saec.station.line.version_opener import CloudFor
from saec.station.line.version_store import VersionStore
from saec.station.line.version_switch import VersionSwitch
from saec.station.line.warm_versions import WarmVersions
from saec.station.parts.code_reader import CodeReader
from saec.station.recipes.code_recipes import CodeRecipes
from saec.station.recipes.recipe_choice import RecipeChoice
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.types import Pending

_MARGIN = 0.1
"""Seconds before the deadline at which the edge answers for the cloud, since its verdict must be written to
the disk by then. At most a fifth of the deadline."""

_FRESH = 64
"""Frames that may wait for the cloud before their deadline."""


class LineRunner:
    """Judges the frames of one line.

    Args:
        settings: the line's settings.
        spool: holds its frames.
        versions: the versions of its profile.
        cloud_for: opens the cloud.
        batch: frames that the cloud is asked about at once.
        pictures: keeps pictures of frames with their maps.
        decode, decode_again: decode a frame's bytes, for the edge and for the cloud; each for one thread.
        lock: taken for each frame that is judged, by all lines of this process.
        choice: the recipes in force; None for a line that has none.
        warm: holds the opened versions of all lines.
        challenge: the line's golden parts; None where it has none and is never stopped.

    Attributes:
        link: the state of the link as it was within the last second; "none" without a cloud.
    """

    def __init__(
        self,
        settings: LineSettings,
        spool: Spool,
        versions: VersionStore,
        *,
        cloud_for: CloudFor,
        batch: int,
        pictures: RecentPictures,
        decode: DecodeImage,
        decode_again: DecodeImage,
        lock: ExclusiveLock | None = None,
        choice: RecipeChoice | None = None,
        warm: WarmVersions | None = None,
        challenge: LineChallenge | None = None,
    ) -> None:
        self.settings = settings
        self._challenge = challenge
        self._spool, self._log = spool, structlog.get_logger().bind(line=settings.name)
        self._connected = settings.cloud and bool(cloud_for(None))
        self.link = "" if self._connected else "none"
        self._arrivals, self._choice = Arrivals(settings.deadline_s), choice
        self._versions = VersionSwitch(
            settings,
            versions,
            cloud_for,
            spool,
            choice=choice,
            warm=warm or WarmVersions(),
            unpark=self._arrivals.unpark,
        )
        if challenge is not None:
            challenge.follow(lambda: self._versions.following)
        self._unwritten: deque[Pending] = deque()
        self._marker = CrashMarker(spool.folder / "touched" / settings.name)
        self._failures = FrameFailures(settings, spool, self._arrivals)
        self._writer = VerdictWriter(settings, spool)
        self._dispatch = SharedDispatch(self._new_dispatch(batch), self._stand_in)
        self._cloud = CloudThread(
            settings,
            spool,
            self._versions,
            self._dispatch,
            self._writer,
            batch=batch,
            connected=self._connected,
            decode=decode_again,
        )
        codes = CodeReader(settings.code) if settings.code.formats else None
        tools = EdgeTools(
            spool=spool,
            arrivals=self._arrivals,
            versions=self._versions,
            dispatch=self._dispatch,
            questions=self._cloud,
            writer=self._writer,
            failures=self._failures,
            marker=self._marker,
            lock=lock or ExclusiveLock(),
            pictures=pictures,
            decode=decode,
            retry=self._write_unwritten,
            codes=codes,
            code_recipes=self._code_recipes(codes),
            stopped=self._why_stopped,
        )
        self._edge = EdgeThread(settings, tools)

    def _code_recipes(self, codes: CodeReader | None) -> CodeRecipes | None:
        """What chooses recipes by codes, where the line asks for that."""
        if codes is None or self._choice is None or not self.settings.code.recipe:
            return None
        book = self._choice.book(self.settings.name)
        return CodeRecipes(codes, book, self._spool.parts.keep_recipe)

    def _new_dispatch(self, batch: int) -> Dispatch[Pending]:
        deadline = self.settings.deadline_s
        return Dispatch(
            batch=batch,
            capacity=_FRESH,
            deadline=deadline,
            connected=self._connected,
            config=LinkConfig(margin=min(_MARGIN, deadline / 5)),
        )

    def bodies(self) -> dict[str, Callable[[Stopping], None]]:
        """The bodies of the line's threads by their names: edge, cloud, versions and deadlines."""
        return {
            "edge": self._edge.run,
            "cloud": self._cloud.run,
            "versions": self._versions.run,
            "deadlines": self._answer_overdue,
        }

    def status(self) -> dict[str, Any]:
        """What is asked of it: version, shadow, link, requests that have ended (``asked``) and queue."""
        state = self._dispatch.state(time.perf_counter())
        current, shadow = self._versions.opened, self._versions.shadow
        rules = None if current is None else current.judges.rules
        return {
            "version": None if current is None else current.number,
            "shadow": None if shadow is None else shadow.number,
            "threshold": None if rules is None else rules.calibration.threshold,
            "cloud": rules.role if rules is not None and self._connected else None,
            "link": state.link if self._connected else None,
            "asked": self._dispatch.asked,
            "queue": state.queue,
            "deadline_s": self.settings.deadline_s,
            "recipe": None if self._choice is None else self._choice.status(self.settings.name),
            "waiting_for_version": self._arrivals.parked,
            "drift": "" if current is None else current.drift.state.sentence(),
            "challenge": None if self._challenge is None else self._challenge.status(),
            **{f"{name}_ms": self._writer.answers.quantiles(name) for name in TOLD},
            "late": self._writer.answers.late,
        }

    @property
    def drifts(self) -> bool:
        """Whether the scores of the current version drift."""
        current = self._versions.opened
        return current is not None and current.drift.state.alarm is not None

    @property
    def has_version(self) -> bool:
        """Whether a version judges its frames; the first one may still have to be made."""
        return self._versions.opened is not None

    @property
    def clouds(self) -> list[TrustedCloud]:
        """The clouds that the current version asks, in order of preference; none without a version."""
        current = self._versions.opened
        return [] if current is None else current.judges.clouds

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
                if (pending := pending_or_damaged(frame, self._spool)) is None:
                    continue
                rules = self._cloud.rules_for(frame)
                self._writer.write(pending, fallback_verdict(pending, rules, OVERDUE), in_time=False)
            after = frames[-1].seq
        suspects = self._failures.recover(self._marker.left)
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
        self._marker.excuse()

    def _why_stopped(self) -> str:
        return "" if self._challenge is None else self._challenge.stopped

    def problem(self) -> str:
        """Why its frames get no verdict now, one sentence; "" when they do."""
        if blocked := self._failures.blocked or self._why_stopped():
            return blocked
        if not self.has_version:
            return str(NoVersionError(self.settings.name))
        recipe = None if self._choice is None else self._choice.status(self.settings.name)
        if recipe is None or recipe["number"] is not None:
            return ""
        return f"{self.settings.name}: {recipe['fault']}"

    def expire(self, frame: SpooledFrame) -> None:
        """A frame has waited for the cloud for too long: the edge's label becomes final, without an alarm."""
        self._cloud.expire(frame)

    def reopen(self) -> None:
        """Open the versions anew, as when the cloud turns out to be another."""
        self._versions.reopen()

    def abort(self) -> None:
        """Wake the threads that wait for the cloud or a deadline, so that they end."""
        self._dispatch.abort()

    def close(self) -> None:
        """Let go of its files; its threads have ended."""
        self._marker.close()

    # deadlines

    def _answer_overdue(self, stopping: Stopping) -> None:
        """A thread's body: answer by the edge for frames whose time is up."""

        def turn() -> None:
            stopping.turn()
            if self._connected:
                self.link = self._dispatch.state(time.perf_counter()).link

        self._dispatch.watch_deadlines(turn)

    def _stand_in(self, pending: Pending) -> None:
        """The time of a fresh frame is up: the edge answers, provisionally.

        Where that cannot be written, as on a full disk, it is tried again by the edge's thread: no frame is
        handed back twice.
        """
        try:
            rules = self._cloud.rules_of(pending)
            waited = with_wait(pending, time.perf_counter())
            self._writer.write(waited, fallback_verdict(waited, rules, OVERDUE))
        except (OSError, sqlite3.Error) as e:
            self._unwritten.append(pending)
            self._log.error("verdict not written", frame=pending.source.id, error=str(e))

    def _write_unwritten(self) -> None:
        for _ in range(len(self._unwritten)):
            self._stand_in(self._unwritten.popleft())
