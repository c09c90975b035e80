"""What a version of a line was made of, and how it did on its own calibration images.

A version never changes after it was added. So what was read of one is kept, by the hash of its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from saec.data.manifest import FILE, Manifest
from saec.profile import Calibration, LineProfile, LineRecord, sha256_file
from saec.schedule.calibration.threshold_choices import ThresholdChoice, threshold_choices
from saec.schedule.statistics.auroc import auroc, auroc_interval
from saec.station.line.version_store import Version

_KEPT = 64
"""Versions of which the facts are kept."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class VersionImages:
    """The images of a version's manifest.

    Attributes:
        goods, defects: how many it was trained and calibrated on.
        holdout: how many are kept apart, to prove it.
        labels: label by content hash, of those that it was trained and calibrated on.
        sha256: hash of the manifest.
    """

    goods: int
    defects: int
    holdout: int
    labels: Mapping[str, int | None]
    sha256: str


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """How a version did on its calibration images, each judged as if unseen.

    Attributes:
        choice: its error rates at thresholds that have not seen the image; None without labelled defects.
        auroc: None without labelled defects.
        auroc_span: its 95 % interval.
    """

    choice: ThresholdChoice | None
    auroc: float | None
    auroc_span: Span | None

    @property
    def balanced_accuracy(self) -> float | None:
        """1 - (escape rate + overkill rate) / 2; None where one is not known."""
        choice = self.choice
        if choice is None or choice.escape_rate is None or choice.overkill_rate is None:
            return None
        return 1.0 - (choice.escape_rate + choice.overkill_rate) / 2


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version as its profile tells it.

    Attributes:
        record_hash: sha256 of its ``line.json``, by which a taught version names its parent.
        images: None where the profile holds no manifest.
    """

    record: LineRecord
    record_hash: str
    calibration: Calibration
    images: VersionImages | None
    figures: VersionFigures


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a version was taught, beside what the version knew that it comes from.

    Attributes:
        number: the parent's number at this station.
        goods, defects: images that are new in it.
        forgotten: images of the parent that are no longer in it.
    """

    number: int
    goods: int
    defects: int
    forgotten: int


def version_facts(folder: Path, version: Version) -> VersionFacts:
    """The facts of a version.

    Args:
        folder: its profile.
        version: the version, named by the line's state.

    Raises:
        SaecError: the profile is damaged.
        OSError: a file of it cannot be read.
    """
    return _facts(folder, version.content)


def teaching_of(facts: VersionFacts, others: Sequence[tuple[int, VersionFacts]]) -> Teaching | None:
    """What a version was taught; None for a first one, and where its parent is not at this station.

    Args:
        facts: the version's.
        others: the versions of the line by number.
    """
    wanted = facts.record.parent
    parent = next(((n, one) for n, one in others if wanted and one.record_hash == wanted), None)
    if parent is None or facts.images is None or parent[1].images is None:
        return None
    number, before = parent[0], parent[1].images.labels
    now = facts.images.labels
    new = [label for sha, label in now.items() if sha not in before]
    return Teaching(number, new.count(0), new.count(1), sum(sha not in now for sha in before))


@lru_cache(_KEPT)
def _facts(folder: Path, content: str) -> VersionFacts:
    profile = LineProfile.open(folder, verify=False)
    path = folder / FILE
    manifest = Manifest.read(path) if path.is_file() else None
    parts = {} if manifest is None else {sha: entry.part for sha, entry in manifest.roles.items()}
    return VersionFacts(
        record=profile.line,
        record_hash=sha256_file(folder / "line.json"),
        calibration=profile.calibration,
        images=None if manifest is None else _images(manifest, path),
        figures=_figures(profile.calibration, parts),
    )


def _images(manifest: Manifest, path: Path) -> VersionImages:
    used = {sha: entry.label for sha, entry in manifest.roles.items() if entry.role != "holdout"}
    labels = list(used.values())
    return VersionImages(
        goods=labels.count(0),
        defects=labels.count(1),
        holdout=len(manifest.roles) - len(used),
        labels=used,
        sha256=sha256_file(path),
    )


def _figures(calibration: Calibration, parts: Mapping[str, str]) -> VersionFigures:
    goods, defects = calibration.goods, calibration.defects
    if not goods or not defects:
        return VersionFigures(None, None, None)
    choices = threshold_choices(
        calibration.good_scores or {f"good {i}": score for i, score in enumerate(goods)},
        calibration.defect_scores or {f"defect {i}": score for i, score in enumerate(defects)},
        parts,
        rule=calibration.rule,
        prevalence=calibration.prevalence,
        by_hand=calibration.by_hand.get("threshold"),
        rules=(),
    )
    area = auroc(goods, defects)
    span = auroc_interval(area, len(goods), len(defects))
    return VersionFigures(next(one for one in choices if one.chosen), area, span)
