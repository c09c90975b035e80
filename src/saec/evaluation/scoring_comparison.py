"""The ways of scoring side by side: one loaded model, the same images, one row for each way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, get_args, runtime_checkable

import msgspec

from saec.contracts import CloudEngine
from saec.data.images.pixels import read_image
from saec.errors import AnswerError, ConfigError
from saec.evaluation.metrics import Metrics, evaluate_labels
from saec.settings import FitConfig, Scoring
from saec.types import DEFECT, GOOD, CloudQuery, Frame, Image, Source

THRESHOLD = 0.5
"""P(defect) at which the labels are given: a tie is a defect."""


@runtime_checkable
class Scorer(Protocol):
    """A cloud engine that can score in every way with the one model that it has loaded."""

    def scored_by(self, scoring: Scoring) -> CloudEngine: ...


class ScoringRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one way of scoring gave.

    Attributes:
        metrics: the metrics at P(defect) = ``THRESHOLD``, over the images whose answer parsed.
        unparsed: images whose answer is no label; they are in no rate.
        ms_per_frame: wall time of judging over all images, decoding aside, at the batch of the settings.
    """

    scoring: Scoring
    metrics: Metrics
    unparsed: int
    ms_per_frame: float


def compare_scorings(
    engine: CloudEngine,
    sources: Sequence[Source],
    references: Sequence[Image],
    *,
    batch: int,
    bits: int = FitConfig().bits,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None,
) -> list[ScoringRow]:
    """Judge images of known truth in every way of scoring.

    Args:
        engine: the cloud; loaded once for all ways.
        sources: images of known truth.
        references: goods shown before each.
        batch: images that are decoded and asked about at once.
        bits: significant bits of 16-bit images.
        progress: called with the way, the images that it has judged and their number.

    Raises:
        ConfigError: the engine has one way of scoring only.
        ImageError: a file cannot be decoded.
        DataError: a source of unknown truth.
    """
    if not isinstance(engine, Scorer):
        raise ConfigError(
            f"{engine.name} has only one scoring method, so there is nothing to compare",
            "name a checkpoint instead of a service",
        )
    ways = {way: engine.scored_by(way) for way in get_args(Scoring)}
    answers: dict[Scoring, list[float | None]] = {way: [] for way in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for queries in _batches(sources, tuple(references), batch, bits):
        if not any(seconds.values()):
            for scorer in ways.values():
                _ask(scorer, queries[:1])  # the first call pays for what later ones reuse
        for way, scorer in ways.items():
            start = time.perf_counter()
            answers[way] += _ask(scorer, queries)
            seconds[way] += time.perf_counter() - start
            progress(way, len(answers[way]), len(sources))
    return [_row(way, sources, answers[way], seconds[way]) for way in ways]


def _batches(
    sources: Sequence[Source], references: tuple[Image, ...], batch: int, bits: int
) -> Iterator[list[CloudQuery]]:
    for start in range(0, len(sources), batch):
        yield [
            CloudQuery(Frame(source.id, read_image(Path(source.path), bits=bits)), references)
            for source in sources[start : start + batch]
        ]


def _ask(engine: CloudEngine, queries: list[CloudQuery]) -> list[float | None]:
    """P(defect) of each query, None where the answer does not parse: then each is asked alone."""
    try:
        return [opinion.p_defect for opinion in engine.judge(queries)]
    except AnswerError:
        return [None] if len(queries) == 1 else [p for query in queries for p in _ask(engine, [query])]


def _row(
    way: Scoring, sources: Sequence[Source], answers: Sequence[float | None], seconds: float
) -> ScoringRow:
    judged = [(s.truth, p) for s, p in zip(sources, answers, strict=True) if p is not None]
    truth = [-1 if label is None else label for label, _ in judged]  # -1 is refused below
    ps = [p for _, p in judged]
    labels = [DEFECT if p >= THRESHOLD else GOOD for p in ps]
    return ScoringRow(
        scoring=way,
        metrics=evaluate_labels(truth, labels, ps),
        unparsed=len(sources) - len(judged),
        ms_per_frame=1e3 * seconds / len(sources),
    )
