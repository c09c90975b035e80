"""The policy of the system that this project grew from, kept to reproduce its tables; not the default.

Its edge is an ImageNet classifier on CPU. A frame is called good when the classifier is sure of *some*
class: top-1 probability, margin to the second and normalised entropy against three thresholds. The
share of frames with the highest scene complexity goes to the cloud unseen by that rule; of the others the
edge keeps what it is sure of. Two things about it must be known to read its figures:

- The share is a quantile over the whole evaluated set, so it needs two passes and cannot run on a stream
  (``SeedPolicy.prepare``).
- Being sure is measured by the very rule that says good. A defect is by definition a frame that fails
  it, so no defect is ever sure enough to be kept: the edge never says defect, and ``yolo_keep_bidir``,
  which asks it to keep defects too, changes nothing (``keeps``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from saec.edge.yolo import THRESHOLD
from saec.errors import ConfigError, DataError
from saec.profile import Gate, LineProfile
from saec.schedule.policies.policy_contract import CloudState, FirstPass, PolicyKind, Preset, Scheduler, ask
from saec.schedule.statistics.threshold import sorted_scores
from saec.types import DEFECT, GOOD, EdgeOpinion, Route
from saec_research.seed.seed_complexity import seed_complexity


class SeedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of the seed's policy, under the seed's names."""

    init_q_ratio: float = 0.30
    cpx_size: int = 192
    yolo_smax_thr: float = 0.55
    yolo_margin_thr: float = 0.03
    yolo_ent_thr: float = 0.95
    yolo_keep_bidir: bool = True
    qwen_thr: float = 0.26


def keeps(label: int, *, bidirectional: bool) -> bool:
    """Whether the seed's edge keeps a frame: a good that it is sure of, or, ``bidirectional``, a defect.

    It is sure of exactly the frames that its rule calls good, so there is no defect that it keeps.
    """
    sure = label == GOOD
    return sure and (label == GOOD or (bidirectional and label == DEFECT))


@dataclass(frozen=True, slots=True)
class SeedPolicy:
    """Routes as the seed does; our states of the cloud (down, busy) come on top, the seed has none.

    Attributes:
        config: the seed's parameters.
        cut: complexity from which a frame goes straight to the cloud; None before ``prepare``.
    """

    config: SeedConfig
    cut: float | None = None

    def prepare(self, complexities: Sequence[float]) -> SeedPolicy:
        """First pass: the policy with its cut at the quantile of all complexities (seed's formula).

        Frames that tie at the cut go to the cloud together. A share of 0 sends none, of 1 all.

        Raises:
            ConfigError: no complexities, or a share outside 0 to 1.
            DataError: a complexity is not finite.
        """
        share = self.config.init_q_ratio
        if not 0.0 <= share <= 1.0:
            raise ConfigError(f"init_q_ratio {share:g} is not between 0 and 1", "give a share such as 0.3")
        values = sorted_scores(complexities, "complexity")
        if not len(values):
            raise ConfigError(
                "there are no complexities to take a quantile of", "prepare the policy on the frames to judge"
            )
        cut = float("inf") if share == 0 else float(np.quantile(values, 1.0 - share))
        return SeedPolicy(self.config, cut)

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        """See ``Scheduler.route``; ``opinion.label`` is that of the classifier's rule (``saec.edge.yolo``).

        Raises:
            ConfigError: not prepared, or no complexity.
        """
        if self.cut is None:
            raise ConfigError("the policy seed is not prepared", "call prepare() with all complexities first")
        if complexity is None:
            raise ConfigError(
                "the policy seed needs the complexity of each frame", "measure it before routing"
            )
        if not complexity < self.cut:
            return ask("seed-complex", state)
        if keeps(opinion.label, bidirectional=self.config.yolo_keep_bidir):
            return Route("edge", "seed-simple-good")
        return ask("seed-not-kept", state)


def seed_line(profile: LineProfile, config: SeedConfig) -> LineProfile:
    """The line under the seed's thresholds: its classifier's rule is labelled as given, not as calibrated.

    Raises:
        ConfigError: the line's detector is not the seed's.
    """
    detector = profile.line.detector
    if detector.kind != "yolo":
        raise ConfigError(
            f"policy seed cannot be used with the detector {detector.kind}",
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


PRESETS = {
    "saec": Preset(policy=SeedConfig(), batch=24, resize=512, adapter=True),
    "all-to-cloud": Preset(
        policy=SeedConfig(
            init_q_ratio=1.0,
            yolo_smax_thr=9.99,
            yolo_margin_thr=9.99,
            yolo_ent_thr=0.0,
            yolo_keep_bidir=False,
        ),
        batch=16,
        resize=448,
        adapter=False,
    ),
}
"""The seed's SAEC command and its base (all to cloud) command."""


def _own(given: msgspec.Struct | None) -> SeedConfig:
    assert given is None or isinstance(given, SeedConfig)
    return given or SeedConfig()


def _prepared(policy: Scheduler, complexities: Sequence[float]) -> Scheduler:
    assert isinstance(policy, SeedPolicy)
    return policy.prepare(complexities)


def _remembered(policy: Scheduler) -> dict[str, float | None]:
    assert isinstance(policy, SeedPolicy)
    assert policy.cut is not None
    return {"cut": policy.cut if math.isfinite(policy.cut) else None}  # JSON knows no infinity


def _reopened(config: SeedConfig, found: Mapping[str, Any]) -> SeedPolicy:
    if "cut" not in found:
        raise DataError(
            "the run does not say which complexity the policy seed cut at",
            "inspect again: the run was stopped in its first pass",
        )
    return SeedPolicy(config, math.inf if found["cut"] is None else found["cut"])


KIND = PolicyKind(
    open=lambda calibration, trust, settings: SeedPolicy(_own(settings.own)),
    reasons={
        "seed-simple-good": "the edge rule of the policy seed says good, so the edge's label is used",
        "seed-not-kept": "the edge rule of the policy seed does not say good, so the cloud is asked",
        "seed-complex": "among the share of frames of highest complexity, so the cloud is asked",
    },
    cloud="alone",
    parameters=SeedConfig,
    presets=PRESETS,
    cloud_threshold=lambda own: own.qwen_thr,
    line=seed_line,
    first_pass=FirstPass(
        complexity=lambda own: lambda image: seed_complexity(image, own.cpx_size).value,
        prepare=_prepared,
        remember=_remembered,
        reopen=_reopened,
    ),
)
"""The seed's policy as the table of policies knows it (entry point ``saec.policies``)."""
