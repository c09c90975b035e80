"""All packed weights of a model under one adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from saec.cloud.fast.ops import Linear
from saec.cloud.fast.packing import Layer, four_bit, pack, pack_language, pack_vision


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The weights of both towers, the projector and the last norm; the head is the model's own."""

    patch: Linear
    blocks: Sequence[Layer]
    merge_norm: Tensor
    merge1: Linear
    merge2: Linear
    layers: Sequence[Layer]
    final: Tensor


class _OnDemand(Sequence[Layer]):
    """Layers whose weights are held in four bits and unpacked when they are needed."""

    def __init__(self, layers: Sequence[Any], make: Callable[[Any], Layer]) -> None:
        self._layers, self._make = layers, make

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, i: Any) -> Any:
        return self._make(self._layers[i])


def read_weights(bare: Any, adapter: str | None, *, fp8: bool) -> Weights:
    """The weights of transformers' Qwen2.5-VL as the fast pass takes them.

    Args:
        bare: the model without peft's wrapper; its layers become views into packed matrices.
        adapter: name of the adapter that takes effect.
        fp8: hold the layers' products in eight bits, beside the others.
    """
    visual, language = bare.model.visual, bare.model.language_model
    convolution = visual.patch_embed.proj.weight.detach()

    def make(layer: Any) -> Layer:
        return pack_language(layer, adapter, fp8=fp8)

    held = four_bit(language.layers[0].mlp.down_proj)
    return Weights(
        Linear(convolution.flatten(1)),
        [pack_vision(block, adapter, fp8=fp8) for block in visual.blocks],
        visual.merger.ln_q.weight.detach(),
        pack([visual.merger.mlp[0]], adapter),
        pack([visual.merger.mlp[2]], adapter),
        _OnDemand(language.layers, make) if held else [make(layer) for layer in language.layers],
        language.norm.weight.detach(),
    )
