"""Measure lines on labelled images: which line on which data set, and the figures of one."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.data.input_images import LEFT_OUT, Inputs, Split, limit_inputs, list_inputs
from saec.data.manifest import check_disjoint
from saec.data.masks import mask_pixels
from saec.decoding import convert
from saec.errors import DataError, ImageError
from saec.evaluation.evaluation_tasks import EvaluationTask
from saec.evaluation.metrics import TIMES, Metrics, evaluate_verdicts, mean_row, over_seeds
from saec.evaluation.pixel_metrics import PixelMetrics
from saec.frame.judges import Cloud
from saec.frame.verdicts import true_kind
from saec.lines.leaks import check_leaks, check_tuned, held_out, manifest_of
from saec.profile import LineProfile, write_json
from saec.runs.domain import cross_domain
from saec.runs.run_folder import Look, Options, Progress, run_line, verdicts_of
from saec.runs.run_record import METRICS_FILE, RUN_FILE, RunInfo, read_run
from saec.runs.verdict_log import read_verdicts
from saec.settings import DataConfig, SampleConfig
from saec.types import DEFECT, EdgeOpinion, Image, Mask, Source, VerdictRecord


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured of one task.

    Attributes:
        info: the record of the run; None where an existing log was read.
        cross_domain: says so where something was made on another data set, see ``saec.runs.domain``.
        notes: what a reader must know of where an existing log comes from.
    """

    task: EvaluationTask
    metrics: Metrics
    info: RunInfo | None
    cross_domain: str | None = None
    notes: tuple[str, ...] = ()


