"""The sections of ``saec data``: what is taken into a data set that is built, or drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from saec.settings.cloud_settings import CloudConfig
from saec.settings.setting_fields import CountOrZero, Everyday, Option, Seed, Share

Ksdd2Protocol = Literal["one-to-one", "official"]


class HoldoutConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [mvtec_holdout]: which test images `saec data mvtec-holdout` takes.

    Attributes:
        n_good: Take at most so many good images.
        n_defect: Take at most so many defects.
        seed: Seed of the choice of images.
        exclude: A JSONL file that names images not to take. Give it several times for several files.
        exclude_manifest: A manifest, or the folder of one, whose images are not taken. Other images of the
            same parts are left out, too. Give it several times for several manifests.
        link: Link to the images instead of copying them.
        lists: Write lists of what was taken into this folder.
    """

    n_good: Everyday[CountOrZero] = 500
    n_defect: Everyday[CountOrZero] = 500
    seed: Everyday[Seed] = 2025
    exclude: Annotated[tuple[Path, ...], Option(everyday=True, kind="path")] = ()
    exclude_manifest: Annotated[tuple[Path, ...], Option(everyday=True, kind="path")] = ()
    link: Everyday[bool] = False
    lists: Everyday[Path | None] = None


class Ksdd2Config(msgspec.Struct, frozen=True, kw_only=True):
    """The section [ksdd2]: what `saec data ksdd2` makes of KolektorSDD2.

    Attributes:
        protocol: Which images are taken. "one-to-one" takes all defects and as many good images, all as
            hold-out. "official" keeps the data set's own split.
        seed: Seed of the choice of images.
        link: Link to the images instead of copying them.
        lists: Write lists of what was taken into this folder.
        drop_shared: Leave training images out that are test images, too. It is for the official split.
    """

    protocol: Everyday[Ksdd2Protocol] = "one-to-one"
    seed: Everyday[Seed] = 1234
    link: Everyday[bool] = False
    lists: Everyday[Path | None] = None
    drop_shared: Everyday[bool] = False


class SftConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [sft]: what `saec data sft` makes for `saec tune`.

    Attributes:
        train_defect_share: The share of the test defects to train on.
        calibration_share: The share of the good training images, and of the test defects, that is spared. You
            can measure the tuned model on it.
        seed: Seed of the choice of images.
        references: Good images that the cloud is shown before each frame.
        exclude_holdout: A manifest, or the folder of one, whose hold-out is left out. Give it several times
            for several manifests.
        link: Link to the images instead of copying them.
    """

    train_defect_share: Everyday[Share] = 0.5
    calibration_share: Annotated[float, msgspec.Meta(ge=0, lt=1), Option(everyday=True)] = 0.0
    seed: Everyday[Seed] = 0
    references: Annotated[int, msgspec.Meta(ge=0, le=64), Option(everyday=True)] = CloudConfig().references
    exclude_holdout: Annotated[tuple[Path, ...], Option(everyday=True, kind="path")] = ()
    link: Everyday[bool] = True


class DrawingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [drawing]: which images of a procedural product are drawn.

    Attributes:
        seed: Seed of the product and of its images.
        n_train: Good images to train on.
        n_good: Good images to test on.
        n_defect: Defects to test on.
        n_train_defect: Defects to calibrate on.
        difficulty: How hard the defects are to see: 0 is plain, 1 is at the limit of seeing.
        size_px: Side of an image, in pixels.
        variation: How much images vary without a defect, in light, dust, turn and focus: 0 is not at all, 1
            is most.
        kinds: A kind of defect to draw. Give it several times for several kinds. Default: all kinds of the
            family but 'extra part' and 'asymmetry'.
    """

    seed: Everyday[Seed] = 0
    n_train: Everyday[CountOrZero] = 60
    n_good: Everyday[CountOrZero] = 20
    n_defect: Everyday[CountOrZero] = 40
    n_train_defect: Everyday[CountOrZero] = 0
    difficulty: Everyday[Share] = 0.5
    size_px: Annotated[int, msgspec.Meta(ge=64), Option(everyday=True)] = 256
    variation: Everyday[Share] = 0.0
    kinds: Annotated[tuple[str, ...], Option(name="--kind", everyday=True)] = ()
