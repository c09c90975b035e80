"""The section [fit]: how a line profile is made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from saec.settings.setting_fields import Costs, Everyday, OpenShare, Option, Seed
from saec.types import Box

Precision = Literal["float32", "bfloat16", "int8"]
Learn = Literal["auto", "never"]


class FitConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [fit]: how a line profile is made.

    Attributes:
        overkill_rate: Choose the threshold by the share of good images that it may reject (false rejects).
            It then comes from good images alone. Default: 0.05, or a lower threshold where labelled defects
            show that it makes fewer errors (docs/scheduling.md).
        escape_rate: Choose the threshold by the share of defects that it may miss (missed defects). It needs
            labelled defects.
        cost: Choose the threshold by what errors cost. It then has the smallest expected cost at
            --prevalence. It needs at least two labelled defects. Only the ratio of the two costs counts.
        prevalence: The share of defects among the frames that P(defect) assumes. It moves P(defect) and so
            the gate (the range of scores in which the edge is not sure). It moves the threshold only with
            --cost. 0.5 weighs good and defect alike.
        side_px: The detector sees a frame scaled to an area of about SIDE x SIDE pixels, with its aspect
            kept. Only a frame with a side below 128 pixels is enlarged.
        tiles: Cut the frame into about TILES x TILES overlapping tiles, each of which is seen as SIDE x SIDE
            pixels. So small defects of large frames show. Time and memory grow with the square of TILES.
        auto_size: Take the side and the tiles that the fit proposes. It proposes them from the size of the
            frames and, where their places are marked, of the labelled defects.
        roi: Judge only this rectangle, in pixels of the original frame. X1 and Y1 are not included.
        backbone: The pretrained network that makes the features: efficientnet-lite0, efficientnet-lite1 or
            efficientnet-lite2. It can also be the folder, or the name on the Hugging Face hub, of a model of
            timm or of a DINOv2 or DINOv3 checkpoint in safetensors (docs/edge.md).
        memory_patches: How many patches of good images the detector keeps to compare with. More patches take
            more time and memory.
        keep_references: How many good images the line keeps as references. `saec inspect --references` sets
            how many of them the cloud is shown.
        dtype: Arithmetic of the detector at the line. "bfloat16" is faster on a CPU that has it, "int8" on
            nearly all. A fit in int8 takes twice as long. It stops if labels differ from those of float32.
        threads: CPU threads that the detector uses when it judges.
        device: Where the detector runs: CPU, or with OpenVINO's drivers GPU (one of Intel's; GPU.1 is the
            second) or NPU. The fit runs there, too.
        learn: Whether labelled defects teach the detector. "auto" lets what they teach count as far as it
            finds defects that it has not seen. "never" leaves the detector to the good images.
        folds: Number of folds. Cross-validation gives each good image a score from a detector that has not
            seen it.
        bits: Bits that a 16-bit image really uses, counted from the lowest. A 12-bit camera uses 12.
        holdout_share: The share of the good images, and of each kind of defect, that is held out. It counts
            only for a data set without splits.
        seed: Seed of every random draw of the fit.
    """

    overkill_rate: Everyday[OpenShare | None] = None
    escape_rate: Everyday[OpenShare | None] = None
    cost: Costs = None
    prevalence: OpenShare = 0.5
    side_px: Annotated[int, msgspec.Meta(ge=128, le=2048), Option(everyday=True)] = 448
    tiles: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    auto_size: Annotated[bool, Option(everyday=True)] = False
    roi: Annotated[Box | None, Option(everyday=True, kind="rectangle")] = None
    backbone: str = "efficientnet-lite0"
    memory_patches: Annotated[int, msgspec.Meta(ge=64, le=65536)] = 3072
    keep_references: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    dtype: Precision = "float32"
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    device: str = "CPU"
    learn: Learn = "auto"
    folds: Annotated[int, msgspec.Meta(ge=2, le=50)] = 10
    bits: Annotated[int, msgspec.Meta(ge=8, le=16)] = 16
    holdout_share: OpenShare = 0.3
    seed: Seed = 0
