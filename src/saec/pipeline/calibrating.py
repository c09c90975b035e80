"""Redo a line's calibration without refitting: thresholds, P(defect), and how far a cloud is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from saec import edge
from saec.config import GateConfig
from saec.data.dataset import Dataset, Item
from saec.data.images import read_image
from saec.data.manifest import Manifest, check_disjoint
from saec.errors import AnswerError, ConfigError, DataError
from saec.line import Calibration, CloudTrust, Gate, LineProfile, sha256_file
from saec.pipeline.loading import Cloud, read_references
from saec.schedule.calibration import calibrate
from saec.schedule.fusion import trust_cloud
from saec.verdict import DEFECT, GOOD, CloudQuery, EdgeDetector, Frame, Image

MOST_ASKED = 100
"""Goods, and defects, that a cloud is asked about at most to find out how far it can be trusted."""

Step = Callable[[str], None]
T = TypeVar("T")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a new calibration; None keeps what the line has.

    Attributes:
        overkill: share of goods that may be rejected.
        prevalence: share of defects at which P(defect) is stated.
        threshold, gate_low, gate_high: scores given by hand. They hold until another overkill rate or
            other goods; an end of the gate gives way to a threshold that is given later.
        p_low, p_high: P(defect) between which the edge is not sure; each replaces that end's score.
    """

    overkill: float | None = None
    prevalence: float | None = None
    threshold: float | None = None
    gate_low: float | None = None
    gate_high: float | None = None
    p_low: float | None = None
    p_high: float | None = None


def recalibrate(
    profile: LineProfile,
    wish: Wish,
    *,
    created: str,
    goods: Sequence[Path] = (),
    defects: Sequence[Path] = (),
    dataset: Dataset | None = None,
    cloud: Cloud | None = None,
    step: Step = lambda name: None,
) -> LineProfile:
    """Make the next calibration of a line and make it the current one; the older ones stay.

    Args:
        profile: the line.
        wish: what is asked.
        created: ISO time.
        goods: further goods. One that the line was fitted on keeps its cross-fitted score.
        defects: labelled defects; the defects of the data set's train split are added to them.
        dataset: the line's data set, for its train defects, for the check against its hold-out, and for
            the images of the goods that a cloud is asked about.
        cloud: a cloud model to be judged on the labelled calibration images.
        step: called with the name of each thing scored or asked, for a progress bar.

    Raises:
        LeakError: a good or a defect given stands in the data set's hold-out.
        ConfigError: a gate that does not contain the threshold, or a cloud without images to judge it on.
        DataError: too few goods.
    """
    labelled = [*defects, *_paths(dataset, "train", DEFECT)]
    new_goods, new_defects = _hashed(goods), _hashed(labelled)
    manifest = _manifest(profile)
    _check_holdout(dataset, {**new_goods, **new_defects})
    _enter(manifest, new_goods, new_defects)

    old = profile.calibration
    detector = edge.open_detector(profile) if new_goods or new_defects or cloud else None
    good_scores = _scores(profile, detector, new_goods, old.good_scores, step)
    defect_scores = _scores(profile, detector, new_defects, old.defect_scores, step)
    calibration = _calibration(old, good_scores, defect_scores, wish, created)
    draft = LineProfile(profile.folder, profile.line, calibration)
    if cloud is not None:
        fitted_on = _known_goods(draft, dataset, new_goods)
        trust = trust_on(draft, cloud, fitted_on, list(new_defects.values()), detector=detector, step=step)
        clouds = {**calibration.clouds, cloud.key: trust}
        calibration = msgspec.structs.replace(calibration, clouds=clouds)
    # The manifest first: an interruption must not leave images that were used and stand nowhere.
    manifest.write(profile.folder / "manifest.json")
    return profile.recalibrated(calibration)


