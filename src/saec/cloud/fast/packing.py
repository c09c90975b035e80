"""The weights as the fast pass takes them: layers that share an input in one matrix, adapters beside it.

Where a matrix is put together, transformers' layers become views into it, so that nothing is held twice and
words are still written by transformers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from saec.cloud.fast.ops import Linear, quantized

_MULTIPLE = 64
"""Inner width to which a tower's feed-forward is padded with zeros: 3,420 suits no matrix unit."""


class Layer(NamedTuple):
    """One layer of either tower. The feed-forward's two input projections are one: gate first, then up."""

    qkv: Linear
    out: Linear
    widen: Linear
    narrow: Linear
    norm1: Tensor
    norm2: Tensor


def pack_vision(block: Any, adapter: str | None, *, fp8: bool = False) -> Layer:
    """A block of the vision tower; with ``fp8`` its four products are in eight bits."""
    inner = block.mlp.gate_proj.out_features
    padded = -(-inner // _MULTIPLE) * _MULTIPLE
    return _layer(
        [
            pack([block.attn.qkv], adapter),
            pack([block.attn.proj], adapter),
            pack([block.mlp.gate_proj, block.mlp.up_proj], adapter, rows=padded),
            pack([block.mlp.down_proj], adapter, columns=padded),
        ],
        (block.norm1, block.norm2),
        fp8=fp8,
    )


def pack_language(layer: Any, adapter: str | None, *, fp8: bool = False) -> Layer:
    """A layer of the language model; with ``fp8`` its four products are in eight bits."""
    attention, mlp = layer.self_attn, layer.mlp
    return _layer(
        [
            pack([attention.q_proj, attention.k_proj, attention.v_proj], adapter),
            pack([attention.o_proj], adapter),
            pack([mlp.gate_proj, mlp.up_proj], adapter),
            pack([mlp.down_proj], adapter),
        ],
        (layer.input_layernorm, layer.post_attention_layernorm),
        fp8=fp8,
    )


def _layer(products: Sequence[Linear], norms: tuple[Any, Any], *, fp8: bool) -> Layer:
    qkv, out, widen, narrow = map(in_eight_bits, products) if fp8 else products
    return Layer(qkv, out, widen, narrow, *(norm.weight.detach() for norm in norms))


def in_eight_bits(layer: Linear) -> Linear:
    """The same product with its weight in float8; the adapter keeps its bits."""
    values, scales = quantized(layer.weight)
    return layer._replace(weight=values, scale=scales.t().contiguous())


def pack(layers: Sequence[Any], adapter: str | None, rows: int = 0, columns: int = 0) -> Linear:
    """Linear layers on one input as one product.

    Args:
        layers: torch's, peft's around them, or bitsandbytes' in four bits.
        adapter: name of the adapter in effect, or None.
        rows, columns: pad each layer's outputs, or its inputs, with zeros to so many.
    """
    bare = [getattr(layer, "base_layer", layer) for layer in layers]
    down, up = _low_rank(layers, adapter, rows)
    if columns and down is not None:
        down = functional.pad(down, (0, columns - down.shape[1]))
    return Linear(_weight(bare, rows, columns), _bias(bare, rows), None, down, up)


def four_bit(layer: Any) -> bool:
    """Whether bitsandbytes holds the layer's weight in four bits."""
    return hasattr(getattr(layer, "base_layer", layer).weight, "quant_state")


def _unpacked(layer: Any) -> Tensor:
    from bitsandbytes.functional import dequantize_4bit

    dense: Tensor = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    return dense


def _weight(bare: Sequence[Any], rows: int, columns: int) -> Tensor:
    """The layers' weights in one matrix, of which they become views."""
    if four_bit(bare[0]):
        return torch.cat([_unpacked(layer) for layer in bare])
    parts = [layer.weight.detach() for layer in bare]
    if len(parts) == 1 and not rows and not columns:
        return parts[0]
    if (held := _held(parts, rows, columns)) is not None:
        return held
    heights = [rows or len(part) for part in parts]
    width = columns or parts[0].shape[1]
    packed = parts[0].new_zeros(sum(heights), width)
    top = 0
    for layer, part, height in zip(bare, parts, heights, strict=True):
        view = packed[top : top + len(part), : part.shape[1]]
        view.copy_(part)
        layer.weight.data = view
        top += height
    return packed


def _held(parts: Sequence[Tensor], rows: int, columns: int) -> Tensor | None:
    """The matrix of which the parts are views already (another adapter was packed before)."""
    heights = [rows or len(part) for part in parts]
    width = columns or parts[0].shape[1]
    size = sum(heights) * width
    same = {part.untyped_storage().data_ptr() for part in parts}
    first = parts[0]
    if len(same) != 1 or first.untyped_storage().nbytes() != size * first.element_size():
        return None
    return first.as_strided((sum(heights), width), (width, 1), 0)


def _bias(bare: Sequence[Any], rows: int) -> Tensor | None:
    if bare[0].bias is None:
        return None
    biases = [layer.bias.detach() for layer in bare]
    return torch.cat([functional.pad(b, (0, (rows or len(b)) - len(b))) for b in biases])


def _low_rank(layers: Sequence[Any], adapter: str | None, rows: int) -> tuple[Tensor | None, Tensor | None]:
    """The adapter's matrices for all layers at once; of a layer that it leaves alone, zeros."""
    if adapter is None or not any(adapter in getattr(layer, "lora_A", ()) for layer in layers):
        return None, None
    first = getattr(layers[0], "base_layer", layers[0])
    dtype = getattr(first, "compute_dtype", None) or first.weight.dtype
    downs, ups = [], []
    for layer in layers:
        bare = getattr(layer, "base_layer", layer)
        height = rows or bare.out_features
        if adapter in getattr(layer, "lora_A", ()):
            down = layer.lora_A[adapter].weight.detach()
            up = layer.lora_B[adapter].weight.detach() * layer.scaling[adapter]
            ups.append(functional.pad(up, (0, 0, 0, height - len(up))).to(dtype))
            downs.append(down.to(dtype))
        else:
            ups.append(torch.zeros(height, 0, dtype=dtype, device=bare.weight.device))
    return torch.cat(downs), torch.block_diag(*ups)


_PACKED = re.compile(
    r"(^|.*\.)(visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)|visual\.merger\.mlp\.[02]"
    r"|language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj))"
)
"""Layers that are packed with their adapters; any other one is called as it is, or not at all."""


def plain_low_rank(model: Any) -> bool:
    """Whether all adapters are sums of low-rank products on packed layers: all that the fast pass knows."""
    for name, module in model.named_modules():
        if getattr(module, "lora_variant", None) or any(getattr(module, "lora_bias", {}).values()):
            return False
        if type(module).__name__ in ("ModulesToSaveWrapper", "TrainableTokensWrapper"):
            return False
        if hasattr(module, "base_layer") and not _PACKED.fullmatch(name):
            return False
    return True
