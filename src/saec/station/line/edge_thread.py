"""A frame's way at the edge of a station: taken, loaded, assessed, routed; its verdict or question written.

One thread of a line goes this way, frame by frame; it reads down this file. The replay loads and assesses a
frame by the same functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import structlog

from saec.errors import is_transient
from saec.frame.assessment import (
    Assessment,
    DecodedFrame,
    DecodeImage,
    EncodedFrame,
    assess,
    decide_frame,
    decode_frame,
    measure_complexity,
)
from saec.frame.frame_region import region_frame, seen_in_picture
from saec.frame.frame_spans import record_edge
from saec.frame.shared_dispatch import SharedDispatch
from saec.frame.verdicts import ADVISORY, edge_verdict, fallback_verdict
from saec.station.line.arrivals import Arrival, Arrivals
from saec.station.line.cloud_thread import CloudThread
from saec.station.line.crash_marker import CrashMarker
from saec.station.line.exclusive_lock import ExclusiveLock, NotAloneError
from saec.station.line.frame_failures import FrameFailures, StoppedLineError
from saec.station.line.opened_version import OpenedVersion
from saec.station.line.verdict_writer import VerdictWriter
from saec.station.line.version_switch import ColdVersionError, VersionSwitch
from saec.station.parts.code_reader import CodeReader
from saec.station.recipes.code_recipes import CodeRecipes
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.database.damage import is_damage
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.tracing.tracers import trace_of
from saec.types import DEFECT, Pending, Source
from saec.web.program.logs import logged_trace

_ALONE_WITHIN = 0.2
"""Seconds for which a suspect waits for the other lines' frames to end; they wait as long for it."""

_IDLE = 0.2


def load_frame(
    frame: SpooledFrame, path: Path, begun: float, *, bits: int, decode: DecodeImage
) -> DecodedFrame:
    """Read and decode a frame of the spool.

    Args:
        frame: the frame's row.
        path: the frame's image in the spool.
        begun: when the frame was accepted, seconds of ``time.perf_counter``.
        bits: significant bits of a 16-bit image.
        decode: where its bytes are decoded.

    Raises:
        ImageError: the file is no image.
        DecoderError: what became of the decoder.
        OSError: the file cannot be read.
    """
    start = time.perf_counter()
    data = path.read_bytes()
    ms = {"read": (time.perf_counter() - start) * 1e3, "wait": (start - begun) * 1e3}
    source = Source(id=frame.id, path=str(path), part=frame.part)
    encoded = EncodedFrame(source, data, frame.sha256, frame.captured, begun, ms)
    return decode_frame(encoded, bits=bits, decode=decode, name=frame.id)  # its path tells nobody


def assess_guarded(decoded: DecodedFrame, version: OpenedVersion) -> tuple[DecodedFrame, Assessment]:
    """A frame with its complexity, and what the edge of a version makes of it.

    Returns:
        the frame with the pixels that were judged, those of the version's region; and the assessment, whose
        map and boxes are in pixels of the picture.

    Raises:
        GuardError: it is no fair picture.
        ImageError: the version's region does not lie in it.
        Exception: whatever the detector raises on it.
    """
    judges, region = version.judges, version.key.region
    frame = measure_complexity(region_frame(decoded, region), judges.complexity)
    version.guard.check(frame.image)
    seen = assess(frame, judges.detector, judges.rules, crops=judges.crops)
    return frame, seen_in_picture(seen, region)


@dataclass(frozen=True, slots=True, eq=False)
class EdgeTools:
    """What the edge's thread of a line works with.

    Attributes:
        spool: holds the line's frames.
        arrivals: the frames that wait for the edge.
        versions: the versions that judge.
        dispatch: what is known of the cloud.
        questions: takes the frames that the cloud is to be asked about.
        writer: takes the verdicts.
        failures: decides what becomes of frames that cannot be judged.
        marker: notes which frame is under way.
        lock: taken for each frame, shared with all lines.
        pictures: keeps pictures of frames with their maps.
        decode: decodes a frame's bytes.
        retry: called at each turn; writes what could not be written before.
        codes: reads the part's id in pictures; None where the line asks for none.
        code_recipes: chooses recipes by these codes; None where the line does not ask for that.
        stopped: says why the line judges nothing but golden parts, one sentence; "" while it judges.
    """

    spool: Spool
    arrivals: Arrivals
    versions: VersionSwitch
    dispatch: SharedDispatch
    questions: CloudThread
    writer: VerdictWriter
    failures: FrameFailures
    marker: CrashMarker
    lock: ExclusiveLock
    pictures: RecentPictures
    decode: DecodeImage
    retry: Callable[[], None]
    codes: CodeReader | None = None
    code_recipes: CodeRecipes | None = None
    stopped: Callable[[], str] = lambda: ""