def trust_on(
    profile: LineProfile,
    cloud: Cloud,
    goods: Sequence[tuple[Path, str]],
    defects: Sequence[Path],
    *,
    detector: EdgeDetector | None = None,
    step: Step = lambda name: None,
) -> CloudTrust:
    """Ask a cloud about labelled calibration images and decide how far it is trusted on the line.

    Args:
        profile: the line with its calibration.
        cloud: the model.
        goods: file and sha256 of goods; the edge's score of one that the line was fitted on is its
            cross-fitted one.
        defects: files of labelled defects that are in no hold-out.

    At most ``MOST_ASKED`` of each are asked about, drawn with a fixed seed. The reference images that
    the cloud is shown are left out: it would compare them with themselves.
    """
    shown = {sha256_file(path) for path in profile.references(cloud.config.references)}
    chosen_defects = _sample(list(defects))
    # Without a defect nothing can be told, so nothing is asked.
    chosen_goods = _sample([(path, sha) for path, sha in goods if sha not in shown]) if defects else []
    known = profile.calibration.good_scores
    if any(sha not in known for _, sha in chosen_goods) or chosen_defects:
        detector = detector or edge.open_detector(profile)
    references = read_references(profile, cloud.config.references)
    bits = profile.line.preparation.bits

    def look(path: Path) -> float:
        assert detector is not None
        return _score(detector, path, bits)

    def ask(paths: Sequence[Path]) -> list[float]:
        return _ask(cloud, paths, references, bits, step)

    return trust_cloud(
        cloud.engine.name,
        cloud.prompt,
        [known[sha] if sha in known else look(path) for path, sha in chosen_goods],
        [look(path) for path in chosen_defects],
        ask([path for path, _ in chosen_goods]),
        ask(chosen_defects),
        profile.calibration,
    )


def _calibration(
    old: Calibration, goods: Mapping[str, float], defects: Mapping[str, float], wish: Wish, created: str
) -> Calibration:
    """The new thresholds; clouds stay trusted only if what their fusion was fitted on stays."""
    hand = _by_hand(old, wish, same_goods=goods == old.good_scores)
    new = calibrate(
        goods,
        list(defects.values()) or old.defects,
        overkill=old.overkill if wish.overkill is None else wish.overkill,
        gate=GateConfig(**{end: hand[end] for end in ("p_low", "p_high") if end in hand}),
        prevalence=old.prevalence if wish.prevalence is None else wish.prevalence,
        created=created,
    )
    threshold = hand.get("threshold", new.threshold)
    new = msgspec.structs.replace(
        new,
        threshold=threshold,
        gate=_gate(new.gate, threshold, hand),
        defect_scores=dict(defects),
        by_hand=hand,
    )
    return msgspec.structs.replace(new, clouds=old.clouds if _fuses_alike(old, new) else {})


def _fuses_alike(old: Calibration, new: Calibration) -> bool:
    """Whether a fusion that was fitted under the old calibration still holds what it promises.

    The gate counts: through it go the goods on which the fused overkill was held.
    """

    def basis(c: Calibration) -> tuple[object, ...]:
        return c.threshold, c.p_defect, c.prevalence, c.gate.low, c.gate.high

    return basis(old) == basis(new)


def _by_hand(old: Calibration, wish: Wish, *, same_goods: bool) -> dict[str, float]:
    """What is given by hand now, and what was and still holds."""
    names = ("threshold", "gate_low", "gate_high", "p_low", "p_high")
    given = {name: value for name in names if (value := getattr(wish, name)) is not None}
    kept = dict(old.by_hand)
    if wish.overkill is not None or not same_goods:
        kept = {name: value for name, value in kept.items() if name in ("p_low", "p_high")}
    for end in ("low", "high"):
        if f"p_{end}" in given:
            kept.pop(f"gate_{end}", None)
    if "threshold" in given:
        for end, outermost in (("gate_low", min), ("gate_high", max)):
            if end in kept:
                kept[end] = outermost(kept[end], given["threshold"])
    return kept | given


def _gate(gate: Gate, threshold: float, hand: Mapping[str, float]) -> Gate:
    """The gate with the ends given by hand; it always contains the threshold."""
    low = hand.get("gate_low", min(gate.low, threshold))
    high = hand.get("gate_high", max(gate.high, threshold))
    if not low <= threshold <= high:
        raise ConfigError(
            f"the gate {low:g} .. {high:g} does not contain the threshold {threshold:g}",
            "give --gate-low at most and --gate-high at least the threshold",
        )
    return Gate(low=low, high=high, basis=gate.basis)


