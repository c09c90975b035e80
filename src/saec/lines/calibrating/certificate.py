"""The certificate of a line's risk from its calibration images, and stand-ins where defects are few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from saec.contracts import EdgeDetector
from saec.data.images.pixels import read_image, read_mask
from saec.data.synthetic_defects import KINDS, Where, paint_stand_in
from saec.errors import ConfigError
from saec.profile import Certificate, LineProfile
from saec.schedule.calibration.certified_risk import by_part, certify, most_misses
from saec.settings import RiskConfig
from saec.types import Image


class CalibrationScores(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a line's calibration images.

    Attributes:
        goods, defects: content hash -> score; of goods the cross-fitted one.
        stand_ins: "KIND on SHA256" -> score.
        parts: content hash -> part id; "" or missing when unknown.
    """

    goods: Mapping[str, float]
    defects: Mapping[str, float]
    stand_ins: Mapping[str, float]
    parts: Mapping[str, str]


def certify_line(known: CalibrationScores, risk: RiskConfig) -> Certificate:
    """The certificate of a line.

    The escape side rests on the real defects. Where they are too few for the asked alpha and there are
    stand-ins, it rests on these alone and says so; the two are never put together.
    """
    goods = by_part(known.goods, known.parts, defects=False)
    defects = by_part(known.defects, known.parts, defects=True)
    painted = bool(known.stand_ins) and most_misses(len(defects), risk.alpha, risk.delta) < 0
    if painted:
        defects = by_part(known.stand_ins, _parts_below(known), defects=True)
    return certify(goods, defects, alpha=risk.alpha, beta=risk.beta, delta=risk.delta, stand_ins=painted)


def score_stand_ins(
    profile: LineProfile,
    detector: EdgeDetector,
    goods: Sequence[tuple[Path, str]],
    parts: Mapping[str, str],
    count: int,
    *,
    step: Callable[[str], None] = lambda name: None,
) -> dict[str, float]:
    """Paint a defect on each of ``count`` goods and score it as the line does.

    Args:
        goods: file and sha256 of calibration goods; one image of each part is painted on, so that the
            stand-ins are as independent as the parts are.
        parts: content hash -> part id.

    Returns:
        "KIND on SHA256" -> score.

    Raises:
        ConfigError: more are asked than there are parts.
        DataError: a good on which no mark can be seen.
    """
    units = {parts.get(sha) or sha: (path, sha) for path, sha in sorted(goods, key=lambda good: good[1])}
    if count > len(units):
        raise ConfigError(
            f"{count} stand-ins are too many: the line has good images of only {len(units)} parts",
            f"give at most {len(units)}, one artificial defect per part",
        )
    rng = np.random.default_rng(0)
    ordered = [units[unit] for unit in sorted(units)]
    scores = {}
    for i, at in enumerate(rng.permutation(len(ordered))[:count]):
        path, sha = ordered[at]
        kind = KINDS[i % len(KINDS)]
        image = read_image(path, bits=profile.line.preparation.bits)
        stand_in = paint_stand_in(image, kind, rng, where=_judged(profile, image))
        (opinion,) = detector.inspect([stand_in.image])
        scores[f"{kind} on {sha}"] = opinion.score
        step("stand-ins")
    return scores


def _parts_below(known: CalibrationScores) -> dict[str, str]:
    """The part under each stand-in."""
    return {name: known.parts.get(name.rsplit(" ", 1)[1], "") for name in known.stand_ins}


def _judged(profile: LineProfile, image: Image) -> Where:
    """H x W, where the line looks: its region of interest and the mask in it."""
    preparation = profile.line.preparation
    where = np.zeros(image.shape[:2], np.bool_)
    x0, y0, x1, y1 = preparation.roi or (0, 0, image.shape[1], image.shape[0])
    where[y0:y1, x0:x1] = True
    if preparation.mask:
        where &= read_mask(profile.folder / "roi.png")
    return where
