"""The defaults of ``saec tune``, which makes an adapter."""

from __future__ import annotations

from typing import Literal

import msgspec

from saec.settings import CloudConfig


class TuneConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How ``saec tune`` makes an adapter; see ``saec.tune``. Side and prompt are the base's own.

    Attributes:
        base: "small" (the demonstration checkpoint that ships), a checkpoint's folder or its hub name.
        rank, alpha, dropout: rank, scale and dropout of the low-rank matrices (LoRA). Their product is scaled
            by alpha / rank.
        epochs: times as many images are seen as the training data has.
        batch: images that are computed at once.
        accumulation: batches whose gradients are added up to one step.
        rate: learning rate at its peak.
        warm_up: share of the steps over which it rises; it falls along a cosine to 0.
        references: good images of the training data shown before each image.
        four_bit: hold the base's language model in 4-bit NF4 (QLoRA).
        recompute: keep no activations of the language model's layers, which saves memory and costs time.
        save_every: steps after which the state is saved.
        decoders: threads that read and cut images.
        seed: seed of the matrices' start, the order of the images, their references and dropout.
        dtype, device: arithmetic and device, see ``CloudConfig``.
    """

    base: str = "small"
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    epochs: int = 3
    batch: int = 2
    accumulation: int = 8
    rate: float = 2e-4
    warm_up: float = 0.03
    references: int = 1
    four_bit: bool = False
    recompute: bool = False
    save_every: int = 20
    decoders: int = 2
    seed: int = 0
    dtype: Literal["auto", "float32", "bfloat16"] = CloudConfig().dtype
    device: str = CloudConfig().device