def _scores(
    profile: LineProfile,
    detector: EdgeDetector | None,
    images: Mapping[str, Path],
    known: Mapping[str, float],
    step: Step,
) -> dict[str, float]:
    """Scores by hash: those that are known stay, the others are made by the line's detector."""
    scores = dict(known)
    for sha, path in images.items():
        if sha not in scores:
            assert detector is not None
            scores[sha] = _score(detector, path, profile.line.preparation.bits)
            step("edge")
    return scores


def _score(detector: EdgeDetector, path: Path, bits: int) -> float:
    (opinion,) = detector.inspect([read_image(path, bits=bits)])
    return opinion.score


def _ask(
    cloud: Cloud, paths: Sequence[Path], references: Sequence[Image], bits: int, step: Step
) -> list[float]:
    """The cloud's P(defect) of each file, a batch at a time, so that memory stays flat."""
    answers: list[float] = []
    for start in range(0, len(paths), cloud.config.batch):
        batch = paths[start : start + cloud.config.batch]
        queries = [
            CloudQuery(Frame(id=path.name, image=read_image(path, bits=bits)), tuple(references))
            for path in batch
        ]
        opinions = cloud.engine.judge(queries)
        if len(opinions) != len(queries):
            raise AnswerError(f"{cloud.engine.name} gave {len(opinions)} answers to {len(queries)} questions")
        answers.extend(opinion.p_defect for opinion in opinions)
        step("cloud")
    return answers


def _known_goods(
    profile: LineProfile, dataset: Dataset | None, new: Mapping[str, Path]
) -> list[tuple[Path, str]]:
    """Files of calibration goods: the new ones, and those of the data set that the line was fitted on."""
    found = {**_hashed(_paths(dataset, "train", GOOD)), **new}
    goods = [(path, sha) for sha, path in found.items() if sha in profile.calibration.good_scores]
    if not goods:
        raise ConfigError(
            "none of the goods that the line was fitted on is at hand, so a cloud cannot be judged",
            "name the data set that the line was fitted on",
        )
    return goods


def _paths(dataset: Dataset | None, split: str, label: int) -> list[Path]:
    return [item.path for item in dataset.select(split=split, label=label)] if dataset else []


def _hashed(paths: Iterable[Path]) -> dict[str, Path]:
    """sha256 -> file; of exact duplicates the first stays."""
    found: dict[str, Path] = {}
    for path in sorted(paths):
        found.setdefault(sha256_file(path), path)
    return found


def _manifest(profile: LineProfile) -> Manifest:
    path = profile.folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{path} is missing", "fit the line again: without it leaks cannot be found")
    return Manifest.read(path)


def _enter(manifest: Manifest, goods: Mapping[str, Path], defects: Mapping[str, Path]) -> None:
    """Note what is calibrated on; a good that the line was fitted on keeps its role."""
    fitted = manifest.having("train")
    unseen = {sha: path for sha, path in goods.items() if sha not in fitted or fitted[sha].label != GOOD}
    for images, label in ((unseen, GOOD), (defects, DEFECT)):
        items = [Item(path=path, label=label) for path in images.values()]
        manifest.add("calibration", items, hashes=list(images))


def _check_holdout(dataset: Dataset | None, given: Mapping[str, Path]) -> None:
    """Stop where an image to calibrate on stands in the data set's hold-out."""
    if dataset is None or not given:
        return
    asked = Manifest()
    asked.add("calibration", [Item(path=path) for path in given.values()], hashes=list(given))
    holdout = _hashed(item.path for item in dataset.holdout() if item.split)
    check_disjoint({sha: str(path) for sha, path in holdout.items()}, asked)


def _sample(items: list[T]) -> list[T]:
    if len(items) <= MOST_ASKED:
        return items
    chosen = np.random.default_rng(0).choice(len(items), MOST_ASKED, replace=False)
    return [items[i] for i in sorted(chosen)]
