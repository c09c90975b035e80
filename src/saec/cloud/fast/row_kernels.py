"""GPU kernels on rows: the residual sum with its norm, the gate, and the rounding to eight bits.

What they compute stands in ``saec.cloud.fast.ops``, which takes these on a GPU and plain operations
elsewhere. Tensors are contiguous where nothing else is said.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_FP8_MAX = tl.constexpr(torch.finfo(torch.float8_e4m3fn).max)
_LEAST = tl.constexpr(1e-12)


def power_of_two(n: int) -> int:
    """The smallest power of two that is not below n; at least 16, the least side of a matrix unit's tile."""
    return max(16, 1 << (int(n) - 1).bit_length())


def _warps(block: int) -> int:
    return min(16, max(4, block // 1024))


def _unwritten(rows: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Room for rows in float8 and for their scales."""
    values = torch.empty((rows, width), dtype=torch.float8_e4m3fn, device=device)
    return values, torch.empty((rows, 1), dtype=torch.float32, device=device)


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (rows, width) in float8, each with a scale: values, and (rows, 1) float32 scales."""
    rows, width = x.shape
    values, scales = _unwritten(rows, width, x.device)
    block = power_of_two(width)
    _quantize[(rows,)](x, values, scales, width, block, num_warps=_warps(block))
    return values, scales


def norm_rows(x: Tensor, delta: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum x + delta (rows, width), and its root-mean-square norm."""
    rows, width = x.shape
    total, normed = torch.empty_like(x), torch.empty_like(x)
    block = power_of_two(width)
    _norm[(rows,)](x, delta, weight, total, normed, weight, width, eps, block, False, num_warps=_warps(block))
    return total, normed


def norm_rounded_rows(x: Tensor, delta: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The sum x + delta (rows, width), and its root-mean-square norm in float8 with scales."""
    rows, width = x.shape
    total, (values, scales) = torch.empty_like(x), _unwritten(rows, width, x.device)
    block = power_of_two(width)
    _norm[(rows,)](x, delta, weight, total, values, scales, width, eps, block, True, num_warps=_warps(block))
    return total, values, scales


def gate_rows(y: Tensor) -> tuple[Tensor, Tensor]:
    """silu(gate) * up of rows (rows, 2 * width), gates first, in float8 with scales."""
    rows, width = len(y), y.shape[1] // 2
    values, scales = _unwritten(rows, width, y.device)
    # A power of two and a smaller one: one that covers all would leave most of its lanes idle.
    first = 1 << (width.bit_length() - 1)
    rest = power_of_two(width - first) if width > first else 16
    _gate[(rows,)](y, values, scales, width, first, rest, num_warps=_warps(first))
    return values, scales


@triton.jit
def _rounded(y, scale):
    return tl.minimum(tl.maximum(y / scale, -_FP8_MAX), _FP8_MAX).to(tl.float8e4nv)


@triton.jit
def _store_rounded(y, width, values, scales, at, columns, mask):
    scale = tl.maximum(tl.max(tl.abs(y), 0), _LEAST) / _FP8_MAX
    tl.store(scales + at, scale)
    tl.store(values + at * width + columns, _rounded(y, scale), mask=mask)


@triton.jit
def _quantize(x, values, scales, width, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    y = tl.load(x + at * width + columns, mask=mask, other=0.0).to(tl.float32)
    _store_rounded(y, width, values, scales, at, columns, mask)


@triton.jit
def _norm(
    x, delta, weight, total, values, scales, width,
    EPS: tl.constexpr, BLOCK: tl.constexpr, ROUNDED: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    mask = columns < width
    here = at * width + columns
    own = tl.load(x + here, mask=mask, other=0.0)
    more = tl.load(delta + here, mask=mask, other=0.0)
    kind = own.dtype
    added = (own.to(tl.float32) + more.to(tl.float32)).to(kind)
    tl.store(total + here, added, mask=mask)
    wide = added.to(tl.float32)
    normed = (wide * tl.rsqrt(tl.sum(wide * wide, 0) / width + EPS)).to(kind)
    by = tl.load(weight + columns, mask=mask, other=0.0)
    y = (normed.to(tl.float32) * by.to(tl.float32)).to(kind)
    if ROUNDED:
        _store_rounded(y.to(tl.float32), width, values, scales, at, columns, mask)
    else:
        tl.store(values + here, y, mask=mask)


@triton.jit
def silu_times(gate, up):
    """silu(gate) * up of values in 16 bits, rounded once."""
    wide = gate.to(tl.float32)
    return (wide * tl.sigmoid(wide) * up.to(tl.float32)).to(gate.dtype)


@triton.jit
def load_gated(y, start, width, columns, mask):
    gate = tl.load(y + start + columns, mask=mask, other=0.0)
    up = tl.load(y + start + width + columns, mask=mask, other=0.0)
    return silu_times(gate, up)


@triton.jit
def _gate(y, values, scales, width, FIRST: tl.constexpr, REST: tl.constexpr):
    at = tl.program_id(0).to(tl.int64)
    start = at * 2 * width
    columns = tl.arange(0, FIRST)
    one = load_gated(y, start, width, columns, columns < width).to(tl.float32)
    beyond = FIRST + tl.arange(0, REST)
    two = load_gated(y, start, width, beyond, beyond < width).to(tl.float32)
    top = tl.maximum(tl.max(tl.abs(one), 0), tl.max(tl.abs(two), 0))
    scale = tl.maximum(top, _LEAST) / _FP8_MAX
    tl.store(scales + at, scale)
    tl.store(values + at * width + columns, _rounded(one, scale), mask=columns < width)
    tl.store(values + at * width + beyond, _rounded(two, scale), mask=beyond < width)
