"""The arithmetic of the fast pass: products in 16 or 8 bits, norm, rotation, two kinds of attention."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

FP8 = torch.float8_e4m3fn
_FP8_MAX = 448.0


class Linear(NamedTuple):
    """One product, perhaps of several layers that share an input.

    Attributes:
        weight: (out, in), in the model's arithmetic, or in float8 with ``scale``.
        bias: (out,) or None.
        scale: (1, out) float32 of each row of a float8 weight, else None.
        down, up: an adapter's matrices, (rank, in) and (out, rank) with its scaling in them, or None.
    """

    weight: Tensor
    bias: Tensor | None = None
    scale: Tensor | None = None
    down: Tensor | None = None
    up: Tensor | None = None


def quantized(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix in float8 (e4m3) with one scale for each row: the values and (rows, 1) float32 scales."""
    scale = weight.abs().amax(-1, keepdim=True).float().clamp(min=1e-12) / _FP8_MAX
    return (weight.float() / scale).clamp(-_FP8_MAX, _FP8_MAX).to(FP8), scale


def apply(x: Tensor, layer: Linear) -> Tensor:
    """x (..., in) through the layer, adapter included: (..., out) in x's arithmetic."""
    if layer.scale is None:
        y = functional.linear(x, layer.weight, layer.bias)
    else:
        y = _in_eight_bits(x, layer.weight, layer.scale)
        if layer.bias is not None:
            y = y + layer.bias
    if layer.down is not None and layer.up is not None:
        y = y + functional.linear(functional.linear(x, layer.down), layer.up)
    return y


def _in_eight_bits(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """The product of float8 values, one scale for each row of both sides, added up in 32 bits.

    Where there is no such unit (a CPU), the same values are multiplied in float32: slower, and the same but
    for the order of the sum.
    """
    rows = x.reshape(-1, x.shape[-1])
    values, scales = quantized(rows)
    if x.is_cuda:
        y = torch._scaled_mm(
            values, weight.t(), scale_a=scales, scale_b=scale, out_dtype=x.dtype, use_fast_accum=True
        )
    else:
        y = (functional.linear(values.float(), weight.float()) * scales * scale).to(x.dtype)
    return y.view(*x.shape[:-1], -1)


def norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm (Zhang and Sennrich, 2019), in float32 as transformers does it."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al., 2021) in float32; the last axis is the head's."""
    wide = x.float()
    low, high = wide.chunk(2, -1)
    return (wide * cos + torch.cat((-high, low), -1) * sin).to(x.dtype)


def whole_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention without a mask; q, k, v and the result are (batch, heads, length, width)."""
    return functional.scaled_dot_product_attention(q, k, v, enable_gqa=q.shape[1] != k.shape[1])


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of the last positions of a sequence to all up to their own.

    Args:
        q: (batch, heads, length, width).
        k, v: (batch, fewer heads, earlier + length, width).
    """
    if q.is_cuda and q.dtype != torch.float32:
        # The kernel aligns the mask at the lower right; the public function would align it at the upper left.
        seen: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, True, False)[0]
        return seen
    length, total = q.shape[2], k.shape[2]
    mask = torch.ones(length, total, dtype=torch.bool, device=q.device).tril(total - length)
    return functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1]
    )
