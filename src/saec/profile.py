"""The line profile: the folder that ``fit`` makes for one product. No pickle in it.

LINE/
  line.json            this module's ``LineRecord``
  detector.xml, .bin   the OpenVINO graph that runs at the line
  calibration-N.json   each ``Calibration`` ever made; ``line.json`` names the current one
  references/          images of good parts, chosen to cover the goods
  manifest.json        content hashes of every image that was used, with its role
  roi.png              mask of the region of interest, where one was given
  taught.npz           what is kept of the frames, to teach the line more without their images
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from saec.errors import LineError
from saec.settings import FitConfig
from saec.settings.threshold_rule import ThresholdRule
from saec.texts import read_json
from saec.types import Box

SCHEMA = 1
T = TypeVar("T")


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """How a frame becomes the graph's input; the same at fit and at the line.

    Attributes:
        height, width: the graph's input in pixels; the frame's (or the roi's) aspect is kept to
            within the rounding to multiples of 32.
        roi: rectangle of the frame that is judged, or None for all of it.
        mask: whether ``roi.png`` restricts the map further.
        bits: significant bits of 16-bit sources; 8-bit sources are not touched.
        frame: typical height and width of the frames that the line was fitted on.
    """

    height: int
    width: int
    roi: Box | None = None
    mask: bool = False
    bits: int = FitConfig().bits
    frame: tuple[int, int] | None = None


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """Which detector (``saec.edge.detector_kinds``), and the hashes of its files (name -> sha256).

    The kind "none" is that of a line for a cloud alone.
    """

    kind: str
    backbone: str
    precision: Literal["f32", "bf16", "int8"] = "f32"
    threads: int = FitConfig().threads
    device: str = FitConfig().device
    files: dict[str, str] = {}
    params: dict[str, float] = {}


OPEN = sys.float_info.max
"""An end of a gate that no score reaches (JSON knows no infinity): none lies below -OPEN or above OPEN."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The two scores between which the edge is not sure: good below low, defect above high.

    Both comparisons are strict. An end at -OPEN or OPEN leaves that side to be asked about altogether.
    """

    low: float
    high: float
    basis: Literal["p_defect", "goods", "certified"]


class Sigmoid(msgspec.Struct, frozen=True):
    """P(defect) = 1 / (1 + exp(-(slope * (score - centre) + offset)))  (Platt 1999)."""

    slope: float
    centre: float
    offset: float

    def logit(self, score: float) -> float:
        return self.slope * (score - self.centre) + self.offset

    def __call__(self, score: float) -> float:
        return 1.0 / (1.0 + math.exp(-min(60.0, max(-60.0, self.logit(score)))))


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """How likely the edge errs, from its score and the frame's complexity.

    ``saec.schedule.policies.expected_value`` uses it.

    Log odds of an error = sharpness * (log odds by the score alone) + oddness * complexity + offset. The
    defaults are what holds until labelled images say otherwise.

    Attributes:
        sharpness, oddness: never negative, so doubt and complexity only raise the odds.
        errors: errors of the edge that it was fitted on; 0 when it was not.
    """

    sharpness: float = 1.0
    oddness: float = 0.25
    offset: float = 0.0
    errors: int = 0


class Mending(msgspec.Struct, frozen=True, kw_only=True):
    """What asking one cloud changes on a line: four shares, the defaults assumed until it is measured.

    Attributes:
        escape, overkill: share of the edge's escapes, and of its overkills, that the answer puts right.
        to_overkill, to_escape: share of the goods, and of the defects, that the edge labels rightly and the
            answer makes wrong.
        errors: errors of the edge among the images; 0 when nothing was measured.
    """

    escape: float = 0.8
    overkill: float = 0.8
    to_overkill: float = 0.05
    to_escape: float = 0.05
    errors: int = 0


class CloudTrust(msgspec.Struct, frozen=True, kw_only=True):
    """How far one cloud model is trusted on this line; fitted on labelled calibration images.

    Attributes:
        mode: "fused" when its AUROC there is better than chance, "unasked" when it is not,
            "advisory" when there are no labelled defects to tell.
        auroc, auroc_low: AUROC on the calibration images, with the lower end of its 95 % interval.
        edge_weight, cloud_weight, offset: fused logit = edge_weight * edge logit
            + cloud_weight * cloud logit + offset.
        left_out: labelled images that it was tuned on and so was not asked about.
        mending: what asking it changes here; as assumed unless it is fused.
    """

    model: str
    prompt: str
    mode: Literal["fused", "advisory", "unasked"]
    auroc: float | None = None
    auroc_low: float | None = None
    edge_weight: float = 1.0
    cloud_weight: float = 0.0
    offset: float = 0.0
    n_good: int = 0
    n_defect: int = 0
    left_out: int = 0
    mending: Mending = Mending()


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What the edge may decide alone within a stated risk.

    With confidence 1 - delta both hold: P(edge passes | defect) <= alpha, P(edge rejects | good) <= beta.

    Made by ``saec.schedule.calibration.certified_risk.certify``. A unit is a part, or an image where its
    part is not known.

    Attributes:
        alpha, beta, delta: what was asked.
        pass_below: the edge may pass what scores below it; None where no passing can be certified.
        reject_above: the edge may reject what scores above it; None where no rejecting can be.
        defects, goods: units that the two sides rest on.
        escapes, overkills: calibration units that lie on the wrong side of the two scores, at most.
        stand_ins: the defects are procedural ones painted on the line's own goods: the escape side
            then holds for defects like those, and for no real one.
    """

    alpha: float
    beta: float
    delta: float
    pass_below: float | None = None
    reject_above: float | None = None
    defects: int = 0
    goods: int = 0
    escapes: int = 0
    overkills: int = 0
    stand_ins: bool = False


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be redone without refitting. Versioned; lives outside the graph.

    Attributes:
        threshold: scores at or above it are labelled defect.
        rule: what the threshold is chosen by, unless it is by hand. Later calibrations keep it.
        overkill: the overkill rate of the rule: what was asked of goods, or is expected of them.
        thresholds_at: threshold for other overkill rates, for information ("0.02" -> score).
        goods: sorted cross-fitted scores of the calibration goods.
        defects: sorted scores of the calibration defects; empty without any.
        p_defect: the map to P(defect) at ``prevalence``; None without defects.
        good_scores: sha256 -> cross-fitted score, so that a later fusion needs no refitting.
        defect_scores: sha256 -> score of each calibration defect, so that none is counted twice.
        clouds: per cloud model how far it is trusted.
        by_hand: what was given by hand, by its name: the scores "threshold", "gate_low" and "gate_high",
            the P(defect) "p_low" and "p_high". Later calibrations keep it.
        stand_ins: "KIND on SHA256" -> score of each procedural defect painted on one of the goods; never
            among ``defects``.
        certificate: the certified risk; None where none was asked for.
        complexities: sha256 -> complexity of the calibration images, as far as it was measured.
        asking: how likely the edge errs.
    """

    version: int
    created: str
    rule: ThresholdRule = ThresholdRule()
    overkill: float
    threshold: float
    thresholds_at: dict[str, float] = {}
    gate: Gate
    prevalence: float = FitConfig().prevalence
    p_defect: Sigmoid | None = None
    goods: list[float] = []
    defects: list[float] = []
    good_scores: dict[str, float] = {}
    defect_scores: dict[str, float] = {}
    clouds: dict[str, CloudTrust] = {}
    by_hand: dict[str, float] = {}
    stand_ins: dict[str, float] = {}
    certificate: Certificate | None = None
    complexities: dict[str, float] = {}
    asking: Asking = Asking()


class LineRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``line.json``.

    Attributes:
        name: the product.
        version: 1 for a line that was fitted, one more each time that it is taught.
        parent: sha256 of the ``line.json`` of the version that it was taught from; "" for a first one.
        kinds: names of the kinds of defect that the edge tells apart, sorted; () where it knows none.
    """

    schema: int = SCHEMA
    name: str
    version: int = 1
    parent: str = ""
    created: str
    saec: str
    dataset: str
    preparation: Preparation
    detector: Detector
    kinds: tuple[str, ...] = ()
    calibration: int
    complexity: dict[str, tuple[float, float]] = {}
    fit: dict[str, Any] = {}


class LineProfile:
    """A line profile on disk, opened.

    Args:
        folder: the profile's folder.

    Raises:
        LineError: no profile there, another schema, or a file whose hash differs.
    """

    def __init__(self, folder: Path, line: LineRecord, calibration: Calibration) -> None:
        self.folder = folder
        self.line = line
        self.calibration = calibration

    @classmethod
    def open(cls, folder: str | Path, *, verify: bool = True) -> LineProfile:
        folder = Path(folder)
        line = _read(folder / "line.json", LineRecord, folder)
        if line.schema != SCHEMA:
            raise LineError(
                f"{folder} was made by another version of saec (format {line.schema}, this "
                f"version reads {SCHEMA})",
                "fit the line again with this version",
            )
        if verify:
            for name, expected in line.detector.files.items():
                if not (folder / name).is_file():
                    raise LineError(f"{folder / name} is missing", "fit the line again")
                if sha256_file(folder / name) != expected:
                    raise LineError(
                        f"{folder / name} does not have the hash in line.json",
                        "restore the file or fit the line again",
                    )
        calibration = _read(folder / f"calibration-{line.calibration}.json", Calibration, folder)
        return cls(folder, line, calibration)

    @classmethod
    def create(cls, folder: Path, line: LineRecord, calibration: Calibration) -> LineProfile:
        """Write ``line.json`` and the first calibration into an existing folder."""
        write_json(folder / f"calibration-{calibration.version}.json", calibration)
        write_json(folder / "line.json", line)
        return cls(folder, line, calibration)

    def recalibrated(self, calibration: Calibration) -> LineProfile:
        """Add a calibration as the next version and make it the current one; older ones stay."""
        version = 1 + max(int(p.stem.split("-")[1]) for p in self.folder.glob("calibration-*.json"))
        calibration = msgspec.structs.replace(calibration, version=version)
        line = msgspec.structs.replace(self.line, calibration=version)
        return LineProfile.create(self.folder, line, calibration)

    def at(self, version: int) -> LineProfile:
        """The line under another of the calibrations that were made for it.

        Raises:
            LineError: there is none of that version.
        """
        calibration = _read(self.folder / f"calibration-{version}.json", Calibration, self.folder)
        return LineProfile(self.folder, self.line, calibration)

    def references(self, k: int | None = None) -> list[Path]:
        """The reference images, in the order in which they cover the goods; the first k of them."""
        return sorted((self.folder / "references").glob("*"))[:k]


def sha256_file(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _read(path: Path, kind: type[T], folder: Path) -> T:
    missing = LineError(
        f"{folder} is not a line profile: no {path.name}", "make one with `saec fit DATASET --out LINE`"
    )
    remedy = "restore it or fit the line again"
    return read_json(path, kind, error=LineError, remedy=remedy, missing=missing)


def json_text(value: Any) -> str:
    """A value as JSON that people can read, with a line end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically: a reader sees the old file or the new one, never half of one.

    So does who comes after a power cut: the new file is synced before it takes the old one's place.
    """
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as f:
        f.write(json_text(value).encode())
        f.flush()
        os.fsync(f.fileno())
    partial.replace(path)
