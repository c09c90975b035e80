"""Baselines on one data set: each fits what it needs, judges the hold-out and gives one row of a table.

Each is a line, a policy and a cloud that the rest of this room already knows; here they are named, given what
they need, and measured alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Literal

import msgspec
import numpy as np

from saec.data.dataset import Dataset, open_dataset
from saec.data.holdout import hold_out, undivided
from saec.data.manifest import hash_item
from saec.data.user_folders import with_goods
from saec.edge.learning.fit_contract import DetectorFit
from saec.edge.training.detector_fit import patch_fit, yolo_fit
from saec.edge.yolo import YoloRule
from saec.errors import ConfigError, DataError
from saec.evaluation.evaluation_tasks import EvaluationTask
from saec.evaluation.line_evaluation import evaluate_line, metrics_with_pixels, write_metrics
from saec.evaluation.metrics import Metrics
from saec.extensions import VERSION
from saec.frame.judges import Cloud
from saec.frame.verdicts import JUDGING
from saec.lines.calibrating.recalibration import recalibrate
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.lines.line_fit import fit_line
from saec.profile import LineProfile, sha256_file
from saec.runs.description import now
from saec.runs.run_folder import Options, Progress, verdicts_of
from saec.runs.run_record import RunInfo
from saec.runs.verdict_log import read_verdicts, write_csv
from saec.settings import (
    CloudConfig,
    DataConfig,
    FitConfig,
    GateConfig,
    MeterConfig,
    RunConfig,
    SampleConfig,
    Split,
)
from saec.types import GOOD, VerdictRecord
from saec_research.bare_line import line_alone
from saec_research.seed.policy import PRESETS

Kind = Literal["patch", "yolo", "none"]
FitProgress = Callable[[str, int, int], None]

PROBABILITIES = "probs.csv"
"""In each run folder: the verdicts as a table, with each image's P(defect) and that of the cloud alone."""

LLAVA_SIDE = 448
"""Side at which the seed's LLaVA baseline was asked; its vision tower was trained at 336."""

_ALONE_STAGES = ("read", "decode", "cloud")


@dataclass(frozen=True, slots=True)
class Baseline:
    """One way to judge a data set.

    Attributes:
        name: what the command calls it.
        what: one sentence.
        edge: kind of detector of its line; "none" for a cloud that needs no line.
        policy: who answers.
        asks: the option that names its multimodal model, or None for the edge alone.
    """

    name: str
    what: str
    edge: Kind
    policy: str
    asks: Literal["cloud", "llava"] | None = None

    @property
    def alone(self) -> bool:
        """Whether the cloud judges every frame and the edge's opinion counts for nothing."""
        return self.policy == "cloud"


BASELINES = {
    b.name: b
    for b in (
        Baseline(
            "yolo", "the YOLO rule alone, with thresholds from the goods (the seed's edge)", "yolo", "edge"
        ),
        Baseline("edge", "our detector alone", "patch", "edge"),
        Baseline("cloud", "Qwen2.5-VL zero-shot on every frame, no adapter", "none", "cloud", "cloud"),
        Baseline("llava", "LLaVA-1.5 zero-shot on every frame", "none", "cloud", "llava"),
        Baseline("seed", "the seed's cascade: YOLO, its policy, its cloud preset", "yolo", "seed", "cloud"),
        Baseline("saec", "ours: gate and fusion", "patch", "gate", "cloud"),
    )
}


@dataclass(frozen=True, kw_only=True)
class BaselineSetup:
    """What all baselines of one command share.

    Attributes:
        dataset: root of the data set; its hold-out is judged.
        store: folder of the lines that are fitted here; one that is there already is used again.
        lines: line profiles that were given, by the kind of their detector; they are used as they are.
        goods: folders of goods to fit on, in place of the data set's own train goods.
        yolo: weights of the YOLO classifier.
        clouds: settings of the cloud by baseline.
        say: told what is done.
    """

    dataset: Path
    store: Path
    lines: Mapping[Kind, Path] = field(default_factory=dict)
    goods: Sequence[Path] = ()
    yolo: Path | None = None
    clouds: Mapping[str, CloudConfig] = field(default_factory=dict)
    fit: FitConfig = field(default_factory=FitConfig)
    run: RunConfig = field(default_factory=RunConfig)
    split: Split = SampleConfig().split
    layout: str = DataConfig().layout
    limit: int | None = SampleConfig().limit
    metering: MeterConfig = field(default_factory=MeterConfig)
    command: str = ""
    say: Callable[[str], None] = lambda sentence: None


