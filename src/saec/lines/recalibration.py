"""Redo a line's calibration without refitting: thresholds, P(defect), and how far a cloud is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from saec import edge
from saec.contracts import EdgeDetector
from saec.data.copies import picture_hash
from saec.data.dataset import Dataset, Item
from saec.data.holdout import divided_by
from saec.data.images.pixels import read_image
from saec.data.manifest import Manifest
from saec.data.parts import PartIds
from saec.errors import ConfigError, DataError, LeakError
from saec.frame.judges import Cloud
from saec.lines.calibration_images import check_given
from saec.lines.certificate import CalibrationScores, certify_line, score_stand_ins
from saec.lines.leaks import tuned_on
from saec.lines.trust_questions import TrustQuestions
from saec.profile import Calibration, Certificate, CloudTrust, Gate, LineProfile, sha256_file
from saec.scene.complexity import Complexity
from saec.schedule.calibration.certified_risk import certified_gate
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.trust import MIN_LABELLED, trust_cloud
from saec.schedule.policies.expected_value import measure_mending, with_asking
from saec.settings import GateConfig, RiskConfig
from saec.types import DEFECT, GOOD

MOST_ASKED = 100
"""Goods, and defects, that a cloud is asked about at most to find out how far it can be trusted."""

_ENDS = ("gate_low", "gate_high", "p_low", "p_high")
_RISK = ("alpha", "beta", "delta")

Step = Callable[[str], None]
Labelled = tuple[Path, str]
"""A file and its sha256."""

T = TypeVar("T")


class RecalibrationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a new calibration; None keeps what the line has.

    Attributes:
        overkill: share of goods that may be rejected.
        prevalence: share of defects at which P(defect) is stated.
        threshold, gate_low, gate_high: scores given by hand. They hold until another overkill rate or
            other goods; an end of the gate gives way to a threshold that is given later.
        p_low, p_high: P(defect) between which the edge is not sure; each replaces that end's score.
        alpha, beta, delta: the risk that the gate is certified for; any of them asks for a certificate,
            which holds until an end of the gate is given otherwise.
        stand_ins: procedural defects to paint on goods for the certificate; 0 forgets them.
    """

    overkill: float | None = None
    prevalence: float | None = None
    threshold: float | None = None
    gate_low: float | None = None
    gate_high: float | None = None
    p_low: float | None = None
    p_high: float | None = None
    alpha: float | None = None
    beta: float | None = None
    delta: float | None = None
    stand_ins: int | None = None


