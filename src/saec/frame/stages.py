"""The stages of a frame's way, each a function of plain values that a test can call alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from saec.data.images import pixels as images
from saec.errors import AnswerError, ImageError, LinkError
from saec.frame.durations import shared
from saec.frame.verdicts import (
    CLOUD_ERROR,
    Rules,
    cloud_record,
    cloud_verdict,
    error_record,
    fallback_verdict,
)
from saec.types import (
    DEFECT,
    CloudEngine,
    CloudOpinion,
    CloudQuery,
    CloudRecord,
    ErrorRecord,
    Explanation,
    Frame,
    Image,
    Pending,
    Source,
    Verdict,
)

T = TypeVar("T")
Measure = Callable[[Image], float]
"""The scene complexity of an image."""


class Decode(Protocol):
    """Bytes of a file to H x W x 3 RGB uint8, as ``saec.data.images.pixels.decode``."""

    def __call__(self, data: bytes, *, bits: int, name: str) -> Image: ...


@dataclass(frozen=True, slots=True, eq=False)
class Bytes:
    """A file as read: its bytes' hash and when it was read (seconds since the epoch, and ``begun`` in
    seconds of ``time.perf_counter``)."""

    source: Source
    data: bytes
    sha256: str
    time: float
    begun: float
    ms: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A decoded frame with its complexity and the milliseconds per stage so far."""

    source: Source
    image: Image
    sha256: str
    time: float
    begun: float
    complexity: float | None
    ms: dict[str, float]


def read(source: Source) -> Bytes:
    """Read and hash a file.

    Raises:
        ImageError: it cannot be read, or its name cannot be written to a log.
    """
    try:
        (source.path + source.id).encode()
    except UnicodeEncodeError:
        raise ImageError("the file's name is not valid UTF-8", "rename the file") from None
    now, start = time.time(), time.perf_counter()
    try:
        data = Path(source.path).read_bytes()
    except OSError as e:
        raise ImageError(f"{source.path}: {e.strerror or e}", "check that the file can be read") from e
    sha256 = hashlib.sha256(data).hexdigest()
    return Bytes(source, data, sha256, now, start, {"read": _since(start)})


def prepare(
    raw: Bytes, complexity: Measure | None, *, bits: int = 16, decode: Decode = images.decode
) -> Loaded:
    """Decode once and measure the complexity, where a measure is given.

    Args:
        decode: where untrusted bytes are decoded, ``saec.data.images.decoder.Decoder.decode``.

    Raises:
        ImageError: the bytes are no image.
        DecoderError: what became of the decoder.
    """
    return measure(decoded(raw, bits=bits, decode=decode), complexity)


def decoded(raw: Bytes, *, bits: int = 16, decode: Decode = images.decode) -> Loaded:
    """The frame with its pixels, its complexity not yet measured; raises as ``prepare``."""
    start = time.perf_counter()
    image = decode(raw.data, bits=bits, name=raw.source.path)
    ms = {**raw.ms, "decode": _since(start)}
    return Loaded(raw.source, image, raw.sha256, raw.time, raw.begun, None, ms)


def measure(loaded: Loaded, complexity: Measure | None) -> Loaded:
    """The frame with its complexity, where a measure is given."""
    if complexity is None:
        return loaded
    start = time.perf_counter()
    value = complexity(loaded.image)
    return replace(loaded, complexity=value, ms={**loaded.ms, "complexity": _since(start)})


def is_known(raw: Bytes, known: Collection[tuple[str, str]]) -> bool:
    """Whether an earlier part of this run has judged the same file with the same bytes."""
    return (raw.source.path, raw.sha256) in known


def fetch(
    pending: Pending,
    line: str,
    references: Sequence[Image],
    *,
    bits: int = 16,
    decode: Decode = images.decode,
) -> CloudQuery:
    """The question to the cloud; decodes the frame again, whose pixels were not kept.

    Raises:
        ImageError: the file has gone, or is no longer the one that the edge saw.
        DecoderError: what became of the decoder.
    """
    raw = read(pending.source)
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


def waited(pending: Pending, now: float) -> Pending:
    """The entry with its wait for the cloud so far; ``now`` is in seconds of perf_counter."""
    return changed(pending, ms={**pending.ms, "queue": (now - pending.since) * 1e3})


def ask(
    engine: CloudEngine, batch: Sequence[tuple[Pending, CloudQuery]], rules: Rules, *, explain: bool
) -> list[Verdict]:
    """The verdicts on a batch of frames that wait for the cloud, in order.

    Where the engine fails on the batch, each frame is asked alone, so that one bad frame costs only
    itself; a frame on which it fails alone keeps the edge's answer as a provisional verdict. A
    ``LinkError`` is no frame's fault and ends the whole batch so. Each frame of a batch waits for all of
    it: its "cloud" milliseconds are its share of them, and the rest is "batch", a wait.
    """
    start = time.perf_counter()
    answers = _each(lambda queries: _records(engine, queries, rules), [query for _, query in batch])
    took = _since(start)
    verdicts: list[Verdict] = []
    to_explain: list[tuple[int, Pending, CloudQuery, CloudRecord]] = []
    for (pending, query), answer in zip(batch, answers, strict=True):
        timed = changed(pending, ms=shared(pending.ms, "cloud", took, len(batch)))
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


def _records(engine: CloudEngine, queries: list[CloudQuery], rules: Rules) -> list[CloudRecord]:
    role = rules.role
    opinions: list[CloudOpinion] = engine.judge(queries)
    return [cloud_record(opinion, role) for opinion in opinions]


def _explained(
    engine: CloudEngine, asked: list[tuple[int, Pending, CloudQuery, CloudRecord]], rules: Rules
) -> list[tuple[int, Verdict]]:
    """Verdicts with words; where they do not parse, the verdict stands and says that it has none."""
    start = time.perf_counter()
    words = _each(engine.explain, [query for _, _, query, _ in asked])
    took = _since(start)
    verdicts = []
    for (index, pending, _, record), answer in zip(asked, words, strict=True):
        timed = changed(pending, ms=shared(pending.ms, "explain", took, len(asked)))
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
                f"the cloud gave {len(answers)} answers to {len(queries)} questions", "check the engine"
            )
        return list(answers)
    except LinkError as e:
        return [e for _ in queries]
    except Exception as e:
        if len(queries) == 1:
            return [e]
    return [answer for query in queries for answer in _each(function, [query])]


def changed(pending: Pending, **fields: object) -> Pending:
    """The entry with some fields changed."""
    return msgspec.structs.replace(pending, **fields)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
