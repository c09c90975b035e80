"""Run the seed's policy: two passes, its own complexity, and a cloud that decides alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from saec.data.images.pixels import read_image
from saec.edge.yolo import THRESHOLD
from saec.errors import ConfigError, ImageError
from saec.frame.judges import Judges
from saec.profile import Gate, LineProfile
from saec.research.seed.complexity import seed_complexity
from saec.research.seed.policy import SeedPolicy
from saec.settings import SeedConfig
from saec.types import Image, Source


def seed_profile(profile: LineProfile, config: SeedConfig) -> LineProfile:
    """The line under the seed's thresholds: its classifier's rule is labelled as given, not as calibrated.

    Raises:
        ConfigError: the line's detector is not the seed's.
    """
    detector = profile.line.detector
    if detector.kind != "yolo":
        raise ConfigError(
            f"policy seed on a line with the detector {detector.kind}",
            "fit the line with --detector yolo, or use --policy gate",
        )
    given = {"smax": config.yolo_smax_thr, "margin": config.yolo_margin_thr, "ent": config.yolo_ent_thr}
    rule = msgspec.structs.replace(detector, params={**detector.params, **given})
    low, high = min(profile.calibration.gate.low, THRESHOLD), max(profile.calibration.gate.high, THRESHOLD)
    calibration = msgspec.structs.replace(
        profile.calibration,
        threshold=THRESHOLD,
        gate=Gate(low=low, high=high, basis=profile.calibration.gate.basis),
        p_defect=None,  # it was fitted on the scores of other thresholds
        clouds={},
    )
    line = msgspec.structs.replace(profile.line, detector=rule)
    return LineProfile(profile.folder, line, calibration)


def seed_judges(judges: Judges, sources: Sequence[Source], config: SeedConfig) -> Judges:
    """First pass over all frames for the quantile of their complexities; then the seed's judges.

    A frame that cannot be read has no complexity; it gets its error verdict in the second pass.

    Raises:
        ConfigError: no cloud, or no frame that can be read.
    """
    if judges.engine is None:
        raise ConfigError("policy seed without a cloud", "name one with --cloud")

    def complexity(image: Image) -> float:
        return seed_complexity(image, config.cpx_size).value

    values = []
    for source in sources:
        try:
            values.append(complexity(read_image(Path(source.path), bits=judges.bits)))
        except (ImageError, OSError):
            continue
    return replace(
        judges,
        policy=SeedPolicy(config).prepare(values),
        complexity=complexity,
        rules=replace(judges.rules, role="alone", trust=None, cloud_threshold=config.qwen_thr),
    )