@dataclass(frozen=True, slots=True)
class Ready:
    """A baseline with the line and the cloud that it judges with."""

    baseline: Baseline
    line: LineProfile
    cloud: Cloud | None


class BaselineRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one baseline reached.

    Attributes:
        model: detector and cloud by name, each with the first digits of its weights' sha256.
        sizes: the inputs' sizes as they were seen, in pixels.
        ms: median milliseconds of judging a frame, where the cloud judges alone without the edge.
        ms_waiting: median milliseconds that a frame waited, of those that did.
        wall_s: the seconds of the whole run after loading and warm-up; the edge of the line runs in it, too.
        notes: what a reader of the figures must know.
    """

    baseline: str
    what: str
    model: str
    weights: dict[str, str]
    sizes: str
    images: int
    metrics: Metrics
    ms: float | None
    ms_waiting: float | None
    wall_s: float | None
    run: str
    notes: list[str] = []


def missing(baseline: Baseline, work: BaselineSetup) -> str | None:
    """What the baseline needs and was not given, as a remedy; None where all is at hand."""
    if baseline.edge == "yolo" and work.yolo is None and "yolo" not in work.lines:
        return "give --yolo WEIGHTS, or --line with a line fitted with --detector yolo"
    if baseline.asks is not None and baseline.name not in work.clouds:
        return f"give --{baseline.asks} MODEL"
    return None


def prepare_baseline(
    baseline: Baseline,
    work: BaselineSetup,
    progress: FitProgress = lambda what, done, of: None,
    cloud: Cloud | None = None,
) -> Ready:
    """Fit what the baseline needs, as far as it was not given or fitted before.

    Args:
        cloud: the baseline's model where it is open already; None opens it as ``work`` says.

    Raises:
        ConfigError: a model that it needs was not given.
        SaecError: whatever a fit or a calibration raises.
    """
    if (remedy := missing(baseline, work)) is not None:
        raise ConfigError(f"the baseline {baseline.name} needs a model", remedy)
    if cloud is None and baseline.asks is not None:
        cloud = Cloud(work.clouds[baseline.name])
    return Ready(baseline, _line(baseline, work, cloud, progress), cloud)


def run_baseline(
    ready: Ready,
    work: BaselineSetup,
    out: Path,
    *,
    progress: Progress | None = None,
    stop: Event | None = None,
) -> BaselineRow:
    """Judge the data set into the run folder ``out`` and measure.

    Raises:
        LeakError: an image to judge was used to fit or calibrate the line.
        SaecError: whatever a run raises.
    """
    baseline, cloud = ready.baseline, ready.cloud
    result = evaluate_line(
        EvaluationTask(ready.line.folder, work.dataset, baseline.name),
        cloud=cloud,
        options=Options(
            policy=baseline.policy,
            own=PRESETS["saec"].policy if baseline.policy == "seed" else None,
            config=work.run,
            metering=work.metering,
            command=work.command,
        ),
        split=work.split,
        layout=work.layout,
        out=out,
        limit=work.limit,
        progress=progress,
        stop=stop,
    )
    assert result.info is not None  # it was judged just now
    verdicts = list(read_verdicts(verdicts_of(out)))
    write_csv(out / PROBABILITIES, verdicts)
    metrics = result.metrics
    if baseline.alone:
        metrics = metrics_with_pixels(map(_without_edge, verdicts), None)
        write_metrics(out, metrics)
    return _row(baseline, result.info, cloud, metrics, verdicts, out)


def _line(baseline: Baseline, work: BaselineSetup, cloud: Cloud | None, progress: FitProgress) -> LineProfile:
    """The line that was given, or one that is fitted here, with trust in the cloud where it is ours."""
    given = work.lines.get(baseline.edge)
    if given is None and baseline.alone and work.lines:  # any line will do: its edge is not asked
        given = next(iter(work.lines.values()))
    if given is not None:
        work.say(f"{baseline.name}: line {given}")
        return LineProfile.open(given)
    dataset = _divided(work)
    if baseline.alone:
        return _alone(dataset, work, cloud)
    if not dataset.select("train", GOOD):
        raise DataError(
            f"{work.dataset} has no good training images to fit a line on",
            "name some with --goods, or give a --line",
        )
    profile = _fitted(baseline.edge, dataset, work, progress)
    if baseline.policy != "gate" or cloud is None or not profile.calibration.defect_scores:
        return profile
    if cloud.key in profile.calibration.clouds:
        return profile
    work.say(f"{baseline.name}: {cloud.engine.name} judges the calibration images")
    return recalibrate(profile, RecalibrationRequest(), created=now(), dataset=dataset, cloud=cloud)


def _divided(work: BaselineSetup) -> Dataset:
    """The data set with the goods that were given, where some were, as its train split.

    Of one without splits what a fit would hold out is its test split, for all baselines alike.
    """
    dataset = open_dataset(work.dataset, layout=work.layout)
    if work.goods:
        return with_goods(dataset, work.goods)
    return hold_out(dataset, work.fit.holdout_share, seed=work.fit.seed) if undivided(dataset) else dataset


def _alone(dataset: Dataset, work: BaselineSetup, cloud: Cloud | None) -> LineProfile:
    """What a cloud alone needs of a line: its references."""
    references = 0 if cloud is None else cloud.config.references
    name = f"{dataset.name}-none-{references}-{_digest('none', dataset, work)}"
    folder = work.store / name
    if folder.exists():
        return LineProfile.open(folder)
    return line_alone(dataset, folder, references=references, seed=work.fit.seed, created=now())


def _fitted(kind: Kind, dataset: Dataset, work: BaselineSetup, progress: FitProgress) -> LineProfile:
    """A line of that kind, from the store if it was fitted there on the same images in the same way."""
    folder = work.store / f"{dataset.name}-{kind}-{_digest(kind, dataset, work)}"
    if folder.exists():
        work.say(f"line {folder}, fitted before")
        return LineProfile.open(folder)
    fit: DetectorFit
    if kind == "yolo":
        assert work.yolo is not None  # ``missing`` says so
        fit = yolo_fit(work.yolo, YoloRule())
    else:
        fit = patch_fit()
    work.say(f"line {folder}, fitted on {len(dataset.select('train', GOOD))} goods")
    profile, _ = fit_line(
        dataset,
        folder,
        fit,
        config=work.fit,
        gate=GateConfig(),
        created=now(),
        progress=progress,
    )
    return profile


def _digest(kind: Kind, dataset: Dataset, work: BaselineSetup) -> str:
    """Eight digits for all that the fitted line depends on."""
    images = sorted((hash_item(item), item.label) for item in dataset.select("train"))
    weights = sha256_file(work.yolo) if kind == "yolo" and work.yolo is not None else ""
    whole = msgspec.json.encode((kind, VERSION, work.fit, images, weights))
    return hashlib.sha256(whole).hexdigest()[:8]


def _without_edge(verdict: VerdictRecord) -> VerdictRecord:
    """Where the cloud failed the edge's label stands in; in a cloud's own figures it has no place."""
    return msgspec.structs.replace(verdict, label=None) if verdict.state == "provisional" else verdict


def _row(
    baseline: Baseline,
    info: RunInfo,
    cloud: Cloud | None,
    metrics: Metrics,
    verdicts: Sequence[VerdictRecord],
    out: Path,
) -> BaselineRow:
    names, weights, sizes = [], {}, []
    if not baseline.alone:
        names.append(info.line.backbone)
        weights[info.line.backbone] = info.line.hashes.get("detector.bin", "")
        if info.line.input_size is not None:
            height, width = info.line.input_size
            sizes.append(f"edge {width} x {height}")
    if cloud is not None:
        names.append(cloud.engine.name)
        weights[cloud.engine.name] = cloud.engine.weights_hash
        sizes.append(f"cloud {cloud.engine.side}")
    run = next(phase for phase in info.meter if phase["phase"] == "run")
    return BaselineRow(
        baseline=baseline.name,
        what=baseline.what,
        model=" + ".join(f"{name} {weights[name][:8]}".strip() for name in names),
        weights=weights,
        sizes=", ".join(sizes),
        images=metrics.n_good + metrics.n_defect,
        metrics=metrics,
        ms=_median_ms(verdicts, _ALONE_STAGES if baseline.alone else JUDGING),
        ms_waiting=None if metrics.ms_waiting is None else metrics.ms_waiting.p50,
        wall_s=run["wall_s"],
        run=str(out),
        notes=_notes(info, metrics),
    )


def _notes(info: RunInfo, metrics: Metrics) -> list[str]:
    notes = list(info.notes)
    if info.cloud is not None:
        notes.append(info.cloud.reason)
        if info.cloud.demonstration:
            notes.append(f"{info.cloud.name} is the demonstration checkpoint, not a model for real parts.")
    if metrics.n_error:
        notes.append(f"the figures leave out {metrics.n_error} frames without an answer.")
    return notes


def _median_ms(verdicts: Sequence[VerdictRecord], stages: Sequence[str]) -> float | None:
    times = [
        sum(ms for stage, ms in verdict.ms.items() if stage in stages)
        for verdict in verdicts
        if verdict.label is not None
    ]
    return float(np.median(times)) if times else None
