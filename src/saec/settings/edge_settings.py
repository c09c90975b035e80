"""The section [fit]: how a line profile is made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from saec.settings.setting_fields import OpenShare, Option
from saec.types import Box

Precision = Literal["float32", "bfloat16"]


class FitConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [fit]: how a line profile is made.

    Attributes:
        overkill_rate: The share of goods that may be rejected (false rejects). It sets the threshold.
        prevalence: The share of defects among the parts at which P(defect) is stated.
        side_px: The detector sees a frame at about side x side pixels. The aspect is kept, and a frame is
            never enlarged.
        roi: Judge this rectangle of the frame only, in pixels.
        backbone: The frozen feature extractor (docs/edge.md).
        memory_patches: Patches of goods that the detector remembers.
        keep_references: Good images that are kept with the line for the cloud.
        dtype: Arithmetic of the detector at the line.
        threads: Threads of the detector at the line.
        folds: Folds of the cross-fit, which scores goods as if they were unseen.
        bits: Significant bits of 16-bit images.
        holdout_share: The share of goods, and of each kind of defect, that is held out of a data set without
            splits.
        seed: Seed of every random choice.
    """

    overkill_rate: Annotated[OpenShare, Option(everyday=True)] = 0.05
    prevalence: Annotated[OpenShare, Option(everyday=True)] = 0.5
    side_px: Annotated[int, msgspec.Meta(ge=128, le=2048), Option(everyday=True)] = 448
    roi: Annotated[Box | None, Option(everyday=True, kind="rectangle")] = None
    backbone: str = "efficientnet-lite0"
    memory_patches: Annotated[int, msgspec.Meta(ge=64, le=65536)] = 4096
    keep_references: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    dtype: Precision = "float32"
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    folds: Annotated[int, msgspec.Meta(ge=2, le=50)] = 20
    bits: Annotated[int, msgspec.Meta(ge=8, le=16)] = 16
    holdout_share: OpenShare = 0.3
    seed: int = 0
