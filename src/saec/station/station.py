"""The station: sources to spool, edge, cloud and sinks, all in one process, and left alone for months."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import msgspec
import structlog

from saec.connecting import shown_list
from saec.data.images.killable_decoder import Decoder, Spares
from saec.errors import DecoderError, SpoolFullError
from saec.station.audit.audit_log import AuditLog, HeadWatch
from saec.station.audit.audit_rows import AuditError
from saec.station.audit.signing_keys import SigningKeys
from saec.station.cloud_addresses import AddressWatch, address_figures
from saec.station.cloud_models import CloudModels
from saec.station.delivery import DeliveryWorker
from saec.station.housekeeping import Housekeeping
from saec.station.limits import EDGE, LEAST, OPENING, cloud_limit, identify_limit, sink_limit
from saec.station.line.exclusive_lock import ExclusiveLock
from saec.station.line.runner import LineRunner
from saec.station.line.version_opener import CloudFor
from saec.station.line.version_store import VersionStore
from saec.station.line.warm_versions import WarmVersions
from saec.station.machine_side import MachineSide
from saec.station.maintenance.audited_versions import add_version
from saec.station.maintenance.quarantine_release import QuarantineReleases
from saec.station.maintenance.station_challenges import StationChallenges
from saec.station.parts.part_deadlines import PartDeadlines
from saec.station.people.people_retention import PeopleRetention
from saec.station.plc.worker.plc_notes import RaiseAlarm
from saec.station.recipes.camera_change import camera_changes
from saec.station.recipes.recipe_start import start_recipes
from saec.station.review.collecting.review_collector import ReviewCollector
from saec.station.review.collecting.review_upkeep import ReviewRetention
from saec.station.setup.station_settings import StationSettings
from saec.station.sinks.verdict_sink import VerdictSink
from saec.station.sources.frame_source import HANGS, SourceBody, SourceHooks
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import NewFrame, Receipt, SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.storage.spool_probe import SpoolProbe
from saec.station.threads import Stopping, Watched
from saec.web.program.liveness import StuckThread, Supervised, stuck_threads

_IDENTIFY = 15.0
_STOP = 12.0
"""Seconds that all threads together are given to end; the unit's TimeoutStopSec allows for this, the end of
HTTP before it and the closing after it."""

_SLOW = 5.0
"""Seconds that a probe of the spool is under way after which it is the disk that hangs."""

_CLOSE = 5.0
"""Seconds that sinks and spool are given to close."""

log = structlog.get_logger()


class Station:
    """Everything of one settings file.

    Args:
        settings: checked already.
        cloud_for: opens the cloud for a model's name; None connects to the settings' service.

    Attributes:
        threads: the station's own threads.
        living: those, and what else of the program must make progress (``serve`` adds HTTP).
        probe: tells whether the spool works.
        audit: the record of actions.
        machine, triggers: the PLCs and couplers; those triggers that wait for a picture.
        recipes: those in force.
        warm: the opened versions.
        review: finds what people are asked about.

    Raises:
        SaecError: a profile cannot be opened, or the spool belongs to another process.
    """

    def __init__(self, settings: StationSettings, *, cloud_for: CloudFor | None = None) -> None:
        self.settings = settings
        data = settings.station.data
        parts = {line.name: line.parts for line in settings.line if line.parts.on}
        self.spool = Spool(data, [sink.name for sink in settings.sink], settings.spool, parts=parts)
        self.pictures = RecentPictures(data / "maps")
        self.probe = SpoolProbe(self.spool)
        self.audit = AuditLog(data)
        heads = HeadWatch(self.audit, lambda text: self.tell("audit", text, about="audit"))
        self.started = time.time()
        self._clouds = CloudModels(settings.cloud, data / "clouds")
        self._stopping = Stopping()
        self._full, self._uncounted = set[str](), Counter[str]()
        self._lock = threading.Lock()
        self._spares = Spares()
        self._decoders: dict[str, Decoder] = {}
        self.warm = WarmVersions(settings.station.warm_mb)
        try:
            names = [line.name for line in settings.line]
            self.recipes = start_recipes(data, settings.recipe, names, self.spool, self.audit)
            self.challenges = StationChallenges(self, self._decoder("challenge").decode)
            self.runners = self._open_lines(cloud_for or self._clouds)
            self.sinks: dict[str, VerdictSink] = {s.name: s.make_sink() for s in settings.sink}
            self.delivery_workers = {
                s.name: DeliveryWorker(
                    s, self.sinks[s.name], self.spool.outbox, self.spool.alarm, head=heads.now
                )
                for s in settings.sink
            }
            self.sources: dict[str, SourceBody] = {}
            alarm: RaiseAlarm = lambda kind, text, about: self.tell(kind, text, about=about)  # noqa: E731
            judges: Callable[[str], bool] = lambda line: self.runners[line].has_version  # noqa: E731
            self.machine = MachineSide(
                settings, self.spool, self.recipes, self, alarm, self.challenges, judges
            )
            self.triggers = self.machine.triggers
            drifts: Callable[[str], bool] = lambda line: self.runners[line].drifts  # noqa: E731
            self.review = ReviewCollector(
                self.spool, data, settings.review, names, drifts=drifts, alarm=alarm
            )
            self.housekeeping = Housekeeping(
                self.spool,
                settings.retention,
                names,
                self._expire,
                backlogs=[
                    *(worker.keep_within for worker in self.delivery_workers.values()),
                    PeopleRetention(data, settings.people).keep_within,
                    ReviewRetention(self.review.store, settings.review).keep_within,
                ],
            )
            self.threads = self._make_threads()
            self.living: list[Supervised] = [*self.threads]
        except BaseException:
            self.spool.close()
            raise

    def _open_lines(self, cloud_for: CloudFor) -> dict[str, LineRunner]:
        runners, cloud, lock = {}, self.settings.cloud, ExclusiveLock()
        for line in self.settings.line:
            versions = VersionStore(self.settings.station.data / "lines" / line.name)
            if not versions.begun and line.profile is not None:
                add_version(versions, self.audit, "station", "station", line.profile)
            runners[line.name] = LineRunner(
                line,
                self.spool,
                versions,
                cloud_for=cloud_for,
                batch=cloud.batch if cloud is not None else 1,
                pictures=self.pictures,
                decode=self._decoder(f"edge-{line.name}").decode,
                decode_again=self._decoder(f"cloud-{line.name}").decode,
                lock=lock,
                choice=self.recipes,
                warm=self.warm,
                challenge=self.challenges.lines[line.name],
            )
        return runners

    def _decoder(self, name: str) -> Decoder:
        """A decoder for one thread: what one line's is busy with holds no other."""
        self._decoders[name] = Decoder(self._spares)
        return self._decoders[name]

    def _make_threads(self) -> list[Watched]:
        threads, cloud = [], self.settings.cloud
        watched = partial(Watched, stopping=self._stopping, failed=self._failed)
        limits = {"edge": EDGE, "cloud": cloud_limit(cloud), "versions": OPENING, "deadlines": OPENING}
        for name, runner in self.runners.items():
            for what, run in runner.bodies().items():
                threads.append(watched(f"{what}-{name}", run, limit=limits[what]))
        for name, worker in self.delivery_workers.items():
            threads.append(watched(f"sink-{name}", worker.run, limit=sink_limit(self.sinks[name].timeout)))
        releases = QuarantineReleases(self.spool, lambda line, seq: self.runners[line].released(seq))
        threads += [
            watched("retention", self.housekeeping.run, limit=OPENING),
            watched("clouds", self._identify, limit=identify_limit(cloud)),
            watched("database", self.probe.run, limit=LEAST),
            watched("review", self.review.run, limit=OPENING),
            watched("quarantine", releases.run, limit=LEAST),
        ]
        if any(line.parts.on for line in self.settings.line):
            threads.append(watched("parts", PartDeadlines(self.spool).run, limit=LEAST))
        threads += [watched(name, run, limit=LEAST) for name, run in self.machine.bodies().items()]
        for source in self.settings.source:
            alarm = partial(self.spool.alarm, about=source.name)
            count = partial(self._counted, source.name)
            hooks = SourceHooks(self.accept, self.refused, alarm, self.spool.remember, self.triggers, count)
            body = source.make_source(hooks)
            self.sources[source.name] = body
            threads.append(watched(f"source-{source.name}", body.run, limit=LEAST, may_end=source.ends))
        changes = camera_changes(self.settings.recipe, self.recipes, self.sources, self.spool)
        threads += [watched(f"recipe-{name}", change.run, limit=OPENING) for name, change in changes.items()]
        return threads

    def start(self) -> None:
        """Recover what an earlier process left, then start every thread."""
        self._have_key()
        self.review.number_frames(self.spool)
        for runner in self.runners.values():
            runner.recover()
        for name in self.runners:
            with contextlib.suppress(DecoderError):  # the first frame says it, and waits
                self._decoders[f"edge-{name}"].warm()
        for thread in self.threads:
            thread.start()
        log.info("station started", lines=list(self.runners), **self.spool.depth())

    def _have_key(self) -> None:
        """A key that signs evidence is made at the first start. Without one the lines judge all the same."""
        try:
            SigningKeys(self.settings.station.data, self.audit).ensure("station", "station")
        except AuditError as e:
            log.error("no key that signs evidence", error=str(e))
            self.tell("audit", str(e), about="audit")

    def stop(self) -> None:
        """Finish what is under way and close; frames without a verdict stay in the spool."""
        self._stopping.set()
        for runner in self.runners.values():
            runner.abort()
        until = time.monotonic() + _STOP
        hanging = [t.name for t in self.threads if t.alive and not t.join(max(0.0, until - time.monotonic()))]
        closing = threading.Thread(target=self._close, name="saec-closing", daemon=True)
        closing.start()  # a thread of its own, since it waits for a thread that hangs in the spool
        closing.join(_CLOSE)
        if closing.is_alive():
            hanging.append("closing")
        event = "station stopped, but threads hang" if hanging else "station stopped"
        (log.error if hanging else log.info)(event, hanging=hanging)

    def _close(self) -> None:
        """What a thread that hangs may still use is left to it: the process ends soon."""
        left = {thread.name for thread in self.threads if thread.alive}
        self._close_decoders(left)
        for name, runner in self.runners.items():
            if f"edge-{name}" not in left:
                runner.close()
        for sink in self.sinks.values():
            sink.close()
        self.review.close()
        self.spool.close()

    def _close_decoders(self, left: Collection[str] = ()) -> None:
        """After the threads, so that no frame is found guilty of an end that was wanted."""
        for name, decoder in self._decoders.items():
            if name not in left:
                decoder.close()
        self._spares.close()

    # frames in

    def accept(self, frame: NewFrame, data: bytes, begun: float | None = None) -> Receipt:
        """Take a frame over; when this returns it is on the disk and will be judged.

        Args:
            begun: when it arrived, seconds of perf_counter, from which its deadline counts; None is now.

        Raises:
            SpoolFullError: there is no room; it is counted, and raises one alarm a spell.
            SpoolError: the key was used for another image, or no trigger waits for the picture.
        """
        begun = time.perf_counter() if begun is None else begun
        try:
            accepted = self.machine.accept(frame, data, begun)
        except SpoolFullError as e:
            self.refused(frame.source, str(e))
            raise
        with self._lock:
            self._full.discard(frame.source)
        if not accepted.duplicate:
            self.runners[frame.line].accepted(accepted.seq, begun)
        return accepted

    def refused(self, source: str, reason: str, kind: str = "refused") -> None:
        """A frame was not taken: counted, and an alarm for the first of a spell, or of a kind of its own.

        Where the disk has no room for that either, it is counted with the next one that finds some.
        """
        log.warning("frame refused", source=source, reason=reason)
        with self._lock:
            self._uncounted[source] += 1
            try:
                self.spool.count(f"refused:{source}", self._uncounted[source])
                self._uncounted[source] = 0
                if kind != "refused" or source not in self._full:
                    self.spool.alarm(kind, f"{source}: {reason}", about=source)
                if kind == "refused":
                    self._full.add(source)
            except sqlite3.OperationalError as e:
                log.error("refused frame not counted", source=source, error=str(e))

    def _counted(self, source: str, what: str, more: int) -> None:
        """Pictures of a source that became no frame; a disk without room for the number costs it alone."""
        try:
            self.spool.count(f"pictures:{source}:{what}", more)
        except sqlite3.OperationalError as e:
            log.error("pictures not counted", source=source, what=what, more=more, error=str(e))

    # threads

    def _identify(self, stopping: Stopping) -> None:
        """Keep knowing who the cloud's models are; where one is another, the lines are opened anew."""
        watch = AddressWatch(lambda kind, text, about: self.tell(kind, text, about=about))
        while not stopping.is_set():
            changed = self._clouds.identify(stopping.turn)
            if changed:
                log.info("cloud models found", models=changed)
                for runner in self.runners.values():
                    runner.reopen()
            watch.look(address_figures(self.runners.values()))
            stopping.wait(_IDENTIFY)

    def _expire(self, frame: SpooledFrame) -> None:
        self.runners[frame.line].expire(frame)

    def _failed(self, name: str, error: BaseException) -> None:
        log.error("thread failed", thread=name, error=repr(error), exc_info=error)
        self.tell("thread", f"{name}: {error!r}", about=name)

    def tell(self, kind: str, text: str, *, about: str = "") -> None:
        """Raise an alarm from wherever it is noticed; what fails then is the alarm alone."""
        try:
            self.spool.alarm(kind, text, about=about)
        except Exception as e:  # the spool itself is what fails; the log has said so
            log.error("alarm not stored", kind=kind, text=text, error=repr(e))

    # what is asked of it

    def status(self) -> dict[str, Any]:
        """The state of everything, plain values."""
        return {
            "station": self.settings.station.name,
            "started": self.started,
            "uptime_s": time.time() - self.started,
            "spool": self.spool.depth(),
            "storage": self.spool.quota.status(),
            "counters": self.spool.counters(),
            "sources": {name: source.state for name, source in self.sources.items()},
            "sinks": {name: worker.status() for name, worker in self.delivery_workers.items()},
            **self.machine.status(),
            "lines": {name: runner.status() for name, runner in self.runners.items()},
            "warm": self.warm.status(),
            "review": msgspec.to_builtins(self.review.states),
            "threads": {one.name: one.status() for one in self.living},
            "cloud": None if self.settings.cloud is None else shown_list(self.settings.cloud.model),
            "addresses": msgspec.to_builtins(address_figures(self.runners.values())),
        }

    def states(self) -> dict[str, dict[str, Any]]:
        """What may be absent while the station works: sources, sinks and links. Never waits.

        Open to everybody, so without the words of those at the other end.
        """
        keys = ("state", "waiting", "oldest_s", "dead")
        sinks = {name: worker.status() for name, worker in self.delivery_workers.items()}
        return {
            "sinks": {name: {key: status[key] for key in keys} for name, status in sinks.items()},
            "sources": {name: source.state for name, source in self.sources.items()},
            **self.machine.states(),
            "links": {name: runner.link for name, runner in self.runners.items()},
        }

    def stuck(self) -> list[StuckThread]:
        """Threads without progress, which only a new process can help. Never waits."""
        return stuck_threads(self.living)

    def watch(self) -> list[StuckThread]:
        """The same, for who ends the process where a thread is stuck. Where it is the disk that hangs, no
        frame is put down as the cause."""
        found = self.stuck()
        if found and self.probe.under_way >= _SLOW:
            for runner in self.runners.values():
                runner.excuse()
        return found

    def problems(self) -> list[str]:
        """Why the station is not ready, one sentence each; nothing when it is. Never waits.

        A source that has come to its end is no problem; a link that is down or a camera that is lost is none
        either: the rest goes on. A receiver that is away is one after a stated time (``late_s`` of its sink).
        Whether the spool works is asked of ``probe``.
        """
        found = [problem for thread in self.threads if (problem := thread.problem()) is not None]
        found += [one.what for one in stuck_threads(one for one in self.living if one not in self.threads)]
        for name, source in self.sources.items():
            if source.state == HANGS:
                found.append(f"source {name} hangs in its driver; if it stays so, restart the station")
        found += [late for worker in self.delivery_workers.values() if (late := worker.problem()) is not None]
        found += [waiting for runner in self.runners.values() if (waiting := runner.problem())]
        return [*filter(None, [self.spool.damage.reason]), *found, *self.housekeeping.orphans.problems()]
