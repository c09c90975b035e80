"""Frames in, verdicts out: the threads that carry a frame through the stages.

One way, five steps, each in a thread of its own (OpenVINO, OpenCV and torch release the interpreter
lock, so decoding, edge and cloud truly run at the same time)::

    read, decode, complexity -> edge, route -> pictures -+-> verdict
                                                         +-> waiting list -> decode again -> cloud -> verdict

What is bounded, and who waits for whom:

- Decoded frames stand in bounded queues between decode, edge and pictures, so these three go at the
  pace of the slowest of them and memory does not grow with the number of frames.
- The edge never waits for the cloud. A frame that is sent there gives up its pixels: the waiting
  list keeps its path and the edge's opinion, a few hundred bytes, the first thousand in memory and the
  rest in a temporary file. Its file is decoded again when its turn comes, at most two batches ahead of
  the cloud. So a slow cloud, even a stuck one, delays no verdict of the edge and holds no memory.
- With ``RunConfig.waiting`` at most so many frames wait; the policy is told (``CloudState``) and answers
  "busy" at the edge. The default is no bound: then the routes depend on the frames alone, not on
  timing, and a run that was interrupted and resumed gives the labels of one that was not.
- With ``RunConfig.deadline`` every frame has a verdict by then. A policy turns back what the cloud is not
  expected to answer in time, and what waits when its deadline comes gets the edge's provisional answer
  from a sixth thread (``dispatch``); it keeps its place, and a late answer of the cloud gives a second, final
  verdict. While the link is down nothing is asked but one frame after each rest (``schedule.link``).

What goes wrong with a frame stays with it: any exception in a stage gives an error verdict, and a cloud
that fails on a frame leaves the edge's answer as a provisional verdict. Verdicts come in the order in
which they are made: the edge's in the order of the sources, the cloud's when they arrive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from saec.frame.assessment import (
    DecodedFrame,
    assess,
    decide_frame,
    decode_frame,
    measure_complexity,
    read_frame,
)
from saec.frame.channels import AbortedError, Channel
from saec.frame.cloud_questions import ask_cloud, make_query, with_wait
from saec.frame.frame_spans import record_edge, record_verdict, traced_verdict
from saec.frame.judges import Judges
from saec.frame.shared_dispatch import SharedDispatch
from saec.frame.verdicts import (
    CLOUD_ERROR,
    NO_CLOUD,
    OVERDUE,
    answer_times,
    edge_verdict,
    error_record,
    error_verdict,
    fallback_verdict,
)
from saec.runs.metering.stage_spans import SpanLog
from saec.runs.waiting_list import WaitingList
from saec.schedule.link.dispatch import Dispatch
from saec.settings import RunConfig
from saec.types import UNBOUNDED, CloudQuery, EdgeOpinion, Image, Pending, Source, VerdictRecord

Observer = Callable[[Source, Image, EdgeOpinion], str | None]
"""Is shown every frame with the edge's opinion before its verdict; returns the name of a saved picture."""