class EdgeThread:
    """Judges the frames of one line at the edge.

    Args:
        line: its settings.
        tools: what the thread works with.
    """

    def __init__(self, line: LineSettings, tools: EdgeTools) -> None:
        self._line, self._tools = line.name, tools
        self._turn: Callable[[], None] = lambda: None
        self._unread = False  # the code of the last frame, so of a spell
        self._log = structlog.get_logger().bind(line=line.name)

    def run(self, stopping: Stopping) -> None:
        """A thread's body: judge what is accepted, what can be in time first."""
        tools, self._turn = self._tools, stopping.turn
        while not stopping.is_set():
            tools.retry()
            arrival = tools.arrivals.next(_IDLE)
            if arrival is None:
                continue
            start = time.perf_counter()
            try:
                self.take(arrival)
            except NotAloneError:
                tools.arrivals.retry(arrival)
            except ColdVersionError as e:
                tools.arrivals.park(e.key, arrival)
                tools.versions.want(e.key)
            except Exception as e:
                self._set_aside(arrival, e)
            else:
                tools.failures.machine_works()
            tools.arrivals.observe(time.perf_counter() - start)

    def take(self, arrival: Arrival) -> None:
        """Judge one frame, and note on the disk meanwhile that it is under way."""
        tools = self._tools
        frame = tools.spool.frame(arrival.seq)
        if frame is None or frame.state != "accepted":
            return
        tools.marker.begin(frame.seq)
        try:
            with logged_trace(trace_of(frame.id, frame.sha256, frame.captured)):
                self.judge(frame, arrival.begun, suspect=arrival.suspect)
        finally:
            tools.marker.end()

    def judge(self, frame: SpooledFrame, begun: float, *, suspect: bool = False) -> None:
        """The edge's part of one frame, accepted at ``begun``.

        Its bytes are decoded in a process of its own. All else is done here: for a suspect while no other
        line is at work, so that what ends this process meanwhile is known to be its doing.

        Raises:
            ColdVersionError: the version that judges it is not open; the frame is to wait for it.
            Exception: a transient one; the frame is to be judged again.
        """
        tools, problem, name = self._tools, "", str(self._tools.spool.folder / frame.image)
        number = ""
        try:
            self._refuse_while_stopped(frame)
            frame = self._choose_by_code(frame, begun, suspect)
            version = tools.versions.for_edge(frame)
            number, judges = str(version.number), version.judges
            path = tools.spool.path(frame)
            decoded = load_frame(frame, path, begun, bits=judges.bits, decode=tools.decode)
            self._turn()  # decoding alone may have taken long
            with self._locked(frame, suspect):
                self._turn()
                frame, decoded, problem = self._name_part(frame, decoded)
                measured, seen = assess_guarded(decoded, version)
                state = tools.dispatch.state(begun)
                pending = decide_frame(measured, seen, judges.policy, state, frame.seq)
        except Exception as e:
            if is_transient(e) or isinstance(e, NotAloneError | ColdVersionError):
                raise
            tools.failures.failed(frame, name, begun, e, version=number)
            self._tell_unread(frame, problem)
            return
        record_edge(pending, seen.end)
        tools.failures.judged()
        picture = self._write(frame, version, pending)
        self._tell_unread(frame, problem)
        if picture is not None:
            self._keep_picture(picture, decoded, seen, judges.rules.calibration.threshold)
        if suspect:
            tools.spool.attempts.clear(frame.seq)
        if not frame.challenge:
            self._watch_drift(version, seen)
            tools.versions.judge_as_shadow(frame, measured.image, seen.opinion, version.key)

    def _refuse_while_stopped(self, frame: SpooledFrame) -> None:
        if not frame.challenge and (why := self._tools.stopped()):
            raise StoppedLineError(why, "let a challenge pass, or have an engineer override it")

    def _choose_by_code(self, frame: SpooledFrame, begun: float, suspect: bool) -> SpooledFrame:
        """A frame whose recipe the code in its picture has chosen, where the line asks for that.

        Which version judges is not known before, so the picture is decoded for the code alone.
        """
        tools = self._tools
        if tools.code_recipes is None or not tools.code_recipes.decide(frame):
            return frame
        bits = tools.versions.current.judges.bits
        decoded = load_frame(frame, tools.spool.path(frame), begun, bits=bits, decode=tools.decode)
        self._turn()
        with self._locked(frame, suspect):
            return tools.code_recipes.chosen(frame, decoded.image)

    def _name_part(
        self, frame: SpooledFrame, decoded: DecodedFrame
    ) -> tuple[SpooledFrame, DecodedFrame, str]:
        """A frame with its part's id, read in the picture where nothing else gives it, and what was wrong."""
        if self._tools.codes is None or frame.part:
            return frame, decoded, ""
        start = time.perf_counter()
        read = self._tools.codes.read(decoded.image)
        ms = {**decoded.ms, "code": (time.perf_counter() - start) * 1e3}
        source = msgspec.structs.replace(decoded.source, part=read.part)
        named = msgspec.structs.replace(frame, part=read.part)
        return named, replace(decoded, source=source, ms=ms), read.problem

    def _tell_unread(self, frame: SpooledFrame, problem: str) -> None:
        """After the verdict: count a frame whose code was not read; the first of a spell raises an alarm."""
        if problem:
            self._tools.spool.count(f"unread:{self._line}")
            if not self._unread:
                text = f"{self._line}: a frame was judged without its part's id: {problem}"
                self._tools.spool.alarm("code-unread", text, frame.id, self._line)
        self._unread = bool(problem)

    @contextmanager
    def _locked(self, frame: SpooledFrame, suspect: bool) -> Iterator[None]:
        tools = self._tools
        if not suspect:
            with tools.lock.shared(self._turn):
                yield
            return
        with tools.lock.alone(_ALONE_WITHIN):
            tools.marker.begin(frame.seq, alone=True)
            try:
                yield
            finally:
                tools.marker.begin(frame.seq)  # what follows are writes: the disk's time, not the frame's

    def _write(self, frame: SpooledFrame, version: OpenedVersion, pending: Pending) -> str | None:
        """Write the verdict, or the question to the cloud; the name of the picture, if one is wanted."""
        tools, rules, number = self._tools, version.judges.rules, str(version.number)
        at_edge = pending.route.decision == "edge"
        picture = tools.pictures.name(frame, wanted=not at_edge or pending.edge.label == DEFECT)
        pending = msgspec.structs.replace(pending, map=picture)
        blob = msgspec.json.encode(pending)
        if at_edge:
            tools.writer.write(pending, edge_verdict(pending, rules), edge=blob, version=number)
        elif rules.role == "advisory":
            verdict = fallback_verdict(pending, rules, ADVISORY)
            tools.writer.write(pending, verdict, edge=blob, version=number)
        else:
            tools.spool.ask(frame.seq, blob, number)
            waiting = msgspec.structs.replace(pending, since=time.perf_counter())
            tools.questions.send(waiting, version)
        return picture

    def _keep_picture(self, name: str, frame: DecodedFrame, seen: Assessment, threshold: float) -> None:
        """Keep a picture for the page; a full disk is no reason to stop judging."""
        try:
            self._tools.pictures.keep(name, frame.image, seen.opinion, threshold)
        except OSError as e:
            self._log.warning("anomaly picture not saved", frame=frame.source.id, error=str(e))

    def _watch_drift(self, version: OpenedVersion, seen: Assessment) -> None:
        before = version.drift.state.alarm
        state = version.drift.update(seen.opinion.score)
        if before is None and state.alarm is not None:
            self._tools.spool.alarm("drift", f"{self._line}: {state.sentence()}", about=self._line)

    def _set_aside(self, arrival: Arrival, error: Exception) -> None:
        """It was not judged: it comes again, unless its record lies in a damaged page; the others go on.

        Raises:
            Exception: the error itself, where it is not one that passes.
        """
        if is_damage(error):  # it waits for the repair
            self._log.error("frame not judged", seq=arrival.seq, error=str(error))
            return
        self._tools.arrivals.retry(arrival)
        if not is_transient(error):
            raise error
        self._tools.failures.postpone(arrival.seq, error)
