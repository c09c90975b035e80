"""Make a line profile: goods and labelled defects fit the detector and set the threshold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saec.data.dataset import Dataset
from saec.data.holdout import hold_out, undivided
from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.data.manifest import Manifest, check_disjoint, hash_item
from saec.edge.learning.fit_contract import DetectorFit, FitStart, Fitted, ImageOf, Progress
from saec.edge.preparation import check_roi
from saec.errors import DataError, LineError
from saec.extensions import VERSION
from saec.lines.defect_sizes import smallest_defect
from saec.lines.train_images import TrainImages, learn_from
from saec.profile import Calibration, LineProfile, LineRecord
from saec.scene.complexity import Complexity, fit_norm
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.threshold_choices import check_defects
from saec.schedule.policies.expected_value import with_asking
from saec.settings import FitConfig, GateConfig
from saec.settings.threshold_rule import requested_rule
from saec.types import DEFECT, GOOD

OUTLYING = 5.0
"""Goods this many interquartile ranges above the upper quartile of cross-fitted scores look contaminated."""

_SIZED = 25
"""Goods whose typical size is the line's."""


@dataclass(frozen=True, slots=True)
class FitSummary:
    """What the fit has to say.

    Attributes:
        goods, duplicates, defects: distinct good images, copies left out, calibration defects.
        contaminated: paths of goods whose score stands far out.
        notes: sentences about the detector (parity, whether more goods would help).
    """

    goods: int
    duplicates: int
    defects: int
    contaminated: list[str]
    notes: list[str]


def fit_line(
    dataset: Dataset,
    out: Path,
    fit_detector: DetectorFit,
    *,
    config: FitConfig,
    gate: GateConfig,
    created: str,
    roi_mask: Path | None = None,
    force: bool = False,
    progress: Progress = lambda _what, _done, _of: None,
) -> tuple[LineProfile, FitSummary]:
    """Fit a line profile on the data set's train split and write it to ``out``, whole or not at all.

    Of a data set without splits a share is drawn and held out (``config.holdout_share``). What is held out
    stands in the line's manifest, so that it is never calibrated on, from whatever folder it comes.

    Args:
        dataset: its train goods are fitted on, and its train defects if there are any.
        out: folder of the profile; made.
        fit_detector: the kind of detector.
        created: ISO time.
        roi_mask: image whose non-zero pixels are judged; of the frames' size.
        force: replace a profile that stands there.

    Raises:
        DataError: no or too few train goods, or all of them one picture; a name that is no UTF-8; too few
            labelled defects for the rule of the threshold.
        ConfigError: two rules for the threshold.
        LeakError: a train image stands in the hold-out too.
        LineError: ``out`` exists.
        ParityError: the exported graph disagrees with the fitted detector.
    """
    _check_out(out, force)
    rule = requested_rule(config.overkill_rate, config.escape_rate, config.cost)
    target = out.resolve()
    if drawn := undivided(dataset):
        dataset = hold_out(dataset, config.holdout_share, seed=config.seed)
    found, labelled = _train_goods(dataset), dataset.select("train", DEFECT)
    check_defects(rule, len(labelled))
    manifest = manifest_for(dataset, found, labelled)
    size = _typical_size(found, config.bits)
    check_roi(config.roi, *size)
    with whole(target) as partial:
        defect_px = smallest_defect(labelled, size)
        learner = fit_detector(FitStart(size, config, partial, roi_mask, defect_px, progress))
        images = learn_from(learner, found, labelled, bits=config.bits, progress=progress)
        check_defects(rule, len(images.defects))
        fitted = learner.finish()
        norm = fit_norm([images.measured[sha] for sha in images.goods])
        calibration = _calibrated(fitted, images, norm, config, gate, created)
        calibration, gated = gated_calibration(fitted, calibration, images.reader(config.bits))
        _references(partial, [images.goods[sha].path for sha in fitted.order[: config.keep_references]])
        manifest.write(partial)
        line = LineRecord(
            name=target.name,
            created=created,
            saec=VERSION,
            dataset=str(dataset.root.absolute()),
            preparation=msgspec.structs.replace(fitted.preparation, frame=size),
            detector=fitted.detector,
            calibration=calibration.version,
            complexity=norm,
            kinds=fitted.kinds,
            fit=msgspec.to_builtins(config),
        )
        LineProfile.create(partial, line, calibration)
    summary = FitSummary(
        len(images.goods),
        images.left_out,
        len(images.defects),
        _outlying(images.goods, fitted.goods),
        [*(_drawn(dataset, config) if drawn else ()), *fitted.notes, *gated],
    )
    return LineProfile.open(target), summary


