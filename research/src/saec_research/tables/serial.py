"""Is parallel faster? The same stages on the same frames, one after another and in the pipeline.

One after another means: read, decode, complexity, edge and route of every frame in turn, then its question
to the cloud in the same batches, in one thread. It calls the stages of ``saec.frame``, as a run does, so
there is no second implementation; what a run adds is that the stages of different frames overlap.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from saec.data.input_images import limit_inputs, list_inputs
from saec.evaluation.line_evaluation import labelled
from saec.frame.assessment import assess, decide_frame, decode_frame, measure_complexity, read_frame
from saec.frame.cloud_questions import ask_cloud, make_query
from saec.frame.judges import Cloud, Judges, open_judges, warm_up
from saec.lines.leaks import held_out
from saec.profile import LineProfile
from saec.runs.inspection import run_inspection
from saec.schedule.policies import DEFAULT_POLICY
from saec.settings import RunConfig
from saec.types import UNBOUNDED, CloudQuery, CloudState, Pending, Source

ROUNDS = 3

_UP = CloudState(link="up", queue=0, capacity=UNBOUNDED)


class Walls(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for the same frames, rounds by turns.

    Attributes:
        frames, asked: how many, and how many of them the cloud judged.
        serial, parallel: the seconds of each round.
        speed_up: median of the rounds' ratios.
    """

    frames: int
    asked: int
    serial: list[float]
    parallel: list[float]
    speed_up: float


def measure_walls(
    line: Path, dataset: Path, cloud: Cloud, *, policy: str = DEFAULT_POLICY, limit: int | None = None
) -> Walls:
    """Time both ways on the hold-out of a data set.

    Raises:
        SaecError: whatever opening the line, the data or the cloud raises.
    """
    profile = LineProfile.open(line)
    inputs = held_out(profile, labelled(list_inputs(dataset, split="holdout")))
    sources = limit_inputs(inputs, limit).sources
    judges = open_judges(profile, cloud, policy=policy)
    warm_up(judges)
    serial, parallel, asked = [], [], 0
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        asked = one_after_another(judges, sources)
        middle = time.perf_counter()
        for _verdict in run_inspection(sources, judges, RunConfig(maps=False, explain=False)):
            pass
        end = time.perf_counter()
        serial.append(middle - begin)
        parallel.append(end - middle)
    ratios = [s / p for s, p in zip(serial, parallel, strict=True)]
    return Walls(
        frames=len(sources),
        asked=asked,
        serial=serial,
        parallel=parallel,
        speed_up=float(np.median(ratios)),
    )


def one_after_another(judges: Judges, sources: Sequence[Source]) -> int:
    """Judge every source in one thread; returns how many the cloud was asked about."""
    batch: list[tuple[Pending, CloudQuery]] = []
    asked = 0
    for seq, source in enumerate(sources, 1):
        pending = _looked(judges, source, seq)
        if pending.route.decision == "edge":
            continue
        asked += 1
        query = make_query(pending, judges.rules.line, judges.references, bits=judges.bits)
        batch.append((pending, query))
        if len(batch) == judges.batch:
            _ask(judges, batch)
            batch = []
    if batch:
        _ask(judges, batch)
    return asked


def _ask(judges: Judges, batch: Sequence[tuple[Pending, CloudQuery]]) -> None:
    assert judges.engine is not None  # ``measure_walls`` opens them with one
    ask_cloud(judges.engine, batch, judges.rules, explain=False)


def _looked(judges: Judges, source: Source, seq: int) -> Pending:
    decoded = decode_frame(read_frame(source), bits=judges.bits)
    frame = measure_complexity(decoded, judges.complexity)
    seen = assess(frame, judges.detector, judges.rules, crops=judges.crops)
    return decide_frame(frame, seen, judges.policy, _UP, seq)
