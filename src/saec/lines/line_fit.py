"""Make a line profile: goods fit the detector and set the threshold, defects only calibrate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saec.data.copies import distinct
from saec.data.dataset import Dataset
from saec.data.folds import group_ids, part_folds
from saec.data.holdout import hold_out, undivided
from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.data.manifest import Manifest, check_disjoint, hash_item
from saec.edge.preparation import check_roi
from saec.edge.training.detector_fit import DetectorFit
from saec.edge.training.fit_records import Fitted, Goods
from saec.errors import DataError, LineError
from saec.extensions import VERSION
from saec.lines.defect_sizes import smallest_defect
from saec.profile import Calibration, LineProfile, LineRecord
from saec.scene.complexity import Complexity, features, fit_norm
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.threshold_choices import check_defects
from saec.schedule.policies.expected_value import with_asking
from saec.settings import FitConfig, GateConfig
from saec.settings.threshold_rule import requested_rule
from saec.types import DEFECT, GOOD, Image

OUTLYING = 5.0
"""Goods this many interquartile ranges above the upper quartile of cross-fitted scores look contaminated."""

Progress = Callable[[str, int, int], None]


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
        dataset: its train goods are fitted on; its train defects, if any, calibrate P(defect).
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
    found = _train_goods(dataset)
    manifest = manifest_for(dataset, found, dataset.select("train", DEFECT))
    images = _train_images(dataset, found, config, progress)
    check_defects(rule, len(images.defects))
    goods = _goods(images, config, roi_mask)
    with whole(target) as partial:
        fitted = fit_detector(goods, config, partial, progress)
        complexity, calibration, notes = _measured(fitted, goods, images, config, gate, created, progress)
        _references(partial, [images.goods[i].path for i in fitted.order[: max(config.keep_references, 1)]])
        manifest.write(partial)
        line = LineRecord(
            name=target.name,
            created=created,
            saec=VERSION,
            dataset=str(dataset.root.absolute()),
            preparation=msgspec.structs.replace(fitted.preparation, frame=goods.size),
            detector=fitted.detector,
            calibration=calibration.version,
            complexity=complexity.norm,
            fit=msgspec.to_builtins(config),
        )
        LineProfile.create(partial, line, calibration)
    summary = FitSummary(
        len(images.goods),
        images.copies,
        len(images.defects),
        _outlying(images.goods, fitted.scores),
        [*(_drawn(dataset, config) if drawn else ()), *fitted.notes, *notes],
    )
    return LineProfile.open(target), summary


@dataclass(frozen=True, slots=True)
class _TrainImages:
    """The distinct train images, each list with its sha256s; ``copies`` goods were left out."""

    goods: list[Item]
    hashes: list[str]
    defects: list[Item]
    defect_hashes: list[str]
    copies: int


def _train_images(dataset: Dataset, found: list[Item], config: FitConfig, progress: Progress) -> _TrainImages:
    goods = distinct(found, bits=config.bits, varied=True, step=lambda at, of: progress("copies", at, of))
    defects = distinct(dataset.select("train", DEFECT), bits=config.bits)
    return _TrainImages(goods.items, goods.hashes, defects.items, defects.hashes, goods.left_out)


def _measured(
    fitted: Fitted,
    goods: Goods,
    images: _TrainImages,
    config: FitConfig,
    gate: GateConfig,
    created: str,
    progress: Progress,
) -> tuple[Complexity, Calibration, list[str]]:
    """The complexity norm, the calibration, and what the parity gate says of the exported graph.

    Raises:
        ParityError: the exported graph disagrees with the fitted detector.
    """
    defects, defect_hashes = images.defects, images.defect_hashes
    frames = _ticked(goods.frames(), len(images.goods), progress)
    complexity, complexities = _complexities(
        frames, images.hashes, _frames(defects, config.bits), defect_hashes
    )
    scores = dict(zip(images.hashes, fitted.scores.tolist(), strict=True))
    calibration = _calibrated(fitted, scores, defects, defect_hashes, config, gate, created)
    calibration = with_asking(msgspec.structs.replace(calibration, complexities=complexities))
    gated = fitted.gate(calibration.threshold, _frames(defects, config.bits))
    return complexity, msgspec.structs.replace(calibration, threshold=gated.threshold), gated.notes


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


def _goods(images: _TrainImages, config: FitConfig, roi_mask: Path | None) -> Goods:
    items, hashes = images.goods, images.hashes
    groups = group_ids([i.part for i in items], hashes)
    folds = part_folds(groups, min(config.folds, len(set(groups))), config.seed)

    height, width = _typical_size(_frames(items, config.bits), min(len(items), 25))
    check_roi(config.roi, height, width)
    defect_px = smallest_defect(images.defects, (height, width))
    return Goods(len(items), lambda: _frames(items, config.bits), folds, (height, width), roi_mask, defect_px)


def _frames(items: Iterable[Item], bits: int) -> Iterator[Image]:
    for item in items:
        yield read_image(item.path, bits=bits)


def _typical_size(frames: Iterable[Image], count: int) -> tuple[int, int]:
    """Median height and width of the first frames."""
    sizes = [frame.shape[:2] for _, frame in zip(range(count), frames, strict=False)]
    height, width = np.median(np.array(sizes), axis=0)
    return int(height), int(width)


def _complexities(
    goods: Iterable[Image], hashes: list[str], defects: Iterable[Image], defect_hashes: list[str]
) -> tuple[Complexity, dict[str, float]]:
    """Complexity in the norm that the line's goods set, and that of each image by hash."""
    seen = [features(image) for image in goods]
    complexity = Complexity(fit_norm(seen))
    found = {sha: complexity.of_features(f) for sha, f in zip(hashes, seen, strict=True)}
    found |= {sha: complexity.of(image) for sha, image in zip(defect_hashes, defects, strict=True)}
    return complexity, found


