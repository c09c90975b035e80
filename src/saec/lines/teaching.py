"""The next version of a line: taught more labelled frames, or made to forget some."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from saec.data.dataset import Dataset
from saec.data.holdout import divided_by
from saec.data.items import Item
from saec.data.manifest import FILE, Manifest, hash_item
from saec.edge.detector_kinds import detector_teaching
from saec.edge.learning.fit_contract import DetectorTeaching, Fitted, Progress, TeachableLearner
from saec.errors import DataError, LineError
from saec.lines.calibrating.certificate import CalibrationScores
from saec.lines.calibrating.requested_calibration import RecalibrationRequest, calibrate_as_asked
from saec.lines.image_conflicts import check_given
from saec.lines.leaks import manifest_of
from saec.lines.line_fit import gated_calibration, whole
from saec.lines.train_images import TrainImages, learn_from
from saec.profile import Calibration, LineProfile, sha256_file
from saec.scene.complexity import Complexity
from saec.schedule.policies.expected_value import with_asking
from saec.types import DEFECT, GOOD

_VERSION = re.compile(r"(?P<name>.+)-v(?P<number>\d+)")
_LABELS = {GOOD: "good", DEFECT: "defect"}


@dataclass(frozen=True, slots=True)
class TeachSummary:
    """What teaching has to say.

    Attributes:
        goods, defects: new frames that were taught.
        known: images left out, as they were taught before or show a picture that is given twice.
        notes: sentences about the detector, and about what of the earlier calibration is gone.
    """

    goods: int
    defects: int
    known: int
    notes: list[str]


def teach_line(
    profile: LineProfile,
    out: Path,
    *,
    goods: Sequence[Item] = (),
    defects: Sequence[Item] = (),
    dataset: Dataset | None = None,
    wish: RecalibrationRequest | None = None,
    created: str,
    progress: Progress = lambda _what, _done, _of: None,
) -> tuple[LineProfile, TeachSummary]:
    """Make the next version of a line from new labelled frames; images of earlier ones are not needed.

    Args:
        profile: the line.
        out: folder of the next version; made.
        goods, defects: new labelled images.
        dataset: the line's data set; what its train split holds is taught as well.
        wish: what is asked of the thresholds; the line's own settings stay where it says nothing.
        created: ISO time.
        progress: told of each image, and of what takes long after them.

    Raises:
        LineError: the line cannot be taught, or ``out`` exists.
        LeakError: an image is held out.
        DataError: nothing new is given, or an image that was taught with another label.
    """
    teaching: DetectorTeaching = detector_teaching(profile.line.detector.kind)
    manifest = _manifest(profile)
    _check_free(out)
    known = None if dataset is None else divided_by(dataset, manifest)
    offered = {GOOD: [*goods, *_train(known, GOOD)], DEFECT: [*defects, *_train(known, DEFECT)]}
    given = {label: _by_hash(items) for label, items in offered.items()}
    _check_labels(manifest, given)
    paths = [{sha: item.path for sha, item in given[label].items()} for label in (GOOD, DEFECT)]
    check_given(profile, manifest, known, goods=paths[0], defects=paths[1])
    with whole(out.resolve()) as partial:
        learner = teaching(profile, partial, progress)
        new = {
            label: [item for sha, item in items.items() if not _taught(learner, manifest, sha, label)]
            for label, items in given.items()
        }
        if not (given[GOOD] or given[DEFECT]):
            raise DataError("there are no images to teach", "name folders of good images or of defects")
        if not (new[GOOD] or new[DEFECT]):
            raise DataError(
                "there is nothing new to teach: all images were taught before", "give images of new frames"
            )
        bits = profile.line.preparation.bits
        images = learn_from(learner, new[GOOD], new[DEFECT], bits=bits, progress=progress)
        _enter(manifest, images)
        notes = _finish(profile, learner, partial, manifest, images, wish, created)
    count = len(images.goods) + len(images.defects)
    left_out = sum(map(len, offered.values())) - count
    return LineProfile.open(out), TeachSummary(len(images.goods), len(images.defects), left_out, notes)


def forget_frames(
    profile: LineProfile,
    out: Path,
    hashes: Iterable[str],
    *,
    created: str,
    progress: Progress = lambda _what, _done, _of: None,
) -> tuple[LineProfile, TeachSummary]:
    """Make the next version of a line as if these frames had never been taught.

    Args:
        profile: the line.
        out: folder of the next version; made.
        hashes: sha256 of each image, or the first digits of it that no other image of the line has.
        created: ISO time.
        progress: told of what takes long.

    Raises:
        LineError: the line cannot be taught, or ``out`` exists.
        DataError: no such image, several, or one whose features are not kept.
    """
    teaching: DetectorTeaching = detector_teaching(profile.line.detector.kind)
    manifest = _manifest(profile)
    _check_free(out)
    chosen = [_full(manifest, digits) for digits in hashes]
    with whole(out.resolve()) as partial:
        learner = teaching(profile, partial, progress)
        for sha in dict.fromkeys(chosen):
            learner.forget(sha)
            del manifest.roles[sha]
        nothing = TrainImages({}, {}, {}, 0)
        notes = _finish(profile, learner, partial, manifest, nothing, None, created)
    return LineProfile.open(out), TeachSummary(0, 0, 0, notes)


def next_version(folder: Path) -> Path:
    """Where the next version of a line goes if nobody says: beside it, ``NAME-v2``, ``NAME-v3`` and so on."""
    folder = folder.resolve()
    match = _VERSION.fullmatch(folder.name)
    name = match["name"] if match else folder.name
    number = int(match["number"]) + 1 if match else 2
    while (found := folder.with_name(f"{name}-v{number}")).exists():
        number += 1
    return found


def _finish(
    profile: LineProfile,
    learner: TeachableLearner,
    partial: Path,
    manifest: Manifest,
    images: TrainImages,
    wish: RecalibrationRequest | None,
    created: str,
) -> list[str]:
    """Write the version into its folder; gives what there is to say."""
    fitted = learner.finish()
    old = profile.calibration
    calibration = _calibrated(profile, fitted, images, manifest, wish or RecalibrationRequest(), created)
    calibration, gated = gated_calibration(fitted, calibration, images.reader(profile.line.preparation.bits))
    shutil.copytree(profile.folder / "references", partial / "references")
    manifest.write(partial)
    line = msgspec.structs.replace(
        profile.line,
        created=created,
        detector=fitted.detector,
        calibration=calibration.version,
        kinds=fitted.kinds,
        version=profile.line.version + 1,
        parent=sha256_file(profile.folder / "line.json"),
    )
    LineProfile.create(partial, line, calibration)
    return [*fitted.notes, *gated, *_lost(old, calibration)]


def _calibrated(
    profile: LineProfile,
    fitted: Fitted,
    images: TrainImages,
    manifest: Manifest,
    wish: RecalibrationRequest,
    created: str,
) -> Calibration:
    """The line's calibration on the new detector's scores: as asked before where nothing is asked now."""
    old = msgspec.structs.replace(profile.calibration, stand_ins={}, clouds={})
    parts = {sha: entry.part for sha, entry in manifest.roles.items()}
    known = CalibrationScores(goods=fitted.goods, defects=fitted.defects, stand_ins={}, parts=parts)
    calibration = calibrate_as_asked(old, known, wish, created)
    complexity = Complexity(profile.line.complexity)
    new = {sha: complexity.of_features(seen) for sha, seen in images.measured.items()}
    complexities = {sha: value for sha, value in (old.complexities | new).items() if sha in manifest.roles}
    return with_asking(msgspec.structs.replace(calibration, version=1, complexities=complexities))


def _lost(old: Calibration, new: Calibration) -> list[str]:
    """What of the earlier calibration the new detector's scores do not carry over."""
    said = []
    if gone := sorted(set(old.by_hand) - set(new.by_hand)):
        names = ", ".join(name.replace("_", " ") for name in gone)
        said.append(f"no longer by hand, as scores have changed: {names}")
    if old.clouds:
        said.append(
            f"no longer trusted, as scores have changed: {', '.join(sorted(old.clouds))}; "
            "calibrate with the cloud again"
        )
    if old.stand_ins:
        said.append("the stand-ins are gone, as scores have changed: paint them again with --stand-ins")
    return said


