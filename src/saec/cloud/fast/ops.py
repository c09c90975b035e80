"""The arithmetic of the fast pass: products in 16 or 8 bits, and what stands between them.

On a GPU with Triton the steps that a compiler would spread over several passes are kernels of our own
(``row_kernels``, ``product_kernels``); everywhere else they are the plain operations that stand here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

try:
    from saec.cloud.fast import product_kernels, row_kernels
except ImportError:  # Triton comes with a torch for GPUs
    row_kernels = product_kernels = None  # type: ignore[assignment]

FP8 = torch.float8_e4m3fn
_FP8_MAX = torch.finfo(FP8).max
_LEAST = 1e-12
"""Below this a row's largest magnitude counts as this, so that a row of zeros has a scale."""


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


class Operand(NamedTuple):
    """What enters a product, as the product wants it.

    Attributes:
        wide: (..., in) in the model's arithmetic; None where only the rounded values are needed.
        values: (..., in) float8 with ``scale``, (rows, 1) float32 for each row, or None.
    """

    wide: Tensor | None
    values: Tensor | None = None
    scale: Tensor | None = None


def fused(x: Tensor) -> bool:
    """Whether our kernels compute on x."""
    return row_kernels is not None and x.is_cuda and x.dtype in (torch.bfloat16, torch.float16)


def quantized(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows in float8 (e4m3) with one scale each: the values and (rows, 1) float32 scales."""
    scale = x.abs().amax(-1, keepdim=True).float().clamp(min=_LEAST) / _FP8_MAX
    return (x.float() / scale).clamp(-_FP8_MAX, _FP8_MAX).to(FP8), scale


def entering(x: Tensor, layer: Linear) -> Operand:
    """x (..., in) as the layer's input."""
    if layer.scale is None:
        return Operand(x)
    rows = x.reshape(-1, x.shape[-1])
    values, scale = row_kernels.quantize_rows(rows) if fused(x) else quantized(rows)
    return Operand(x, values.view(x.shape), scale)


def apply(x: Operand, layer: Linear) -> Tensor:
    """x through the layer, adapter included: (..., out)."""
    if layer.scale is not None:
        y = _in_eight_bits(x, layer)
    else:
        assert x.wide is not None
        y = functional.linear(x.wide, layer.weight, layer.bias)
    if layer.down is not None and layer.up is not None:
        assert x.wide is not None
        y = y + functional.linear(functional.linear(x.wide, layer.down), layer.up)
    return y


def _in_eight_bits(x: Operand, layer: Linear) -> Tensor:
    """The product of float8 values, one scale for each row of both sides, added up in 32 bits.

    Where there is no such unit (a CPU), the same values are multiplied in float32: slower, and the same but
    for the order of the sum.
    """
    assert x.values is not None
    assert x.scale is not None
    assert layer.scale is not None
    values = x.values.flatten(0, -2)
    dtype = torch.bfloat16 if x.wide is None else x.wide.dtype
    if values.is_cuda:
        y = torch._scaled_mm(
            values,
            layer.weight.t(),
            scale_a=x.scale,
            scale_b=layer.scale,
            bias=layer.bias,
            out_dtype=dtype,
            use_fast_accum=True,
        )
    else:
        y = functional.linear(values.float(), layer.weight.float()) * x.scale * layer.scale
        y = (y if layer.bias is None else y + layer.bias.float()).to(dtype)
    return y.view(*x.values.shape[:-1], -1)


def norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm (Zhang and Sennrich, 2019), in float32 as transformers does it."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def add_norm(x: Tensor, delta: Tensor, weight: Tensor, eps: float, layer: Linear) -> tuple[Tensor, Operand]:
    """The residual stream with ``delta`` added, and its norm as the layer's input."""
    if not fused(x):
        x = x + delta
        return x, entering(norm(x, weight, eps), layer)
    rows = x.flatten(0, -2)
    if _rounded_only(x, layer):
        total, values, scale = row_kernels.norm_rounded_rows(rows, delta.view(rows.shape), weight, eps)
        return total.view(x.shape), Operand(None, values.view(x.shape), scale)
    total, normed = row_kernels.norm_rows(rows, delta.view(rows.shape), weight, eps)
    return total.view(x.shape), entering(normed.view(x.shape), layer)


def gated(x: Operand, widen: Linear, layer: Linear) -> Operand:
    """silu(gate) * up (Shazeer, 2020) of x through ``widen`` (gates, then ups) as the layer's input."""
    if x.wide is not None and fused(x.wide) and widen.scale is None and widen.down is None:
        y = product_kernels.gated_product(x.wide.flatten(0, -2), widen.weight, widen.bias)
        return entering(y.view(*x.wide.shape[:-1], -1), layer)
    y = apply(x, widen)
    if _rounded_only(y, layer):
        values, scale = row_kernels.gate_rows(y.flatten(0, -2))
        return Operand(None, values.view(*y.shape[:-1], -1), scale)
    gate, up = y.chunk(2, -1)
    return entering(functional.silu(gate) * up, layer)


def _rounded_only(x: Tensor, layer: Linear) -> bool:
    """Whether the layer wants float8 alone, of what our kernels make it in bfloat16."""
    return layer.scale is not None and layer.down is None and fused(x) and x.dtype == torch.bfloat16


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al., 2021) in float32; the last axis is the head's."""
    wide = x.float()
    low, high = wide.chunk(2, -1)
    return (wide * cos + torch.cat((-high, low), -1) * sin).to(x.dtype)