def _check_out(out: Path, force: bool) -> None:
    if not out.exists():
        return
    if not force:
        raise LineError(
            f"{out} exists already",
            "choose another folder for out, or replace it: --force, or force=True in Python",
        )
    if not (out / "line.json").is_file():
        raise LineError(f"{out} exists and is not a line profile", "choose another folder for out")


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes its place if nothing fails; a profile that stood there goes last."""
    partial, old = (target.with_name(f".{target.name}.{state}") for state in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as e:
        raise LineError(f"{target} cannot be made: {e.strerror or e}", "choose another folder for out") from e
    try:
        yield partial
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.replace(old)
        partial.replace(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _train_goods(dataset: Dataset) -> list[Item]:
    items = dataset.select("train", GOOD)
    if not items:
        remedy = "put good images into train/good, or name their folder as goods"
        if all(item.label is None for item in dataset.items):
            remedy = (
                f"if all images are good, name {dataset.root} as goods; else sort them into good and defect"
            )
        raise DataError(f"{dataset.root} has no good images to fit on (layout {dataset.layout})", remedy)
    return items


def _drawn(dataset: Dataset, config: FitConfig) -> list[str]:
    """What was held out of a data set without splits."""
    goods, defects = (len(dataset.select("test", label)) for label in (GOOD, DEFECT))
    return [
        f"the data set has no splits: {goods} good images and {defects} defects "
        f"({100 * config.holdout_share:g} %, drawn with seed {config.seed}) are held out for `saec evaluate`"
    ]


def manifest_for(dataset: Dataset, goods: list[Item], defects: list[Item]) -> Manifest:
    """All images with their roles, copies included, so that none ever serves another one."""
    about = {"command": "fit", "dataset": str(dataset.root), "layout": dataset.asked}
    manifest = Manifest(about=about)
    manifest.add("train", goods)
    manifest.add("calibration", defects)
    held_out = {hash_item(item): item for item in reversed(dataset.select(("test", "val")))}
    check_disjoint({sha: str(item.path) for sha, item in held_out.items()}, manifest)
    manifest.add("holdout", held_out.values(), hashes=list(held_out))
    return manifest


def _typical_size(items: list[Item], bits: int) -> tuple[int, int]:
    """Median height and width of the first frames."""
    sizes = [read_image(item.path, bits=bits).shape[:2] for item in items[:_SIZED]]
    height, width = np.median(np.array(sizes), axis=0)
    return int(height), int(width)


def _calibrated(
    fitted: Fitted,
    images: TrainImages,
    norm: dict[str, tuple[float, float]],
    config: FitConfig,
    gate: GateConfig,
    created: str,
) -> Calibration:
    calibration = calibrate(
        fitted.goods,
        list(fitted.defects.values()),
        rule=requested_rule(config.overkill_rate, config.escape_rate, config.cost),
        gate=gate,
        prevalence=config.prevalence,
        created=created,
    )
    complexity = Complexity(norm)
    changes: dict[str, Any] = {
        "defect_scores": fitted.defects,
        "complexities": {sha: complexity.of_features(seen) for sha, seen in images.measured.items()},
    }
    if fitted.threshold is not None:
        low, high = calibration.gate.low, calibration.gate.high
        changes["threshold"] = fitted.threshold
        changes["by_hand"] = {"threshold": fitted.threshold}  # the rule's, not the overkill rate's
        changes["gate"] = msgspec.structs.replace(
            calibration.gate, low=min(low, fitted.threshold), high=max(high, fitted.threshold)
        )
    return with_asking(msgspec.structs.replace(calibration, **changes))


def gated_calibration(
    fitted: Fitted, calibration: Calibration, image_of: ImageOf
) -> tuple[Calibration, list[str]]:
    """The calibration whose threshold the exported graph agrees with, and what the parity gate says.

    Raises:
        ParityError: the exported graph disagrees with the fitted detector.
    """
    gated = fitted.gate(calibration.threshold, image_of)
    return msgspec.structs.replace(calibration, threshold=gated.threshold), gated.notes


def _references(folder: Path, paths: list[Path]) -> None:
    target = folder / "references"
    target.mkdir()
    for rank, path in enumerate(paths):
        shutil.copyfile(path, target / f"{rank:02d}{path.suffix.lower()}")


def _outlying(items: Mapping[str, Item], scores: Mapping[str, float]) -> list[str]:
    low, high = np.quantile(list(scores.values()), (0.25, 0.75))
    limit = high + OUTLYING * (high - low)
    ordered = sorted(scores.items(), key=lambda scored: -scored[1])
    return [str(items[sha].path) for sha, score in ordered if score > limit]