def evaluate_line(
    task: EvaluationTask,
    *,
    profile: LineProfile | None = None,
    cloud: Cloud | None = None,
    options: Options | None = None,
    split: Split = SampleConfig().split,
    layout: str = DataConfig().layout,
    out: Path | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Judge a data set with a line and measure the verdicts.

    Args:
        task: the line and the data set.
        profile: the line as it is open already; None opens it with its newest calibration.
        out: run folder to keep, with its metrics; None keeps nothing.
        limit: see ``limited``.
        See ``run_line`` and ``list_inputs`` for the others.

    Raises:
        LeakError: an image to judge was used to fit or calibrate the line, or to tune the cloud.
        DataError: no image of known truth.
    """
    profile = profile or LineProfile.open(task.line)
    inputs = list_inputs(task.dataset, split=split, layout=layout)
    inputs = limit_inputs(held_out(profile, labelled(inputs)), limit)
    check_leaks(profile, inputs.sources, None if cloud is None else cloud.config)
    pixels = PixelMetrics()

    def judge_into(folder: Path) -> tuple[RunInfo, Metrics]:
        info = run_line(
            profile,
            inputs,
            folder,
            cloud=cloud,
            options=options,
            progress=progress,
            look=pixel_look(pixels),
            stop=stop,
        )
        return info, metrics_with_pixels(read_verdicts(verdicts_of(folder)), pixels, profile.line.kinds)

    if out is None:
        with tempfile.TemporaryDirectory(prefix="saec-") as scratch:
            info, metrics = judge_into(Path(scratch) / "run")
    else:
        info, metrics = judge_into(out)
        write_metrics(out, metrics)
    return Result(task, metrics, info, info.cross_domain)


def evaluate_log(
    task: EvaluationTask, log: Path, *, split: Split = "all", layout: str = DataConfig().layout
) -> Result:
    """Measure the verdicts of an earlier run; truth that the log does not know comes from the data set.

    Raises:
        LeakError: a judged image was used to fit or calibrate the line, or to tune the cloud.
        DataError: no verdict of known truth, or the line was fitted anew since.
    """
    profile = LineProfile.open(task.line)
    inputs = list_inputs(task.dataset, split=split, layout=layout)
    sources = {source.path: source for source in inputs.sources}
    verdicts = [_with_truth(verdict, sources.get(verdict.path)) for verdict in read_verdicts(log)]
    if all(verdict.truth is None for verdict in verdicts):
        raise DataError(
            f"{log}: no verdict has a known label to compare with",
            "name the labelled data set that was judged",
        )
    judged = {v.sha256: v.path for v in verdicts if v.truth is not None and v.sha256}
    if (manifest := manifest_of(profile)) is not None:
        check_disjoint(judged, manifest)
    info = read_run(log.parent) if (log.parent / RUN_FILE).is_file() else None
    if info is not None and info.cloud is not None:
        check_tuned(judged, info.cloud.adapter)
    notes = _age(log, info, profile)
    known = cross_domain(profile, inputs) if info is None else info.cross_domain
    kinds = profile.line.kinds if info is None else info.line.kinds
    return Result(task, metrics_with_pixels(verdicts, None, kinds), None, known, notes)


def _age(log: Path, info: RunInfo | None, profile: LineProfile) -> tuple[str, ...]:
    """What is to be said of a log beside the line as it is now.

    Raises:
        DataError: another line judged it, or this one before it was fitted anew.
    """
    if info is None:
        return (f"beside {log} there is no {RUN_FILE}, so it is unknown which line judged it, and how",)
    if info.line.hashes and info.line.hashes != profile.line.detector.files:
        raise DataError(
            f"{log} was judged with another detector than {profile.folder} has now",
            "inspect again, or name the line that judged it",
        )
    now = profile.calibration
    if (info.line.calibration, info.line.calibrated) == (now.version, now.created):
        return ()
    return (
        f"the figures use calibration {info.line.calibration} (threshold {info.line.threshold:.4g}), "
        f"by which {log} was judged; the line now has calibration {now.version} (threshold "
        f"{now.threshold:.4g})",
    )


def metrics_with_pixels(
    verdicts: Iterable[VerdictRecord], pixels: PixelMetrics | None, kinds: Sequence[str] = ()
) -> Metrics:
    """The metrics of verdicts of a line that knows these kinds, with the pixels' where masks were seen."""
    metrics = evaluate_verdicts(verdicts, kinds)
    if pixels is None:
        return metrics
    metrics = msgspec.structs.replace(metrics, n_mask_out=pixels.left_out)
    if not pixels.regions:
        return metrics
    return msgspec.structs.replace(metrics, pixel_auroc=pixels.pixel_auroc(), pro=pixels.pro())


def pixels_for(inputs: Inputs, log: Path) -> PixelMetrics | None:
    """What takes the pixel figures of a run; None without masks, or where a part of it was judged before.

    Maps are not kept: those of a part that was judged before are gone.
    """
    masked = any(source.mask is not None for source in inputs.sources)
    return PixelMetrics() if masked and not log.exists() else None


def pixel_look(pixels: PixelMetrics) -> Look:
    """Compare each map with the frame's mask; a defect without one is left out: nobody knows its pixels.

    A mask that cannot be read as it was meant is left out, too, and counted.
    """

    def look(source: Source, image: Image, opinion: EdgeOpinion) -> None:
        if opinion.map is None or source.truth is None or (source.truth == DEFECT and source.mask is None):
            return
        mask, shape = None, (image.shape[0], image.shape[1])
        if source.mask is not None:
            mask = _meant(source.mask, source.truth, shape)
            if mask is None:
                pixels.left_out += 1
                return
        pixels.add(opinion.map, shape, box=opinion.map_box, mask=mask)

    return look


def _meant(mask: Mask, truth: int, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """The pixels of a mask, or None where they are not known: in doubt, boxes, or against the label."""
    if mask.boxes:
        return None
    try:
        marked = mask_pixels(mask, shape)
    except (DataError, ImageError):
        return None
    return marked if marked.any() == (truth == DEFECT) else None


def labelled(inputs: Inputs) -> Inputs:
    """The inputs of known truth.

    Raises:
        DataError: there are none.
    """
    sources = [source for source in inputs.sources if source.truth is not None]
    if not sources:
        raise DataError(
            f"{inputs.root}: no image has a known label"
            + (f" (split {inputs.split})" if inputs.split else ""),
            "give a data set with good and defect folders; `saec inspect` judges unlabelled images",
        )
    return msgspec.structs.replace(inputs, sources=sources)


def write_metrics(run: Path, metrics: Metrics) -> None:
    """``metrics.json`` of a run folder, atomic."""
    write_json(run / METRICS_FILE, metrics)


def result_notes(result: Result) -> list[str]:
    """What a reader of a line's figures must know, one sentence each."""
    info, metrics = result.info, result.metrics
    notes = list(result.notes)
    if result.cross_domain:
        notes.append(f"cross-domain: {result.cross_domain}")
    if metrics.n_error:
        notes.append(f"the figures leave out {metrics.n_error} frames with an error")
    if metrics.n_provisional:
        notes.append(
            f"for {metrics.n_provisional} frames the figures use the edge's provisional label, because "
            "the cloud failed on them"
        )
    if metrics.n_mask_out:
        notes.append(
            f"the pixel figures leave out {metrics.n_mask_out} frames whose masks are boxes or unclear; "
            f"`saec data check {result.task.dataset}` names them"
        )
    if info is not None and info.cloud is not None:
        notes.append(info.cloud.reason)
    if info is not None:
        notes += [note for note in info.notes if note.startswith(("Score drift", LEFT_OUT))]
    return notes


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """The figures as one object: those of the line for a single one, else one object per line.

    Several lines give ``{"lines": {NAME: figures}, "mean": figures}``. Where a category has several
    lines (seeds), ``"seeds"`` holds mean and deviation of each figure per category and, under "mean", of
    the seeds' own means over the categories.
    """
    if len(results) == 1:
        return line_figures(results[0])
    answer: dict[str, Any] = {
        "lines": {result.task.name: line_figures(result) for result in results},
        "mean": mean_row([result.metrics for result in results]),
    }
    groups = by_category(results)
    if any(len(group) > 1 for group in groups.values()):
        answer["seeds"] = {name: over_seeds([r.metrics for r in group]) for name, group in groups.items()}
        answer["seeds"]["mean"] = over_seeds(seed_means(results))
    return answer


def line_figures(result: Result) -> dict[str, Any]:
    """The figures of one line by their names, and under "cross_domain" the label of that name or null."""
    plain: dict[str, Any] = msgspec.to_builtins(result.metrics)
    return {**plain, "cross_domain": result.cross_domain}


def seed_means(results: Sequence[Result]) -> list[Metrics]:
    """The mean over its categories, for each seed."""
    seeds: dict[str, list[Metrics]] = {}
    for result in results:
        seeds.setdefault(result.task.run, []).append(result.metrics)
    plain = [mean_row(rows) for rows in seeds.values()]
    return [convert({**row, **dict.fromkeys(TIMES)}, Metrics) for row in plain]


def by_category(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results of each category, in the order of their first."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.task.category, []).append(result)
    return groups


def _with_truth(verdict: VerdictRecord, source: Source | None) -> VerdictRecord:
    """The verdict with the label and the kind that the data set says, where the log does not know them."""
    if source is None:
        return verdict
    if verdict.truth is None:
        return msgspec.structs.replace(verdict, truth=source.truth, true_kind=true_kind(source))
    if verdict.truth == source.truth and not verdict.true_kind:
        return msgspec.structs.replace(verdict, true_kind=true_kind(source))
    return verdict
