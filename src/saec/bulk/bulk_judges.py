"""What a worker does with its rows: the same stages of a frame as in any run. Nothing here knows of Ray.

The edge's judge gives a verdict, or the record of a frame that waits for the cloud. The cloud's judge gives
the verdicts on such frames. Rows and answers are JSON, so that they pass between processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from saec import edge
from saec.bulk.archive.listed_frames import ListedFrame
from saec.bulk.archive.place_reader import PlaceReader
from saec.contracts import CloudEngine, EdgeDetector
from saec.decoding import decoder
from saec.edge.no_detector import NoDetector
from saec.frame.assessment import assess, decide_frame, decode_frame, measure_complexity, read_frame
from saec.frame.cloud_questions import ask_cloud, make_query
from saec.frame.judges import Cloud, Judges, read_references
from saec.frame.verdicts import CLOUD_ERROR, edge_verdict, error_verdict, fallback_verdict
from saec.profile import LineProfile
from saec.schedule.link.dispatch import Dispatch
from saec.settings import CloudConfig
from saec.types import CloudQuery, Pending, Source, VerdictRecord


class EdgeRow(msgspec.Struct, frozen=True, array_like=True):
    """A frame for the edge, with its number in the list of work."""

    number: int
    frame: ListedFrame


class CloudRow(msgspec.Struct, frozen=True, array_like=True):
    """A frame for the cloud, with what the edge made of it."""

    number: int
    frame: ListedFrame
    pending: Pending


class RowAnswer(msgspec.Struct, frozen=True, array_like=True):
    """What became of a row: a verdict, a frame for the cloud, or neither where it has its verdict already."""

    number: int
    frame: ListedFrame
    verdict: VerdictRecord | None = None
    pending: Pending | None = None


@dataclass(frozen=True, kw_only=True)
class BulkOrder:
    """What every worker is told.

    Attributes:
        profile: the line as the run has it; its folder must be there on the worker's machine.
        judges: what judges, without what each worker opens itself: detector, engine, references.
        cloud: the cloud's settings, or None for the edge alone.
        explain: defects are described in words.
    """

    profile: LineProfile
    judges: Judges
    cloud: CloudConfig | None
    explain: bool


def bulk_order(
    profile: LineProfile, judges: Judges, cloud: CloudConfig | None, *, explain: bool
) -> BulkOrder:
    """The order of a run, from what judges it in this process."""
    plain = replace(judges, detector=NoDetector(), engine=None, references=())
    return BulkOrder(profile=profile, judges=plain, cloud=cloud, explain=explain)


class EdgeJudge:
    """Judges rows at the edge. The policy is one that looks at each frame alone, so workers agree.

    Args:
        order: what is judged with.
        detector: the line's detector, where it is open already.

    Raises:
        LineError, ModelError: the detector cannot be opened.
    """

    def __init__(self, order: BulkOrder, detector: EdgeDetector | None = None) -> None:
        judges = order.judges
        if detector is None:
            detector = NoDetector() if judges.rules.blind else edge.open_detector(order.profile)
        self._judges = replace(judges, detector=detector)
        self._link: Dispatch[Pending] = Dispatch(batch=judges.batch, connected=order.cloud is not None)
        self._places = PlaceReader()
        self._decoder, self._encoder = decoder(EdgeRow), msgspec.json.Encoder()

    def __call__(self, rows: Sequence[bytes]) -> Iterator[bytes]:
        """The answer to each row."""
        for row in rows:
            yield self._encoder.encode(self.answer(self._decoder.decode(row)))

    def answer(self, row: EdgeRow) -> RowAnswer:
        """What the edge makes of a frame; what goes wrong with it is an error verdict, as in any run."""
        judges, source = self._judges, row.frame.source
        sha256, stage, taken = "", "read", time.time()
        try:
            encoded = read_frame(source, lambda _: self._places.read(row.frame.place))
            sha256, taken = encoded.sha256, encoded.time
            if sha256 in row.frame.known:
                return RowAnswer(row.number, row.frame)
            frame = measure_complexity(decode_frame(encoded, bits=judges.bits), judges.complexity)
            stage = "edge"
            seen = assess(frame, judges.detector, judges.rules, crops=judges.crops)
            pending = decide_frame(frame, seen, judges.policy, self._link.state(frame.begun, frame.begun), 0)
        except Exception as e:
            if sha256 in row.frame.known:
                return RowAnswer(row.number, row.frame)
            return RowAnswer(row.number, row.frame, self._failed(source, e, sha256, taken, stage))
        if pending.route.decision == "cloud":
            return RowAnswer(row.number, row.frame, pending=pending)
        return RowAnswer(row.number, row.frame, edge_verdict(pending, judges.rules))

    def _failed(self, source: Source, e: Exception, sha256: str, taken: float, stage: str) -> VerdictRecord:
        line = self._judges.rules.line
        return error_verdict(source, line, e, sha256=sha256, time=taken, stage=stage)


class CloudJudge:
    """Asks the cloud about rows, in batches as large as its settings say.

    Args:
        order: what is judged with; it names a cloud.
        engine: the cloud's engine, where it is open already.

    Raises:
        ModelError, LinkError: the model cannot be loaded, or its service cannot be reached.
    """

    def __init__(self, order: BulkOrder, engine: CloudEngine | None = None) -> None:
        if order.cloud is None:
            raise AssertionError("frames were sent to no cloud")
        self._engine = Cloud(order.cloud).engine if engine is None else engine
        self._references = read_references(order.profile, order.cloud.references)
        self._judges, self._explain = order.judges, order.explain
        self._places = PlaceReader()
        self._decoder, self._encoder = decoder(CloudRow), msgspec.json.Encoder()

    def __call__(self, rows: Sequence[bytes]) -> Iterator[bytes]:
        """The verdict on each row; those of a batch come together."""
        batch = self._judges.batch
        for first in range(0, len(rows), batch):
            asked = [self._decoder.decode(row) for row in rows[first : first + batch]]
            yield from map(self._encoder.encode, self.answers(asked))

    def answers(self, rows: Sequence[CloudRow]) -> list[RowAnswer]:
        """The verdicts on one batch, in any order."""
        answers, batch, of = [], [], []
        for row in rows:
            try:
                query = self._query(row)
            except Exception as e:  # the file has gone or changed since the edge saw it
                verdict = fallback_verdict(row.pending, self._judges.rules, CLOUD_ERROR, e)
                answers.append(RowAnswer(row.number, row.frame, verdict))
            else:
                batch.append((row.pending, query))
                of.append(row)
        if batch:
            verdicts = ask_cloud(self._engine, batch, self._judges.rules, explain=self._explain)
            answers += [
                RowAnswer(row.number, row.frame, verdict) for row, verdict in zip(of, verdicts, strict=True)
            ]
        return answers

    def _query(self, row: CloudRow) -> CloudQuery:
        judges = self._judges
        return make_query(
            row.pending,
            judges.rules.line,
            self._references,
            bits=judges.bits,
            read=lambda _: self._places.read(row.frame.place),
        )
