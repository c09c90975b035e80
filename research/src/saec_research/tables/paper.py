"""The seed's comparison: every row of its tables on every set, product by product, under several seeds."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from saec.decoding import convert
from saec.errors import SaecError
from saec.frame.judges import Cloud
from saec.meter import PhaseReading
from saec.runs.run_folder import verdicts_of
from saec.runs.run_record import Machine, read_run
from saec.runs.verdict_log import read_verdicts
from saec.settings import CloudConfig, FitConfig, MeterConfig, RunConfig, SampleConfig
from saec.types import VerdictRecord
from saec_research.baselines import (
    BASELINES,
    BaselineRow,
    BaselineSetup,
    FitProgress,
    missing,
    prepare_baseline,
    run_baseline,
)
from saec_research.tables.bench_settings import Given
from saec_research.tables.sets import BenchSet, bench_sets

ROWS = ("yolo", "cloud", "llava", "seed", "edge", "saec")
OURS = "saec"


@dataclass(frozen=True, kw_only=True)
class PaperPlan:
    """What is compared.

    Attributes:
        given: the data.
        seeds: each draws hold-outs or products and seeds the fits.
        work: lines, links and runs are kept here.
        clouds: settings of the cloud by row; a row without one is missing.
        yolo: weights of the YOLO classifier, or None.
        fit: how lines are made; its seed is replaced.
        limit: images judged of each product at most, None for all.
        metering: what of a run is measured.
    """

    given: Given
    seeds: Sequence[int]
    work: Path
    clouds: Mapping[str, CloudConfig] = field(default_factory=dict)
    yolo: Path | None = None
    fit: FitConfig = field(default_factory=FitConfig)
    limit: int | None = SampleConfig().limit
    metering: MeterConfig = field(default_factory=MeterConfig)
    command: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One row on one product under one seed.

    Attributes:
        data: first digits of the hash over the judged images' hashes and labels.
        reading: the meter's reading over the run.
    """

    dataset: str
    protocol: str
    seed: int
    product: str
    row: BaselineRow
    data: str
    reading: PhaseReading
    machine: Machine


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """A row that could not be measured, and why."""

    dataset: str
    row: str
    why: str


def run_comparison(
    plan: PaperPlan,
    say: Callable[[str], None] = lambda sentence: None,
    progress: FitProgress = lambda what, done, of: None,
) -> tuple[list[Judgement], list[Absent]]:
    """Judge everything; a row that fails on a product does not stop the others.

    Raises:
        SaecError: the data cannot be prepared.
    """
    sets = [(seed, one) for seed in plan.seeds for one in bench_sets(plan.given, seed, plan.work)]
    done: list[Judgement] = []
    absent: list[Absent] = []
    # The edge's rows first, and one model at a time: what was loaded before is in a row's memory, and two
    # models of seven billion weights fit few GPUs.
    for name in sorted(ROWS, key=lambda row: BASELINES[row].asks is not None):
        cloud = Cloud(plan.clouds[name]) if name in plan.clouds else None
        for seed, bench_set in sets:
            say(f"{name}: {bench_set.name}, seed {seed}")
            try:
                done.extend(_judge(plan, bench_set, seed, name, cloud, progress))
            except SaecError as e:
                absent.append(Absent(dataset=bench_set.name, row=name, why=f"not measured: {e}"))
                say(absent[-1].why)
    return done, _once(absent)


def _judge(
    plan: PaperPlan, bench_set: BenchSet, seed: int, name: str, cloud: Cloud | None, progress: FitProgress
) -> list[Judgement]:
    """One row on all products of a set; all or nothing, so that rows are of the same images."""
    baseline = BASELINES[name]
    done = []
    for product in bench_set.products:
        work = BaselineSetup(
            dataset=product,
            store=plan.work / "lines",
            yolo=plan.yolo,
            clouds=plan.clouds,
            fit=msgspec.structs.replace(plan.fit, seed=seed),
            run=RunConfig(maps=False, explain=False),
            limit=plan.limit,
            metering=plan.metering,
            command=plan.command,
        )
        if (remedy := missing(baseline, work)) is not None:
            raise SaecError("its model was not given", remedy)
        out = plan.work / "runs" / bench_set.name.replace(" ", "-") / str(seed) / product.name / name
        if out.exists():  # of an earlier bench
            shutil.rmtree(out)
        row = run_baseline(prepare_baseline(baseline, work, progress, cloud), work, out)
        run = read_run(out)
        done.append(
            Judgement(
                dataset=bench_set.name,
                protocol=bench_set.protocol,
                seed=seed,
                product=product.name,
                row=row,
                data=_hash(read_verdicts(verdicts_of(out))),
                reading=next(convert(r, PhaseReading) for r in run.meter if r["phase"] == "run"),
                machine=run.machine,
            )
        )
    return done


def _hash(verdicts: Iterable[VerdictRecord]) -> str:
    judged = sorted(f"{v.sha256} {v.truth}" for v in verdicts)
    return hashlib.sha256("\n".join(judged).encode()).hexdigest()[:12]


def _once(absent: Sequence[Absent]) -> list[Absent]:
    """Of what is missing under every seed for the same reason, one."""
    return list(dict.fromkeys(absent))