def _manifest(profile: LineProfile) -> Manifest:
    manifest = manifest_of(profile)
    if manifest is None:
        raise LineError(
            f"{profile.folder / FILE} is missing",
            "fit the line again: this file shows which images were used for it",
        )
    return manifest


def _check_free(out: Path) -> None:
    if out.exists():
        raise LineError(f"{out} exists already", "choose another folder for out: a version never changes")


def _train(dataset: Dataset | None, label: int) -> list[Item]:
    return [] if dataset is None else dataset.select("train", label)


def _by_hash(items: Iterable[Item]) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for item in items:
        found.setdefault(hash_item(item), item)
    return found


def _check_labels(manifest: Manifest, given: Mapping[int, Mapping[str, Item]]) -> None:
    """Stop where an image is given as good and as defect, or was taught with the other label."""
    both = given[GOOD].keys() & given[DEFECT].keys()
    if both:
        sha = min(both)
        raise DataError(
            f"{given[GOOD][sha].path} and {given[DEFECT][sha].path} are the same image with different labels",
            "keep the one with the right label",
        )
    for label, items in given.items():
        for sha, item in items.items():
            entry = manifest.roles.get(sha)
            if entry is not None and entry.role != "holdout" and entry.label != label:
                raise DataError(
                    f"{item.path} is given as {_LABELS[label]}, but the line learned it as "
                    f"{_LABELS[1 - label]}",
                    f"take it out first: saec forget LINE {sha[:12]}",
                )


def _taught(learner: TeachableLearner, manifest: Manifest, sha: str, label: int) -> bool:
    """Whether the detector knows the image: its features are kept, or it was one of many goods."""
    entry = manifest.roles.get(sha)
    return learner.knows(sha) or (label == GOOD and entry is not None and entry.role == "train")


def _enter(manifest: Manifest, images: TrainImages) -> None:
    """Give the new images their roles; goods that only calibrated the line are train images now."""
    for sha in images.goods | images.defects:
        manifest.roles.pop(sha, None)
    manifest.add("train", images.goods.values(), hashes=list(images.goods))
    manifest.add("calibration", images.defects.values(), hashes=list(images.defects))


def _full(manifest: Manifest, digits: str) -> str:
    """The sha256 that begins so, among the images that made the line."""
    wanted = digits.strip().lower()
    found = [
        sha for sha, entry in manifest.roles.items() if entry.role != "holdout" and sha.startswith(wanted)
    ]
    if not wanted or not found:
        raise DataError(
            f"the line was taught no image whose sha256 begins with {digits!r}",
            "take the hash from manifest.json or from the verdict",
        )
    if len(found) > 1:
        raise DataError(
            f"the sha256 of {len(found)} images begins with {digits}", "give more digits of the hash"
        )
    return found[0]
