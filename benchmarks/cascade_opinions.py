"""What edge and cloud think of every image of a data set: fitted, asked, and kept for a resumed run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec import edge
from saec.cli import main as saec
from saec.contracts import EdgeDetector
from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image
from saec.decoding import decode
from saec.errors import LineError
from saec.frame.judges import Cloud, read_references
from saec.lines.calibrating.cloud_trust import MOST_ASKED
from saec.profile import LineProfile, sha256_file, write_json
from saec.types import DEFECT, GOOD, CloudQuery, Frame

Array = NDArray[np.float64]


class Judged(msgspec.Struct, frozen=True):
    """One image: its role ("calibration" or "test"), truth, the edge's score and the cloud's P(defect).

    The score of a calibration good is its cross-fitted one. ``cloud`` is None until it was asked, and for
    the reference images, which it is shown and so cannot judge.
    """

    path: str
    sha256: str
    role: str
    truth: int
    score: float
    cloud: float | None = None


@dataclass(frozen=True)
class Opinions:
    """Scores and P(defect) of one role's goods and defects, in the same order."""

    edge_good: Array
    edge_defect: Array
    cloud_good: Array
    cloud_defect: Array


def fit(dataset: Path, line: Path, side: int | None) -> LineProfile:
    """The line of ``saec fit`` on the data set's train split; one that stands there is taken as it is.

    Raises:
        LineError: ``saec fit`` refuses; it has said why.
    """
    if not line.is_dir():
        options = ["--overkill-rate", "0.05", *([] if side is None else ["--side-px", str(side)])]
        if saec(["fit", str(dataset), "--out", str(line), *options]):
            raise LineError(f"saec fit refuses {dataset}", "see its message above")
    return LineProfile.open(line)


def edge_opinions(dataset: Path, profile: LineProfile, kept: Path) -> list[Judged]:
    """The edge's score of each distinct calibration and test image; read from ``kept`` where it exists."""
    if kept.is_file():
        return decode(kept.read_bytes(), list[Judged])
    opened = open_dataset(dataset)
    known = profile.calibration.good_scores | profile.calibration.defect_scores
    detector = edge.open_detector(profile)
    found: dict[str, Judged] = {}
    for role, items in (("calibration", opened.select("train")), ("test", opened.holdout())):
        for item in items:
            if item.label is None or (sha := sha256_file(item.path)) in found:
                continue
            score = known[sha] if role == "calibration" else _score(detector, profile, item.path)
            found[sha] = Judged(str(item.path), sha, role, item.label, score)
    write_json(kept, list(found.values()))
    return list(found.values())


def cloud_opinions(judged: list[Judged], profile: LineProfile, cloud: Cloud, folder: Path) -> list[Judged]:
    """The same with the cloud's P(defect), asked once for each weights and context.

    Of calibration goods at most ``MOST_ASKED`` are asked about, as ``saec calibrate`` does.
    """
    key = hashlib.sha256(cloud.key.encode()).hexdigest()[:12]
    kept = folder / f"cloud-{key}.json"
    if kept.is_file():
        return decode(kept.read_bytes(), list[Judged])
    references = tuple(read_references(profile, cloud.config.references))
    shown = {sha256_file(path) for path in profile.references(cloud.config.references)}
    goods = [
        j.sha256 for j in judged if j.role == "calibration" and j.truth == GOOD and j.sha256 not in shown
    ]
    spared = set(goods) - set(np.random.default_rng(0).permutation(goods)[:MOST_ASKED].tolist())
    asked = [j for j in judged if j.sha256 not in shown | spared]
    bits = profile.line.preparation.bits
    answers: dict[str, float] = {}
    for start in range(0, len(asked), cloud.config.batch):
        batch = asked[start : start + cloud.config.batch]
        queries = [CloudQuery(Frame(j.path, read_image(Path(j.path), bits=bits)), references) for j in batch]
        for j, opinion in zip(batch, cloud.engine.judge(queries), strict=True):
            answers[j.sha256] = opinion.p_defect
    after = [msgspec.structs.replace(j, cloud=answers.get(j.sha256)) for j in judged]
    write_json(kept, after)
    return after


def opinions(judged: list[Judged], role: str) -> Opinions:
    """The images of one role that both have judged."""
    goods, defects = (
        [j for j in judged if j.role == role and j.truth == label and j.cloud is not None]
        for label in (GOOD, DEFECT)
    )
    return Opinions(
        *(np.array([j.score for j in group]) for group in (goods, defects)),
        *(np.array([j.cloud for j in group], dtype=np.float64) for group in (goods, defects)),
    )


def _score(detector: EdgeDetector, profile: LineProfile, path: Path) -> float:
    (opinion,) = detector.inspect([read_image(path, bits=profile.line.preparation.bits)])
    return opinion.score