def recalibrate(
    profile: LineProfile,
    wish: RecalibrationRequest,
    *,
    created: str,
    goods: Sequence[Path] = (),
    defects: Sequence[Path] = (),
    dataset: Dataset | None = None,
    parts: PartIds | None = None,
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
        parts: part ids of the goods and defects that are new; without it each such image is a part.
        cloud: a cloud model to be judged on the labelled calibration images.
        step: called with the name of each thing scored or asked, for a progress bar.

    Raises:
        LeakError: a good or a defect given is held out, by the data set or the line's own, or the cloud was
            tuned on so many of the labelled images that too few are left to measure it on.
        ConfigError: a gate without the threshold or asked for in two ways; no images for cloud or stand-ins.
        DataError: too few goods, or an image given with another label than a data set gives it.
    """
    manifest = _manifest(profile)
    dataset = None if dataset is None else divided_by(dataset, manifest)
    labelled = [*defects, *_paths(dataset, "train", DEFECT)]
    bits = profile.line.preparation.bits
    new_goods, new_defects = _shown_once(_hashed(goods), bits), _shown_once(_hashed(labelled), bits)
    check_given(profile, manifest, dataset, goods=new_goods, defects=new_defects)
    _enter(manifest, new_goods, new_defects, parts)

    old = profile.calibration
    detector = edge.open_detector(profile) if new_goods or new_defects or cloud or wish.stand_ins else None
    good_scores = _scores(profile, detector, new_goods, old.good_scores, step)
    defect_scores = _scores(profile, detector, new_defects, old.defect_scores, step)
    units = {sha: entry.part for sha, entry in manifest.roles.items()}
    stand_ins = old.stand_ins if wish.stand_ins is None else {}
    if wish.stand_ins and detector:
        painted_on = _known_goods(good_scores, dataset, new_goods)
        stand_ins = score_stand_ins(profile, detector, painted_on, units, wish.stand_ins, step=step)
    known = CalibrationScores(goods=good_scores, defects=defect_scores, stand_ins=stand_ins, parts=units)
    calibration = _calibration(old, known, wish, created)
    complexities = _complexities(profile, {**new_goods, **new_defects}, old.complexities)
    calibration = with_asking(msgspec.structs.replace(calibration, complexities=complexities))
    draft = LineProfile(profile.folder, profile.line, calibration)
    if cloud is not None:
        fitted_on = _known_goods(good_scores, dataset, new_goods)
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
    the cloud is shown are left out: it would compare them with themselves. So are those that it was tuned
    on: it knows their labels.

    Raises:
        LeakError: the cloud was tuned on so many of them that too few are left.
    """
    shown = {sha256_file(path) for path in profile.references(cloud.config.references)}
    # Without a defect nothing can be told, so nothing is asked.
    others = [(path, sha) for path, sha in goods if sha not in shown] if defects else []
    bad = [(path, sha256_file(path)) for path in defects]
    tuned = tuned_on(cloud.config)
    unseen_goods, unseen_defects = (
        _unseen(cloud, tuned, others, "goods"),
        _unseen(cloud, tuned, bad, "defects"),
    )
    left_out = len(others) + len(bad) - len(unseen_goods) - len(unseen_defects)
    chosen_goods, chosen_defects = _sample(unseen_goods), [path for path, _ in _sample(unseen_defects)]
    known = profile.calibration.good_scores
    if any(sha not in known for _, sha in chosen_goods) or chosen_defects:
        detector = detector or edge.open_detector(profile)
    bits = profile.line.preparation.bits
    questions = TrustQuestions(profile, cloud, detector)

    def look(path: Path) -> float:
        assert detector is not None
        return _score(detector, path, bits)

    good_scores = [known[sha] if sha in known else look(path) for path, sha in chosen_goods]
    defect_scores = [look(path) for path in chosen_defects]
    opinions = (
        good_scores,
        defect_scores,
        questions.answers([path for path, _ in chosen_goods], good_scores, step),
        questions.answers(chosen_defects, defect_scores, step),
    )
    trust = trust_cloud(cloud.engine.name, cloud.engine.prompt, *opinions, profile.calibration)
    mending = measure_mending(profile.calibration, trust, *opinions)
    return msgspec.structs.replace(trust, left_out=left_out, mending=mending)


def _unseen(cloud: Cloud, tuned: set[str], images: list[Labelled], what: str) -> list[Labelled]:
    """The images that are not among those that the cloud was tuned on.

    Raises:
        LeakError: leaving the others out leaves too few.
    """
    unseen = [(path, sha) for path, sha in images if sha not in tuned]
    if len(unseen) < min(MIN_LABELLED, len(images)):
        raise LeakError(
            f"{cloud.config.adapter or cloud.config.model} was tuned on {len(images) - len(unseen)} of the "
            f"{len(images)} {what} that would measure it",
            f"give {MIN_LABELLED} or more that it was not tuned on with --{what}, or tune it without these",
        )
    return unseen


def _calibration(
    old: Calibration, known: CalibrationScores, wish: RecalibrationRequest, created: str
) -> Calibration:
    """The new thresholds; clouds stay trusted only if what their fusion was fitted on stays."""
    hand = _by_hand(old, wish, same_goods=known.goods == old.good_scores)
    certificate = _certificate(old, known, wish)
    if certificate is not None:
        hand = {name: value for name, value in hand.items() if name == "threshold"}
    new = calibrate(
        known.goods,
        list(known.defects.values()) or old.defects,
        overkill=old.overkill if wish.overkill is None else wish.overkill,
        gate=GateConfig(**{end: hand[end] for end in ("p_low", "p_high") if end in hand}),
        prevalence=old.prevalence if wish.prevalence is None else wish.prevalence,
        created=created,
    )
    threshold = hand.get("threshold", new.threshold)
    new = msgspec.structs.replace(
        new,
        threshold=threshold,
        gate=certified_gate(certificate, threshold) if certificate else _gate(new.gate, threshold, hand),
        defect_scores=dict(known.defects),
        by_hand=hand,
        stand_ins=dict(known.stand_ins),
        certificate=certificate,
    )
    return msgspec.structs.replace(new, clouds=old.clouds if _fuses_alike(old, new) else {})


def _certificate(
    old: Calibration, known: CalibrationScores, wish: RecalibrationRequest
) -> Certificate | None:
    """The certificate that is asked for now, or was and still stands, on the scores as they are now."""
    ends = [name for name in _ENDS if getattr(wish, name) is not None]
    asked = {name: value for name in _RISK if (value := getattr(wish, name)) is not None}
    if not asked and not wish.stand_ins and (ends or old.certificate is None):
        return None
    if ends:
        raise ConfigError(
            f"a certified gate, and {ends[0]} given by hand",
            "give alpha, beta and delta, or the ends of the gate",
        )
    before = {name: getattr(old.certificate, name) for name in _RISK} if old.certificate else {}
    return certify_line(known, RiskConfig(**before | asked))


def _fuses_alike(old: Calibration, new: Calibration) -> bool:
    """Whether a fusion that was fitted under the old calibration still holds what it promises.

    The gate counts: through it go the goods on which the fused overkill was held.
    """

    def basis(c: Calibration) -> tuple[object, ...]:
        return c.threshold, c.p_defect, c.prevalence, c.gate.low, c.gate.high

    return basis(old) == basis(new)


def _by_hand(old: Calibration, wish: RecalibrationRequest, *, same_goods: bool) -> dict[str, float]:
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


def _complexities(
    profile: LineProfile, images: Mapping[str, Path], known: Mapping[str, float]
) -> dict[str, float]:
    """Complexities by hash: those that are known stay, those of new images are measured."""
    found = dict(known)
    if profile.line.complexity:
        complexity = Complexity(profile.line.complexity)
        for sha, path in images.items():
            if sha not in found:
                found[sha] = complexity.of(read_image(path, bits=profile.line.preparation.bits))
    return found


def _known_goods(
    known: Mapping[str, float], dataset: Dataset | None, new: Mapping[str, Path]
) -> list[tuple[Path, str]]:
    """Files of calibration goods: the new ones, and those of the data set that the line was fitted on."""
    found = {**_hashed(_paths(dataset, "train", GOOD)), **new}
    goods = [(path, sha) for sha, path in found.items() if sha in known]
    if not goods:
        raise ConfigError(
            "none of the goods that the line was fitted on is at hand to judge a cloud on or to paint on",
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


def _shown_once(images: Mapping[str, Path], bits: int) -> dict[str, Path]:
    """Without those that show another's picture in other bytes: one part must not count twice."""
    first: dict[str, str] = {}
    for sha, path in images.items():
        first.setdefault(picture_hash(read_image(path, bits=bits)), sha)
    return {sha: images[sha] for sha in first.values()}


def _manifest(profile: LineProfile) -> Manifest:
    path = profile.folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{path} is missing", "fit the line again: without it leaks cannot be found")
    return Manifest.read(path)


def _enter(
    manifest: Manifest, goods: Mapping[str, Path], defects: Mapping[str, Path], parts: PartIds | None
) -> None:
    """Note what is calibrated on; a good that the line was fitted on keeps its role.

    What was held out when the line was fitted and is no longer, as ``check_given`` has seen, has a new role.
    """
    for sha in {*goods, *defects} & manifest.having("holdout").keys():
        del manifest.roles[sha]
    fitted = manifest.having("train")
    unseen = {sha: path for sha, path in goods.items() if sha not in fitted or fitted[sha].label != GOOD}
    for images, label in ((unseen, GOOD), (defects, DEFECT)):
        items = [
            Item(path=path, label=label, part=parts.of(path)[0] if parts else "") for path in images.values()
        ]
        manifest.add("calibration", items, hashes=list(images))


def _sample(items: list[T]) -> list[T]:
    if len(items) <= MOST_ASKED:
        return items
    chosen = np.random.default_rng(0).choice(len(items), MOST_ASKED, replace=False)
    return [items[i] for i in sorted(chosen)]
