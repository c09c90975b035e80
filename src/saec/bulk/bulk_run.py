"""A bulk run: an archive is listed, judged at the edge, then by the cloud, into a run folder like any other.

    list -> list of work -> edge workers -+-> verdict
                                          +-> index: waits for the cloud -> cloud workers -> verdict

The driver is the only writer. A frame is done when its answer is here, whoever was to bring it. What comes
twice is dropped, and what is missing when the engine has ended is given out again, a frame at a time. So each
frame has one verdict whatever dies, and a driver that dies is resumed from what its folder holds.

The cloud begins when the edge has ended. All of its batches are then full but the last one, and neither stage
keeps the other's processors or GPUs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from saec.bulk.archive.archive_listing import archive_root, list_archive
from saec.bulk.archive.listed_frames import ListedFrame
from saec.bulk.bulk_engine import BulkEngine, Stage, StartEngine
from saec.bulk.bulk_estimate import frame_cost
from saec.bulk.bulk_judges import BulkOrder, CloudRow, EdgeRow, RowAnswer, bulk_order
from saec.bulk.bulk_writer import BulkWriter
from saec.bulk.work_list import WorkList
from saec.data.images.file_names import RENAME, is_utf8
from saec.data.input_images import Inputs
from saec.decoding import decode, decoder
from saec.errors import ConfigError, DataError, EndedError, ImageError
from saec.frame.judges import Cloud, Judges, warm_up
from saec.frame.verdicts import CLOUD_ERROR, error_verdict, fallback_verdict
from saec.profile import LineProfile
from saec.runs.description import now
from saec.runs.metering.run_meter import RunMeter, phase_readings
from saec.runs.resumption import continued_run
from saec.runs.run_folder import Options, counted, images_of_line, line_of_run, loaded_run
from saec.runs.run_record import VERDICTS_FILE, RunInfo, write_run
from saec.runs.standing_counts import StandingCounts
from saec.schedule.policies import policy_kind, policy_names
from saec.settings import BulkConfig
from saec.types import VerdictRecord

LAYOUT = "archive"
_FEW = 1000
"""As many frames may be lost at the first attempt; of more it must be fewer than a tenth."""


@dataclass(frozen=True, kw_only=True)
class BulkCalls:
    """What is called during a bulk run.

    Attributes:
        tell: takes a sentence for the user, such as the estimate.
        begin: is told how many frames will get a verdict.
        stop: set it to end the run early; the folder can be resumed.
    """

    tell: Callable[[str], None] = lambda text: None
    begin: Callable[[int], None] = lambda frames: None
    stop: threading.Event | None = None


def judge_archive(
    profile: LineProfile,
    archive: str,
    out: Path,
    *,
    start: StartEngine,
    cloud: Cloud | None = None,
    options: Options | None = None,
    bulk: BulkConfig | None = None,
    calls: BulkCalls | None = None,
) -> Generator[VerdictRecord, None, RunInfo]:
    """Judge an archive into a run folder; yields each verdict after it is written, returns ``run.json``.

    Args:
        profile: the line; its folder must be reachable by all workers.
        archive: see ``list_archive``.
        out: the run folder; made, or gone on with under ``options.resume``.
        start: starts what carries the frames, ``saec.bulk.ray_engine.ray_started``.
        cloud: the cloud model, or None for the edge alone.
        options: the policy must be one that looks at each frame alone; there is no deadline.

    Raises:
        ConfigError: settings that a bulk run cannot have, or ``out`` holds another run.
        DataError: the archive cannot be listed, or holds no image.
        EndedError: the engine ended; the folder can be resumed.
    """
    options, bulk, calls = options or Options(), bulk or BulkConfig(), calls or BulkCalls()
    check_options(options)
    options = replace(options, config=msgspec.structs.replace(options.config, maps=False))
    if next(list_archive(archive, bulk.parquet_column), None) is None:
        raise DataError(f"{archive} holds no image to judge", "check the path or the pattern")
    under, notes = line_of_run(profile, options)
    inputs = Inputs(root=archive_root(archive), layout=LAYOUT, split="", sources=[])
    course = RunMeter(options.metering, out)
    with course.open() as meter:
        with meter.phase("loading"):
            judges, info = loaded_run(under, inputs, cloud, options, notes)
        old = continued_run(out, info, resume=options.resume)
        course.rest(meter, calls.stop)
        with BulkWriter(out, retry_errors=options.retry_errors) as writer:
            starts = [1] if old is None else [*old.starts, writer.last + 1]
            info = msgspec.structs.replace(info, starts=starts)
            write_run(out, info)
            run = _BulkRun(out, judges, writer, options, bulk, calls)
            order = bulk_order(
                under, judges, None if cloud is None else cloud.config, explain=options.config.explain
            )
            del judges
            with run.work:
                with meter.phase("warm-up"):
                    yield from run.prepare(archive, order)
                if cloud is not None:
                    cloud.release()  # workers have the memory, and the GPU
                with meter.phase("run"):
                    yield from run.judged(start, order)
            complete = run.complete
    stopped = calls.stop is not None and calls.stop.is_set()
    ended = "" if stopped and not complete else now()
    info = msgspec.structs.replace(info, ended=ended, meter=phase_readings(meter, resumed=old is not None))
    info = counted(info, StandingCounts.of(out / VERDICTS_FILE, images_of_line(profile), None))
    write_run(out, info)
    return info


def check_options(options: Options) -> None:
    """Refuse what needs the frames one after another, or at a certain time.

    Raises:
        ConfigError: it names what works.
    """
    kind, config = policy_kind(options.policy), options.config
    if not kind.memoryless or kind.first_pass is not None:
        works = [name for name in policy_names() if policy_kind(name).memoryless]
        what, leave = f"policy {options.policy}", ""
        if options.budget.share is not None:
            what = f"--budget {options.budget.share:g} (policy {options.policy})"
            leave = "leave --budget out and "
        elif kind.presets:
            what, leave = f"policy {options.policy} (or its --preset)", "leave --preset out and "
        raise ConfigError(
            f"{what} decides by the frames before, and a bulk run judges them in no order",
            f"{leave}use one of {', '.join(works)}, or run without --engine ray",
        )
    for name, value in (("deadline_s", config.deadline_s), ("waiting", config.waiting)):
        if value is not None:
            raise ConfigError(
                f"{name} cannot be used in a bulk run, where frames wait for nothing but their turn",
                "leave it out, or run without --engine ray",
            )


class _BulkRun:
    """One part of a bulk run, between its lists of work and its writer."""

    def __init__(
        self,
        out: Path,
        judges: Judges,
        writer: BulkWriter,
        options: Options,
        bulk: BulkConfig,
        calls: BulkCalls,
    ) -> None:
        self._out, self._judges, self._writer = out, judges, writer
        self._options, self._bulk, self._calls = options, bulk, calls
        self._stop = calls.stop or threading.Event()
        self.work = WorkList(out / "edge.work", bulk.task_frames)
        self._rules, self._batch = judges.rules, judges.batch
        self._waiting = 0

    @property
    def complete(self) -> bool:
        """Whether each frame has its verdict, and none waits for the cloud."""
        return not self.work.left and not self._writer.index.waiting_count()

    # before the engine starts

    def prepare(self, archive: str, order: BulkOrder) -> Iterator[VerdictRecord]:
        """List the archive and measure a few frames; a name that no log can hold has its verdict at once."""
        total = 0
        for frame in list_archive(archive, self._bulk.parquet_column):
            total += 1
            error = _fault(frame)
            if error is None:
                self._enlist(EdgeRow(len(self.work), frame))
            else:
                yield from self._written(self._failed(EdgeRow(0, frame), error, "read"), frame.stamp)
        self.work.close()
        self._waiting = self._writer.index.waiting_count()
        self._calls.begin(len(self.work) + self._waiting)
        if known := total - len(self.work) - self._waiting:
            self._calls.tell(f"{known:,} of {total:,} frames have their verdict already")
        warm_up(self._judges)
        rows = self.work.sample(self._bulk.estimate_frames)
        self._cost = frame_cost(order, self._judges, rows, self._options.metering, self._out)
        del self._judges

    def _enlist(self, row: EdgeRow) -> None:
        """Put a frame on the list of work, unless it has its verdict or waits for the cloud."""
        frame, index = row.frame, self._writer.index
        known = index.known(frame.path)
        if frame.stamp and any(one.stamp == frame.stamp for one in known):
            return
        if index.asked_stamp(frame.path) == frame.stamp:
            return
        if known:
            hashes = tuple(one.sha256 for one in known)
            row = EdgeRow(row.number, msgspec.structs.replace(frame, known=hashes))
        self.work.add(msgspec.json.encode(row))

    # with the engine

    def judged(self, start: StartEngine, order: BulkOrder) -> Iterator[VerdictRecord]:
        """The verdicts of both stages."""
        if not self.work.left and not self._waiting:
            return
        with start(order) as engine:
            if self._cost is not None:
                workers = engine.workers("edge"), engine.workers("cloud")
                self._calls.tell(self._cost.sentence(len(self.work), self._waiting, *workers))
            yield from self._edge(engine)
            if not self._stop.is_set():
                yield from self._cloud(engine)

    def _edge(self, engine: BulkEngine) -> Iterator[VerdictRecord]:
        for answer in self._answers(engine, "edge", self.work):
            frame = answer.frame
            if answer.verdict is not None:
                yield from self._written(answer.verdict, frame.stamp)
            elif answer.pending is not None:
                row = CloudRow(0, frame, answer.pending)
                self._writer.ask(frame.path, frame.stamp, msgspec.json.encode(row))
        for data in self._lost(self.work):
            lost = decode(data, EdgeRow)
            yield from self._written(self._failed(lost, _WORKER_ENDED, "edge"), lost.frame.stamp)

    def _cloud(self, engine: BulkEngine) -> Iterator[VerdictRecord]:
        self._writer.commit()
        with WorkList(self._out / "cloud.work", self._batch) as work:
            for data in self._writer.index.waiting():
                row = decode(data, CloudRow)
                work.add(msgspec.json.encode(CloudRow(len(work), row.frame, row.pending)))
            work.close()
            if not work.left:
                return
            self._calls.tell(f"the cloud is asked about {len(work):,} frames")
            for answer in self._answers(engine, "cloud", work):
                if answer.verdict is not None:
                    yield from self._written(answer.verdict, answer.frame.stamp)
            for data in self._lost(work):
                row = decode(data, CloudRow)
                verdict = fallback_verdict(row.pending, self._rules, CLOUD_ERROR, _WORKER_ENDED)
                yield from self._written(verdict, row.frame.stamp)

    def _answers(self, engine: BulkEngine, stage: Stage, work: WorkList) -> Iterator[RowAnswer]:
        """The first answer to each row. What the first attempt has lost is given out a frame at a time."""
        read = decoder(RowAnswer).decode
        for pages in (work.pages, work.rest):
            if not work.left or self._stop.is_set():
                return
            with closing(engine.answers(stage, work.path, pages())) as answers:
                for data in answers:
                    answer = read(data)
                    if work.mark(answer.number):
                        yield answer
                    if self._stop.is_set():
                        return
            if work.left > max(_FEW, len(work) // 10):
                break
        if work.left == len(work) > 1 or work.left > max(_FEW, len(work) // 10):
            raise EndedError(
                f"{work.left:,} of {len(work):,} frames have no answer: workers end again and again",
                "read Ray's log of a worker, then run again with --resume",
            )

    def _lost(self, work: WorkList) -> Iterator[bytes]:
        """The rows whose workers ended each time."""
        if not self._stop.is_set() and work.left:
            yield from (row for _, row in work.undone())

    def _written(self, verdict: VerdictRecord, stamp: str) -> Iterator[VerdictRecord]:
        written = self._writer.add(verdict, stamp)
        if written is not None:
            yield written

    def _failed(self, row: EdgeRow, error: Exception, stage: str) -> VerdictRecord:
        return error_verdict(row.frame.source, self._rules.line, error, stage=stage)


def _fault(frame: ListedFrame) -> ImageError | None:
    """Why a frame cannot be given out."""
    if not is_utf8(frame.path + frame.id):
        return ImageError("the file name is not valid UTF-8", RENAME)
    return ImageError(frame.fault) if frame.fault else None


_WORKER_ENDED = EndedError(
    "the process that judged this frame ended each time", "look at the file, or leave it out"
)
