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

from saec.errors import ConfigError
from saec.schedule.policies.contract import CloudState, ask
from saec.schedule.statistics.threshold import sorted_scores
from saec.settings import SeedConfig
from saec.types import DEFECT, GOOD, EdgeOpinion, Route


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
            raise ConfigError("no complexities to take a quantile of", "prepare on the frames to be judged")
        cut = float("inf") if share == 0 else float(np.quantile(values, 1.0 - share))
        return SeedPolicy(self.config, cut)

    def route(self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float) -> Route:
        """See ``Policy.route``; ``opinion.label`` is that of the classifier's rule (``saec.edge.yolo``).

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
        if keeps(opinion.label, bidirectional=self.config.yolo_keep_bidir):
            return Route("edge", "seed-simple-good")
        return ask("seed-not-kept", state)


class SeedPreset(msgspec.Struct, frozen=True, kw_only=True):
    """One of the seed's commands as data: its policy and how it ran its cloud.

    Attributes:
        policy: the parameters of the collaboration; the cloud alone decides what it is asked, and says
            defect from ``qwen_thr``.
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
