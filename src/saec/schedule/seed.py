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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from saec.config import SeedConfig
from saec.errors import ConfigError
from saec.schedule.policy import CloudState, ask
from saec.schedule.threshold import sorted_scores
from saec.verdict import DEFECT, GOOD, EdgeOpinion, Route


class SureThresholds(msgspec.Struct, frozen=True):
    """Thresholds of the seed's edge rule.

    Attributes:
        smax: least top-1 probability of a good.
        margin: least difference of the two highest probabilities of a good.
        ent: highest entropy / log(classes) of a good.
    """

    smax: float
    margin: float
    ent: float


def thresholds_from_goods(
    smax: Sequence[float], margin: Sequence[float], ent: Sequence[float]
) -> SureThresholds:
    """The seed's thresholds from training goods: their 20 %, 20 % and 80 % quantiles.

    Raises:
        DataError: a value is not finite.
        ConfigError: no goods.
    """
    if not len(smax) == len(margin) == len(ent) or not len(smax):
        raise ConfigError(
            f"{len(smax)}, {len(margin)} and {len(ent)} values of goods", "give all three of every good"
        )
    low = [float(np.quantile(sorted_scores(v, "goods"), 0.2)) for v in (smax, margin)]
    return SureThresholds(low[0], low[1], float(np.quantile(sorted_scores(ent, "goods"), 0.8)))


def edge_label(smax: float, margin: float, ent: float, thresholds: SureThresholds) -> int:
    """GOOD when the classifier is sure of some class, else DEFECT."""
    sure = smax >= thresholds.smax and margin >= thresholds.margin and ent <= thresholds.ent
    return GOOD if sure else DEFECT


def keeps(label: int, sure: bool, *, bidirectional: bool) -> bool:
    """Whether the edge keeps a frame: a sure good, and where ``bidirectional`` a sure defect.

    ``edge_label`` says GOOD exactly when it is sure, so the second case does not occur.
    """
    return sure and (label == GOOD or bidirectional)


def cloud_label(p_defect: float, threshold: float) -> int:
    """The cloud's answer stands alone: DEFECT when its P(defect) reaches ``qwen_thr``."""
    return DEFECT if p_defect >= threshold else GOOD


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
            raise ConfigError("no complexities to take a quantile of", "prepare on the frames to be judged")
        cut = float("inf") if share == 0 else float(np.quantile(values, 1.0 - share))
        return SeedPolicy(self.config, cut)

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        """See ``Policy.route``; ``opinion.label`` is that of ``edge_label``.

        Raises:
            ConfigError: not prepared, or no complexity.
        """
        if self.cut is None:
            raise ConfigError(
                "the seed's policy is not prepared", "call prepare() with all complexities first"
            )
        if complexity is None:
            raise ConfigError("the seed's policy needs each frame's complexity", "measure it before routing")
        if not complexity < self.cut:
            return ask("seed-complex", state)
        sure = opinion.label == GOOD
        if keeps(opinion.label, sure, bidirectional=self.config.yolo_keep_bidir):
            return Route("edge", "seed-simple-good")
        return ask("seed-not-kept", state)


class SeedPreset(msgspec.Struct, frozen=True, kw_only=True):
    """One of the seed's commands as data: its policy and how it ran its cloud.

    Attributes:
        policy: the parameters of the collaboration.
        batch, resize: images per forward pass and their side in pixels.
        adapter: whether a fine-tuned adapter was loaded.
        four_bit: whether the base was quantised.
        attention: the implementation asked for.
    """

    policy: SeedConfig
    batch: int
    resize: int
    adapter: bool
    four_bit: bool = False
    attention: Literal["flash2", "sdpa", "eager"] = "flash2"


PRESETS = {
    "saec": SeedPreset(policy=SeedConfig(), batch=24, resize=512, adapter=True),
    "all-to-cloud": SeedPreset(
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
