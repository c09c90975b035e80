"""The station: sources to spool, edge, cloud and sinks, all in one process, and left alone for months."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from saec.connecting import shown
from saec.errors import SpoolFullError
from saec.station.clouds import Clouds
from saec.station.delivery import Courier
from saec.station.keeping import HouseKeeping
from saec.station.line.editions import CloudFor
from saec.station.line.runner import LineRunner
from saec.station.line.versions import VersionStore
from saec.station.settings import Settings
from saec.station.sinks import open_sink
from saec.station.sinks.contract import VerdictSink
from saec.station.sources import open_source
from saec.station.sources.contract import SourceBody
from saec.station.storage.pictures import Pictures
from saec.station.storage.records import Accepted, Held, NewFrame
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping, Watched

_IDENTIFY = 15.0
_STOP = 20.0

log = structlog.get_logger()


class Station:
    """Everything of one settings file.

    Args:
        settings: checked already.
        cloud_for: opens the cloud for a model's name; None connects to the settings' service.

    Raises:
        SaecError: a profile cannot be opened, or the spool belongs to another process.
    """

    def __init__(self, settings: Settings, *, cloud_for: CloudFor | None = None) -> None:
        self.settings = settings
        data = settings.station.data
        self.spool = Spool(data, [sink.name for sink in settings.sink], settings.spool)
        self.pictures = Pictures(data / "maps")
        self.started = time.time()
        self._clouds = Clouds(settings.cloud, data / "clouds")
        self._stopping = Stopping()
        self._full: set[str] = set()
        self._uncounted: Counter[str] = Counter()
        self._lock = threading.Lock()
        try:
            self.runners = self._open_lines(cloud_for or self._clouds)
            self.sinks: dict[str, VerdictSink] = {s.name: open_sink(s) for s in settings.sink}
            self.couriers = {
                s.name: Courier(s, self.sinks[s.name], self.spool.outbox, self.spool.alarm)
                for s in settings.sink
            }
            self.sources: dict[str, SourceBody] = {}
            self.keeping = HouseKeeping(
                self.spool,
                settings.retention,
                [line.name for line in settings.line],
                self._expire,
                backlogs=[courier.keep_within for courier in self.couriers.values()],
            )
            self.threads = self._make_threads()
        except BaseException:
            self.spool.close()
            raise

    def _open_lines(self, cloud_for: CloudFor) -> dict[str, LineRunner]:
        runners, cloud = {}, self.settings.cloud
        for line in self.settings.line:
            versions = VersionStore(self.settings.station.data / "lines" / line.name)
            if not (versions.folder / "state.json").is_file():
                versions.add(line.profile, time=datetime.now(UTC).isoformat(timespec="seconds"))
            runners[line.name] = LineRunner(
                line,
                self.spool,
                versions,
                cloud_for=cloud_for,
                batch=cloud.batch if cloud is not None else 1,
                pictures=self.pictures,
            )
        return runners

    def _make_threads(self) -> list[Watched]:
        bodies: list[tuple[str, Callable[[Stopping], None]]] = []
        for name, runner in self.runners.items():
            bodies += [
                (f"edge-{name}", runner.run_edge),
                (f"cloud-{name}", runner.asking.run),
                (f"versions-{name}", runner.editions.run),
                (f"deadlines-{name}", lambda _, desk=runner.desk: desk.watch()),  # type: ignore[misc]
            ]
        bodies += [(f"sink-{name}", courier.run) for name, courier in self.couriers.items()]
        bodies += [("retention", self.keeping.run), ("clouds", self._identify)]
        for source in self.settings.source:
            alarm = partial(self.spool.alarm, about=source.name)
            body = open_source(source, self.accept, self.refused, alarm, self.spool.remember)
            self.sources[source.name] = body
            bodies.append((f"source-{source.name}", body.run))
        return [Watched(name, body, self._stopping, self._failed) for name, body in bodies]

    def start(self) -> None:
        """Recover what an earlier process left, then start every thread."""
        for runner in self.runners.values():
            runner.recover()
        for thread in self.threads:
            thread.start()
        log.info("station started", lines=list(self.runners), **self.spool.depth())

    def stop(self) -> None:
        """Finish what is under way and close; frames without a verdict stay in the spool."""
        self._stopping.set()
        for runner in self.runners.values():
            runner.desk.abort()
        hanging = [thread.name for thread in self.threads if thread.alive and not thread.join(_STOP)]
        for sink in self.sinks.values():
            sink.close()
        self.spool.close()
        log.info("station stopped", hanging=hanging)

    # frames in

    def accept(self, frame: NewFrame, data: bytes, begun: float | None = None) -> Accepted:
        """Take a frame over; when this returns it is on the disk and will be judged.

        Args:
            begun: when it arrived, seconds of perf_counter, from which its deadline counts; None is now.

        Raises:
            SpoolFullError: there is no room; it is counted, and raises one alarm a spell.
            SpoolError: the key was used for another image.
        """
        begun = time.perf_counter() if begun is None else begun
        try:
            accepted = self.spool.accept(frame, data)
        except SpoolFullError as e:
            self.refused(frame.source, str(e))
            raise
        with self._lock:
            self._full.discard(frame.source)
        if not accepted.duplicate:
            self.runners[frame.line].accepted(accepted.seq, begun)
        return accepted

    def refused(self, source: str, reason: str) -> None:
        """A frame was not taken: counted, and an alarm for the first of a spell.

        Where the disk has no room for that either, it is counted with the next one that finds some.
        """
        log.warning("frame refused", source=source, reason=reason)
        with self._lock:
            self._uncounted[source] += 1
            try:
                self.spool.count(f"refused:{source}", self._uncounted[source])
                self._uncounted[source] = 0
                if source not in self._full:
                    self.spool.alarm("refused", f"{source}: {reason}", about=source)
                    self._full.add(source)
            except sqlite3.OperationalError as e:
                log.error("refusal not counted yet", source=source, error=str(e))

    # threads

    def _identify(self, stopping: Stopping) -> None:
        """Keep knowing who the cloud's models are; where one is another, the lines are opened anew."""
        while not stopping.is_set():
            changed = self._clouds.identify()
            if changed:
                log.info("cloud identified", models=changed)
                for runner in self.runners.values():
                    runner.editions.reopen()
            stopping.wait(_IDENTIFY)

    def _expire(self, frame: Held) -> None:
        self.runners[frame.line].asking.expire(frame)

    def _failed(self, name: str, error: BaseException) -> None:
        log.error("thread failed", thread=name, error=repr(error), exc_info=error)
        try:
            self.spool.alarm("thread", f"{name}: {error!r}", about=name)
        except Exception as e:  # the spool itself is what fails; the log has said so
            log.error("alarm lost", error=repr(e))

    # what is asked of it

    def status(self) -> dict[str, Any]:
        """The state of everything, plain values."""
        return {
            "station": self.settings.station.name,
            "started": self.started,
            "uptime_s": time.time() - self.started,
            "spool": self.spool.depth(),
            "storage": self.spool.room.status(),
            "counters": self.spool.counters(),
            "sources": {name: source.state for name, source in self.sources.items()},
            "sinks": {name: courier.status() for name, courier in self.couriers.items()},
            "lines": {name: runner.status() for name, runner in self.runners.items()},
            "threads": {t.name: {"alive": t.alive, "failures": t.failures} for t in self.threads},
            "cloud": None if self.settings.cloud is None else shown(self.settings.cloud.url),
        }

    def problems(self) -> Sequence[str]:
        """Why the station is not ready, one sentence each; nothing when it is.

        A source that has come to its end is no problem; a link that is down is none either: the edge
        answers. A receiver that is away is one after a stated time (``late`` of its sink).
        """
        ended = [
            f"thread {t.name} has ended"
            for t in self.threads
            if not t.alive and not t.name.startswith("source-")
        ]
        late = [courier.problem() for courier in self.couriers.values()]
        return [*ended, *self.keeping.strays.problems(), *filter(None, late)]
