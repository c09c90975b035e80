"""The images that a new calibration rests on: those given, the data set's train defects, and their roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from saec.data.copies import picture_hash
from saec.data.dataset import Dataset, Item
from saec.data.holdout import divided_by
from saec.data.images.pixels import read_image
from saec.data.manifest import Manifest
from saec.data.parts import PartIds
from saec.errors import ConfigError, DataError
from saec.lines.image_conflicts import check_given
from saec.profile import LineProfile, sha256_file
from saec.types import DEFECT, GOOD


@dataclass(frozen=True, slots=True)
class CalibrationInputs:
    """The images of a new calibration, checked.

    Attributes:
        goods, defects: files by sha256; each picture once.
        dataset: the data set that was named, divided as the line knows it, or None.
        manifest: the line's manifest, in which the images have their roles; not yet written.
    """

    goods: dict[str, Path]
    defects: dict[str, Path]
    dataset: Dataset | None
    manifest: Manifest

    @property
    def images(self) -> dict[str, Path]:
        """Goods and defects by sha256."""
        return {**self.goods, **self.defects}

    def part_ids(self) -> dict[str, str]:
        """The part id of every image of the manifest by sha256; "" where it is unknown."""
        return {sha: entry.part for sha, entry in self.manifest.roles.items()}


def gather_inputs(
    profile: LineProfile,
    goods: Sequence[Path],
    defects: Sequence[Path],
    dataset: Dataset | None,
    parts: PartIds | None,
) -> CalibrationInputs:
    """Hash and check what is given, and enter it in the line's manifest (in memory).

    Args:
        profile: the line.
        goods, defects: files of labelled images.
        dataset: the line's data set; the defects of its train split are added.
        parts: part ids of new images; without it each such image is a part.

    Raises:
        LeakError: an image is held out.
        DataError: an image has another label in a data set, or the line has no manifest.
    """
    manifest = _manifest(profile)
    dataset = None if dataset is None else divided_by(dataset, manifest)
    labelled = [*defects, *_paths(dataset, "train", DEFECT)]
    bits = profile.line.preparation.bits
    new_goods, new_defects = _shown_once(_hashed(goods), bits), _shown_once(_hashed(labelled), bits)
    check_given(profile, manifest, dataset, goods=new_goods, defects=new_defects)
    new_goods = _scorable(profile, manifest, new_goods)
    _enter(manifest, new_goods, new_defects, parts)
    return CalibrationInputs(new_goods, new_defects, dataset, manifest)


def calibration_goods(
    known: Mapping[str, float], dataset: Dataset | None, new: Mapping[str, Path]
) -> list[tuple[Path, str]]:
    """Files of calibration goods: the new ones, and those of the data set that the line was fitted on."""
    found = {**_hashed(_paths(dataset, "train", GOOD)), **new}
    goods = [(path, sha) for sha, path in found.items() if sha in known]
    if not goods:
        raise ConfigError(
            "none of the good images that the line was fitted on was found",
            "name the data set that the line was fitted on",
        )
    return goods


def _hashed(paths: Iterable[Path]) -> dict[str, Path]:
    """sha256 -> file; of exact duplicates the first stays."""
    found: dict[str, Path] = {}
    for path in sorted(paths):
        found.setdefault(sha256_file(path), path)
    return found


def _paths(dataset: Dataset | None, split: str, label: int) -> list[Path]:
    return [item.path for item in dataset.select(split=split, label=label)] if dataset else []


def _shown_once(images: Mapping[str, Path], bits: int) -> dict[str, Path]:
    """Without those that show another's picture in other bytes: one part must not count twice."""
    first: dict[str, str] = {}
    for sha, path in images.items():
        first.setdefault(picture_hash(read_image(path, bits=bits)), sha)
    return {sha: images[sha] for sha in first.values()}


def _manifest(profile: LineProfile) -> Manifest:
    path = profile.folder / "manifest.json"
    if not path.is_file():
        raise DataError(
            f"{path} is missing", "fit the line again: this file shows which images were used for it"
        )
    return Manifest.read(path)


def _scorable(profile: LineProfile, manifest: Manifest, goods: Mapping[str, Path]) -> dict[str, Path]:
    """Without those that the line was taught and whose cross-fitted score it does not keep.

    So it is with some of very many goods. Its detector has seen them: their scores say nothing of new ones.
    """
    known, taught = profile.calibration.good_scores, manifest.having("train")
    return {sha: path for sha, path in goods.items() if sha in known or sha not in taught}


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