def run_inspection(
    sources: Iterable[Source],
    judges: Judges,
    config: RunConfig | None = None,
    *,
    known: Collection[tuple[str, str]] = frozenset(),
    observe: Observer | None = None,
    stop: threading.Event | None = None,
    spill: Path | None = None,
    first: int = 1,
    spans: SpanLog | None = None,
) -> Iterator[VerdictRecord]:
    """Judge every source and yield the verdicts as they are made.

    Args:
        sources: read one by one, so that a stream may be endless.
        judges: the edge, the cloud and the rules.
        config: queue lengths and what is done beside judging.
        known: (path, sha256) of files that need no verdict any more, as after a resume.
        observe: called in one thread with each decoded frame, before its verdict is yielded. What it
            raises is noted in the verdict and does not change the label.
        stop: when set, no further source is read; frames on their way at the edge and the batch at the
            cloud still get their verdicts, frames that wait for the cloud do not, unless a deadline
            gives them one.
        spill: folder of the waiting list's temporary file.
        first: number of the first frame; a resumed run goes on counting.
        spans: is told when each stage of each frame was at work.

    Raises:
        Exception: whatever ``sources`` or the run itself raises; never what a single frame causes.
    """
    run = _Run(judges, config or RunConfig(), known, observe, stop or threading.Event(), spill, first, spans)
    threads = [
        threading.Thread(target=run.guard, args=(step,), name=f"saec-{name}", daemon=True)
        for name, step in (
            ("read", lambda: run.read(sources)),
            ("edge", run.edge),
            ("pictures", run.pictures),
            ("fetch", run.fetch),
            ("cloud", run.cloud),
            ("deadlines", run.dispatch.watch_deadlines),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        yield from run.verdicts
    except AbortedError:
        raise (run.failure or RuntimeError("the run was aborted")) from None
    finally:
        run.abort()
        for thread in threads:
            thread.join()
        run.waiting.close_file()


class _Run:
    """The queues of one run and the body of each thread."""

    def __init__(
        self,
        judges: Judges,
        config: RunConfig,
        known: Collection[tuple[str, str]],
        observe: Observer | None,
        stop: threading.Event,
        spill: Path | None,
        first: int,
        spans: SpanLog | None,
    ) -> None:
        self.judges = judges
        self.config = config
        self.known = known
        self.observe = observe
        self.stop = stop
        self.failure: BaseException | None = None
        self.loaded: Channel[Future[DecodedFrame | VerdictRecord | None]] = Channel(config.decode_ahead)
        self.seen: Channel[tuple[DecodedFrame, EdgeOpinion, Pending]] = Channel(config.decode_ahead)
        self.waiting = WaitingList(folder=spill)
        self.seq = first - 1
        self.spans = spans
        self.dispatch = SharedDispatch(_dispatch(judges, config), self._stand_in)
        self.batches: Channel[list[tuple[Pending, CloudQuery]]] = Channel(1)
        self.verdicts: Channel[VerdictRecord] = Channel(1024)

    def guard(self, step: Callable[[], None]) -> None:
        """Run a thread's body; what it raises aborts the run and is raised to the caller."""
        try:
            step()
        except AbortedError:
            return
        except BaseException as e:
            self.failure = e
            self.abort()

    def abort(self) -> None:
        for part in (self.loaded, self.seen, self.waiting, self.batches, self.verdicts, self.dispatch):
            part.abort()

    # read -> decode -> complexity

    def read(self, sources: Iterable[Source]) -> None:
        with ThreadPoolExecutor(self.config.decoders, "saec-decode") as pool:
            for source in sources:
                if self.stop.is_set():
                    break
                self.loaded.put(pool.submit(self._load, source))
        self.loaded.close()

    def _load(self, source: Source) -> DecodedFrame | VerdictRecord | None:
        line, sha256 = self.judges.rules.line, ""
        try:
            encoded = read_frame(source)
            sha256 = encoded.sha256
            if (source.path, sha256) in self.known:
                return None
            return measure_complexity(decode_frame(encoded, bits=self.judges.bits), self.judges.complexity)
        except Exception as e:
            if (source.path, sha256) in self.known:
                return None
            return error_verdict(source, line, e, sha256=sha256, time=time.time(), stage="read")

    # edge -> route

    def edge(self) -> None:
        for future in self.loaded:
            item = future.result()
            del future  # it holds the frame's pixels
            self.seq += item is not None
            if isinstance(item, DecodedFrame):
                self._judge(item)
            elif item is not None:
                self._hand_out(msgspec.structs.replace(item, seq=self.seq), time.perf_counter())
            del item
        self.seen.close()

    def _judge(self, frame: DecodedFrame) -> None:
        line = self.judges.rules.line
        try:
            seen = assess(frame, self.judges.detector, self.judges.rules, crops=self.judges.crops)
            state = self.dispatch.state(frame.begun)
            pending = decide_frame(frame, seen, self.judges.policy, state, self.seq)
        except Exception as e:
            error = error_verdict(
                frame.source,
                line,
                e,
                sha256=frame.sha256,
                time=frame.time,
                seq=self.seq,
                stage="edge",
            )
            self._hand_out(error, frame.begun)
            return
        record_edge(pending, seen.end)
        if self.spans is not None:
            self.spans.edge(self.seq, frame.begun, seen.end, pending.ms)
        if pending.route.decision == "cloud":
            self.dispatch.send()
        self.seen.put((frame, seen.opinion, pending))

    # pictures -> verdict or waiting list

    def pictures(self) -> None:
        for frame, opinion, pending in self.seen:
            pending = self._shown(frame, opinion, pending)
            del frame, opinion
            self._send(pending)
        self.dispatch.close()
        self.waiting.close()

    def _shown(self, frame: DecodedFrame, opinion: EdgeOpinion, pending: Pending) -> Pending:
        if self.observe is None:
            return pending
        try:
            name = self.observe(frame.source, frame.image, opinion)
        except Exception as e:
            return msgspec.structs.replace(pending, problem=error_record(e).message)
        return msgspec.structs.replace(pending, map=name)

    def _send(self, pending: Pending) -> None:
        rules = self.judges.rules
        if pending.route.decision == "edge":
            self._answer(pending, edge_verdict(pending, rules))
        elif self.judges.engine is None:
            self._answer(pending, fallback_verdict(pending, rules, NO_CLOUD))
        else:
            pending = msgspec.structs.replace(pending, since=time.perf_counter())
            self.dispatch.hold(pending)
            self.waiting.put(pending)

    def _answer(self, pending: Pending, verdict: VerdictRecord, *, late: bool = False) -> None:
        """Hand out a verdict; where there is a deadline it says how long the frame waited for it."""
        if self.config.deadline_s is not None:
            took = (time.perf_counter() - pending.begun) * 1e3
            verdict = msgspec.structs.replace(verdict, ms=answer_times(verdict.ms, took), replaces=late)
        self._hand_out(verdict, pending.begun, first=not late)

    def _hand_out(self, verdict: VerdictRecord, begun: float, *, first: bool = True) -> None:
        verdict = traced_verdict(verdict)
        record_verdict(verdict, time.perf_counter() - begun, first=first)
        self.verdicts.put(verdict)

    def _stand_in(self, pending: Pending) -> None:
        pending = with_wait(pending, time.perf_counter())
        self._answer(pending, fallback_verdict(pending, self.judges.rules, OVERDUE))

    def _return(self, pending: Pending, verdict: VerdictRecord) -> None:
        """Hand out the answer on a frame that was sent to the cloud, in time or late."""
        self._answer(pending, verdict, late=not self.dispatch.claim(pending))

    # waiting list -> decode again -> cloud -> verdict

    def fetch(self) -> None:
        while taken := self.waiting.take(self.judges.batch):
            if self.stop.is_set():
                self.dispatch.drop(len(taken))
                continue  # not the end: frames on their way at the edge still get their verdicts
            batch = []
            for pending in taken:
                try:
                    query = make_query(
                        pending, self.judges.rules.line, self.judges.references, bits=self.judges.bits
                    )
                except Exception as e:  # the file has gone or changed since the edge saw it
                    self.dispatch.drop(1)
                    self._return(pending, fallback_verdict(pending, self.judges.rules, CLOUD_ERROR, e))
                else:
                    batch.append((pending, query))
                    del query
            if batch:
                self.batches.put(batch)
            del batch
        self.batches.close()

    def cloud(self) -> None:
        for batch in self.batches:
            while batch:
                frames = self.dispatch.ready()
                if not frames:  # the run is over and the link is down: the provisional verdicts stand
                    self.dispatch.drop(len(batch))
                    break
                self._ask(batch[:frames])
                batch = batch[frames:]
            del batch
        self.dispatch.wait_answered()
        self.verdicts.close()

    def _ask(self, batch: list[tuple[Pending, CloudQuery]]) -> None:
        rules, engine = self.judges.rules, self.judges.engine
        if engine is None:  # nothing is ever put then
            raise AssertionError("a batch for no engine")
        now = time.perf_counter()
        batch = [(with_wait(pending, now), query) for pending, query in batch]
        self.dispatch.begin(len(batch))
        verdicts = ask_cloud(engine, batch, rules, explain=self.config.explain)
        self.dispatch.end(answered=any(verdict.cloud is not None for verdict in verdicts))
        if self.spans is not None:
            self.spans.cloud(now, [v.seq for v in verdicts], [v.ms for v in verdicts])
        for (pending, _), verdict in zip(batch, verdicts, strict=True):
            self._return(pending, verdict)


def _dispatch(judges: Judges, config: RunConfig) -> Dispatch[Pending]:
    return Dispatch(
        batch=judges.batch,
        capacity=UNBOUNDED if config.waiting is None else config.waiting,
        deadline=config.deadline_s,
        connected=judges.engine is not None,
    )
