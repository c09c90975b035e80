"""The section [tune]: how ``saec tune`` makes an adapter."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from saec.settings import CloudConfig
from saec.settings.cloud_settings import AUTO, SMALL
from saec.settings.setting_fields import Count, Everyday, Option, Positive, Seed

TuneArithmetic = Literal["auto", "float32", "bfloat16", "4bit"]
PartlyShare = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class TuneConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section [tune]: how `saec tune` makes an adapter. Side and prompt are the base's own.

    Attributes:
        base: The model to tune: the folder of a checkpoint, or its name on a hub. "small" is the
            demonstration checkpoint of the package saec-research.
        lora_rank: Rank of the adapter's matrices (LoRA).
        lora_alpha: The adapter is scaled by alpha / rank.
        lora_dropout: The share of the adapter's inputs that are left out at random.
        epochs: Number of epochs. Each has as many images as the training data, half of them good and half
            defects. The images of the rarer label come several times. Those of the other label all have their
            turn over the epochs.
        batch: Images of one forward pass. More images take more memory.
        accumulation: Batches of one optimizer step (gradient accumulation).
        learning_rate: The highest learning rate. It falls along a cosine to 0.
        warm_up_share: The share of the steps over which the learning rate rises.
        references: Good images of the training data that are shown before each image.
        recompute: Compute activations twice instead of keeping them (gradient checkpointing). It takes less
            memory and more time.
        save_every_steps: Save the state after so many steps, for --resume.
        decoders: How many threads read and cut images.
        seed: Seed of the adapter's start, of the order of the images, of their references and of dropout.
        dtype: Arithmetic of the model. "auto" is bfloat16 on a GPU and float32 on a CPU. "4bit" holds the
            base's language model in four bits (NF4, QLoRA).
        device: Where the model is computed: auto, cpu, cuda or cuda:N. "auto" is a GPU where there is one.
    """

    base: Annotated[str, Option(everyday=True, kind="model", metavar="small|PATH|NAME")] = SMALL
    lora_rank: Everyday[Count] = 8
    lora_alpha: Count = 16
    lora_dropout: PartlyShare = 0.05
    epochs: Everyday[Count] = 3
    batch: Everyday[Count] = 2
    accumulation: Count = 8
    learning_rate: Everyday[Positive] = 2e-4
    warm_up_share: PartlyShare = 0.03
    references: Annotated[int, msgspec.Meta(ge=0, le=64)] = CloudConfig().references
    recompute: bool = False
    save_every_steps: Count = 20
    decoders: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    seed: Seed = 0
    dtype: Everyday[TuneArithmetic] = AUTO
    device: Everyday[str] = AUTO
