"""A frame's way through the cloud, one stage below the other: the question, its answer, the verdict.

Each stage is a function of plain values. Before them the frame has come by ``saec.frame.assessment``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from saec.contracts import CloudEngine
from saec.data.images import pixels
from saec.errors import AnswerError, ImageError, LinkError
from saec.frame.assessment import DecodeImage, ReadBytes, file_bytes, read_frame
from saec.frame.frame_spans import record_question
from saec.frame.judges import TrustedCloud
from saec.frame.verdicts import (
    CLOUD_ERROR,
    Role,
    Rules,
    cloud_verdict,
    error_record,
    fallback_verdict,
)
from saec.settings import FitConfig
from saec.types import (
    DEFECT,
    CloudOpinion,
    CloudQuery,
    CloudRecord,
    ErrorRecord,
    Explanation,
    Frame,
    Image,
    Pending,
    VerdictRecord,
)

T = TypeVar("T")


def make_query(
    pending: Pending,
    line: str,
    references: Sequence[Image],
    *,
    bits: int = FitConfig().bits,
    decode: DecodeImage = pixels.decode_image,
    read: ReadBytes = file_bytes,
) -> CloudQuery:
    """The question to the cloud; reads and decodes the frame again, whose pixels were not kept.

    Raises:
        ImageError: the file has gone, or is no longer the one that the edge saw.
        DecoderError: what became of the decoder.
    """
    raw = read_frame(pending.source, read)
    if raw.sha256 != pending.sha256:
        raise ImageError(f"{pending.source.path} changed while it was judged", "judge it again")
    frame = Frame(
        id=pending.source.id,
        image=decode(raw.data, bits=bits, name=raw.source.path),
        source=pending.source.path,
        sha256=pending.sha256,
        time=pending.time,
        line=line,
        truth=None,  # an engine must not see it
        part=pending.source.part,
    )
    return CloudQuery(
        frame=frame,
        references=tuple(references),
        focus=pending.focus,
        hottest=pending.hottest,
        complexity=pending.complexity,
    )


def with_wait(pending: Pending, now: float) -> Pending:
    """The record with its wait for the cloud so far; ``now`` is in seconds of ``time.perf_counter``."""
    return msgspec.structs.replace(pending, ms={**pending.ms, "queue": (now - pending.since) * 1e3})


def ask_cloud(
    engine: CloudEngine, batch: Sequence[tuple[Pending, CloudQuery]], rules: Rules, *, explain: bool
) -> list[VerdictRecord]:
    """The verdicts on a batch of frames that wait for the cloud, in order.

    Where the engine fails on the batch, each frame is asked alone, so that one bad frame costs only
    itself; a frame on which it fails alone keeps the edge's answer as a provisional verdict. A
    ``LinkError`` is no frame's fault and ends the whole batch so. Each frame of a batch waits for all of
    it: its "cloud" milliseconds are its share of them, and the rest is "batch", a wait.
    """
    start = time.perf_counter()
    answers = _each(lambda queries: _records(engine, queries, rules), [query for _, query in batch])
    took = _since(start)
    failures = [type(answer).__name__ if isinstance(answer, Exception) else "" for answer in answers]
    record_question([pending for pending, _ in batch], start, failures)
    verdicts: list[VerdictRecord] = []
    to_explain: list[tuple[int, Pending, CloudQuery, CloudRecord]] = []
    for (pending, query), answer in zip(batch, answers, strict=True):
        timed = msgspec.structs.replace(pending, ms=share_time(pending.ms, "cloud", took, len(batch)))
        if isinstance(answer, Exception):
            verdicts.append(fallback_verdict(timed, rules, CLOUD_ERROR, answer))
            continue
        verdict = cloud_verdict(timed, answer, rules)
        if explain and verdict.label == DEFECT:
            to_explain.append((len(verdicts), timed, query, answer))
        verdicts.append(verdict)
    for index, verdict in _explained(engine, to_explain, rules):
        verdicts[index] = verdict
    return verdicts


def ask_clouds(
    clouds: Sequence[TrustedCloud], batch: Sequence[tuple[Pending, CloudQuery]]
) -> list[tuple[VerdictRecord, CloudEngine]]:
    """As ``ask_cloud`` without explanations, by the first of several clouds whose link works.

    Each judges by its own rules. A frame that the link of one leaves without an answer goes to the next.

    Returns:
        each verdict with the cloud that was asked about it last, in order.
    """
    found: dict[int, tuple[VerdictRecord, CloudEngine]] = {}
    left = list(range(len(batch)))
    for cloud in clouds:
        if left:
            verdicts = ask_cloud(cloud.engine, [batch[i] for i in left], cloud.rules, explain=False)
            found |= {i: (verdict, cloud.engine) for i, verdict in zip(left, verdicts, strict=True)}
            left = [i for i in left if _unreached(found[i][0])]
    return [found[i] for i in range(len(batch))]


def _unreached(verdict: VerdictRecord) -> bool:
    return verdict.cloud is None and verdict.error is not None and verdict.error.kind == LinkError.__name__


def cloud_record(opinion: CloudOpinion, role: Role) -> CloudRecord:
    """The cloud's opinion for the log.

    Raises:
        AnswerError: its P(defect) is no probability.
    """
    p = opinion.p_defect
    if not (math.isfinite(p) and 0.0 <= p <= 1.0):
        raise AnswerError(
            f"{opinion.model} answered P(defect) = {p}", "use dtype float32, or restore the checkpoint"
        )
    return CloudRecord(
        p_defect=p,
        model=opinion.model,
        prompt=opinion.prompt,
        role=role,
        spent=opinion.spent,
        weights=opinion.weights,
    )


def _records(engine: CloudEngine, queries: list[CloudQuery], rules: Rules) -> list[CloudRecord]:
    role = rules.role
    opinions: list[CloudOpinion] = engine.judge(queries)
    return [cloud_record(opinion, role) for opinion in opinions]


def _explained(
    engine: CloudEngine, asked: list[tuple[int, Pending, CloudQuery, CloudRecord]], rules: Rules
) -> list[tuple[int, VerdictRecord]]:
    """Verdicts with words; where they do not parse, the verdict stands and says that it has none."""
    start = time.perf_counter()
    words = _each(engine.explain, [query for _, _, query, _ in asked])
    took = _since(start)
    verdicts = []
    for (index, pending, _, record), answer in zip(asked, words, strict=True):
        timed = msgspec.structs.replace(pending, ms=share_time(pending.ms, "explain", took, len(asked)))
        explanation: Explanation | None = None
        problem: ErrorRecord | None = None
        if isinstance(answer, Exception):
            problem = error_record(answer)
        else:
            explanation = answer
        verdicts.append(
            (index, cloud_verdict(timed, record, rules, explanation=explanation, problem=problem))
        )
    return verdicts


def _each(function: Callable[[list[CloudQuery]], list[T]], queries: list[CloudQuery]) -> list[T | Exception]:
    """The function's answers on the batch, or on each query alone where the batch fails."""
    if not queries:
        return []
    try:
        answers = function(queries)
        if len(answers) != len(queries):
            raise AnswerError(
                f"the cloud gave {len(answers)} answers to {len(queries)} questions",
                "report this: it is a fault of the cloud engine",
            )
        return list(answers)
    except LinkError as e:
        return [e for _ in queries]
    except Exception as e:
        if len(queries) == 1:
            return [e]
    return [answer for query in queries for answer in _each(function, [query])]


def share_time(ms: Mapping[str, float], stage: str, took: float, frames: int) -> dict[str, float]:
    """The times with a stage that worked on several frames together: its share, and the wait for the rest."""
    share = took / frames
    batch = ms.get("batch", 0.0) + took - share
    return {**ms, stage: share, **({"batch": batch} if frames > 1 or "batch" in ms else {})}


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
