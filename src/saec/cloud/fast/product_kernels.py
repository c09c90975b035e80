"""GPU kernels of a feed-forward's first product with its gate.

What they compute stands in ``saec.cloud.fast.ops``, which takes these on a GPU and plain operations
elsewhere. Tensors are contiguous where nothing else is said.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor, library
from torch.nn import functional
from triton.tools.tensor_descriptor import TensorDescriptor

from saec.cloud.fast.row_kernels import load_gated, silu_times

_MANY, _COLUMNS = 4096, 1024
"""Rows from which a product gated at once is the faster one; columns that one program gates of fewer."""

_TILE, _DEPTH, _BAND = 128, 64, 8
"""Rows and gates of a gated product's tile, its depth at a time, and tiles below each other that come one
after the other, so that they find their weights in the cache."""


@library.custom_op("saec::gated_product", mutates_args=())
def gated_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """silu(gate) * up of one product in 16 bits.

    Of many rows on Hopper the product, twice as wide, is written nowhere. The choice is made here, where no
    compiler sees it: it would compile the layers once more for batches beyond it.

    Args:
        x: (rows, width), contiguous.
        weight: (2 * inner, width), contiguous, gates first.
        bias: (2 * inner,) or None.

    Returns:
        (rows, inner).
    """
    rows, width = x.shape
    inner = len(weight) // 2
    out = x.new_empty(rows, inner)
    if rows < _MANY or not _copies_tiles(x.device, width, inner):
        y = functional.linear(x, weight, bias)
        _open[(rows, triton.cdiv(inner, _COLUMNS))](y, out, inner, _COLUMNS)
        return out
    programs = _programs(x.device)
    _gated_product[(programs,)](
        TensorDescriptor.from_tensor(x, [_TILE, _DEPTH]),
        TensorDescriptor.from_tensor(weight.view(2, inner, width), [2, _TILE, _DEPTH]),
        TensorDescriptor.from_tensor(out, [_TILE, _TILE]),
        bias, rows, inner, width, _TILE, _DEPTH, _BAND, programs, num_warps=8, num_stages=3
    )  # fmt: skip
    return out


@gated_product.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0] // 2)  # len() would fix the batch's size


def _copies_tiles(device: torch.device, width: int, inner: int) -> bool:
    """Whether tiles of such matrices are copied by the hardware, as on Hopper multiples of 16 bytes are."""
    return width % 8 == 0 and inner % 8 == 0 and torch.cuda.get_device_capability(device)[0] == 9


def _programs(device: torch.device) -> int:
    """As many as run at once: one on each multiprocessor."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


@triton.jit
def _open(y, out, width, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = columns < width
    tl.store(out + at * width + columns, load_gated(y, at * 2 * width, width, columns, mask), mask=mask)


@triton.jit
def _gated_product(
    x, weight, out, bias, rows, inner, width,
    TILE: tl.constexpr, DEPTH: tl.constexpr, BAND: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    down, across = tl.cdiv(rows, TILE), tl.cdiv(inner, TILE)
    for tile in tl.range(tl.program_id(0), down * across, PROGRAMS, flatten=True):
        first = tile // (BAND * across) * BAND
        tall = tl.minimum(down - first, BAND)
        top = (first + tile % (BAND * across) % tall) * TILE
        left = tile % (BAND * across) // tall * TILE
        both = tl.zeros((TILE, 2 * TILE), tl.float32)
        for k in range(tl.cdiv(width, DEPTH)):
            a = x.load([top, k * DEPTH])
            b = weight.load([0, left, k * DEPTH])
            both = tl.dot(a, b.reshape(2 * TILE, DEPTH).T, both)
        gate, up = both.reshape(TILE, 2, TILE).permute(0, 2, 1).split()
        if bias is not None:
            columns = left + tl.arange(0, TILE)
            known = columns < inner
            gate += tl.load(bias + columns, mask=known, other=0.0).to(tl.float32)[None, :]
            up += tl.load(bias + inner + columns, mask=known, other=0.0).to(tl.float32)[None, :]
        out.store([top, left], silu_times(gate.to(out.dtype), up.to(out.dtype)))