def _ticked(frames: Iterable[Image], count: int, progress: Progress) -> Iterator[Image]:
    for i, frame in enumerate(frames):
        yield frame
        progress("complexity", i + 1, count)


def _calibrated(
    fitted: Fitted,
    scores: dict[str, float],
    defects: list[Item],
    defect_hashes: list[str],
    config: FitConfig,
    gate: GateConfig,
    created: str,
) -> Calibration:
    defect_scores = {
        sha: fitted.score(read_image(item.path, bits=config.bits))
        for sha, item in zip(defect_hashes, defects, strict=True)
    }
    calibration = calibrate(
        scores,
        list(defect_scores.values()),
        rule=requested_rule(config.overkill_rate, config.escape_rate, config.cost),
        gate=gate,
        prevalence=config.prevalence,
        created=created,
    )
    changes: dict[str, Any] = {"defect_scores": defect_scores}
    if fitted.threshold is not None:
        low, high = calibration.gate.low, calibration.gate.high
        changes["threshold"] = fitted.threshold
        changes["by_hand"] = {"threshold": fitted.threshold}  # the rule's, not the overkill rate's
        changes["gate"] = msgspec.structs.replace(
            calibration.gate, low=min(low, fitted.threshold), high=max(high, fitted.threshold)
        )
    return msgspec.structs.replace(calibration, **changes)


def _references(folder: Path, paths: list[Path]) -> None:
    target = folder / "references"
    target.mkdir()
    for rank, path in enumerate(paths):
        shutil.copyfile(path, target / f"{rank:02d}{path.suffix.lower()}")


def _outlying(items: list[Item], scores: np.ndarray[Any, np.dtype[np.float64]]) -> list[str]:
    low, high = np.quantile(scores, (0.25, 0.75))
    limit = high + OUTLYING * (high - low)
    return [str(items[i].path) for i in np.argsort(-scores) if scores[i] > limit]
