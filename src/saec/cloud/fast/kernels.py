"""Kernels for NVIDIA GPUs where a compiler of single operations reads or writes memory more than once.

What they compute stands in ``saec.cloud.fast.ops`` and ``saec.cloud.fast.attention``, which take these on a
GPU and plain operations elsewhere. Tensors are contiguous where nothing else is said.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor, library
from torch.nn import functional
from triton.tools.tensor_descriptor import TensorDescriptor

_FP8_MAX = tl.constexpr(torch.finfo(torch.float8_e4m3fn).max)
_LEAST = tl.constexpr(1e-12)
_LOG2_E = 1.4426950408889634

_HEADS = 8
"""Heads, at most, of which one program looks at a window: they share its angles."""

_ROWS, _KEYS = 64, 64
"""Queries that one program of the attention behind a prefix has, and keys that it looks at together."""

_MANY, _COLUMNS = 4096, 1024
"""Rows from which a product gated at once is the faster one; columns that one program gates of fewer."""

_TILE, _DEPTH, _BAND = 128, 64, 8
"""Rows and gates of a gated product's tile, its depth at a time, and tiles below each other that come one
after the other, so that they find their weights in the cache."""


def _power(n: int) -> int:
    """The smallest power of two that is not below n; at least 16, the least side of a matrix unit's tile."""
    return max(16, 1 << (int(n) - 1).bit_length())


def _unwritten(rows: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Room for rows in float8 and for their scales."""
    values = torch.empty((rows, width), dtype=torch.float8_e4m3fn, device=device)
    return values, torch.empty((rows, 1), dtype=torch.float32, device=device)


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (rows, width) in float8, each with a scale: values, and (rows, 1) float32 scales."""
    rows, width = x.shape
    values, scales = _unwritten(rows, width, x.device)
    block = _power(width)
    _quantize[(rows,)](x, values, scales, width, block, num_warps=_warps(block))
    return values, scales


def norm_rows(x: Tensor, delta: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum x + delta (rows, width), and its root-mean-square norm."""
    rows, width = x.shape
    total, normed = torch.empty_like(x), torch.empty_like(x)
    block = _power(width)
    _norm[(rows,)](x, delta, weight, total, normed, weight, width, eps, block, False, num_warps=_warps(block))
    return total, normed


def norm_rounded_rows(x: Tensor, delta: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The sum x + delta (rows, width), and its root-mean-square norm in float8 with scales."""
    rows, width = x.shape
    total, (values, scales) = torch.empty_like(x), _unwritten(rows, width, x.device)
    block = _power(width)
    _norm[(rows,)](x, delta, weight, total, values, scales, width, eps, block, True, num_warps=_warps(block))
    return total, values, scales


def gate_rows(y: Tensor) -> tuple[Tensor, Tensor]:
    """silu(gate) * up of rows (rows, 2 * width), gates first, in float8 with scales."""
    rows, width = len(y), y.shape[1] // 2
    values, scales = _unwritten(rows, width, y.device)
    # A power of two and a smaller one: one that covers all would leave most of its lanes idle.
    first = 1 << (width.bit_length() - 1)
    rest = _power(width - first) if width > first else 16
    _gate[(rows,)](y, values, scales, width, first, rest, num_warps=_warps(first))
    return values, scales


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


def window_attention(
    qkv: Tensor, cos: Tensor, sin: Tensor, count: int, size: int, first: int, out: Tensor
) -> None:
    """Rotated attention within each of some windows of equal size; all is read once and written once.

    Args:
        qkv: (images, places, 3, heads, width), contiguous.
        cos, sin: (places, width) float32; the second half of a width equals the first.
        count, size: windows of an image, and places of one.
        first: place at which they begin.
        out: (images, places, heads, width), of which the windows' places are written.

    Raises:
        ValueError: qkv is not contiguous.
    """
    if not qkv.is_contiguous():
        raise ValueError("queries, keys and values must be contiguous")
    images, places, _, heads, width = qkv.shape
    half, each = width // 2, math.gcd(heads, _HEADS)
    _windows[(heads // each, images * count)](
        qkv, cos, sin, out, count, size, first, places, heads,
        width**-0.5 * _LOG2_E, half, _power(half), _power(size), each, num_warps=4, num_stages=2
    )  # fmt: skip


def suits_prefix(width: int) -> bool:
    """Whether ``prefix_attention`` takes heads of this width."""
    return width in (32, 64, 128)


def prefix_attention(
    qkv: Tensor, keys: Tensor, past_keys: Tensor, past_values: Tensor, cos: Tensor, sin: Tensor
) -> Tensor:
    """Rotated attention of new places to a prefix and to the new places up to their own.

    The query heads that share a key head are rows of one program, so a prefix is read once for all of them
    and short sequences leave little of a tile empty. The softmax is the running one of Dao (2023).

    Args:
        qkv: (batch, places, query, key and value heads, width), contiguous; its queries are rotated here.
        keys: (batch, key heads, places, width), rotated already; the width's stride is 1.
        past_keys, past_values: (1 or batch, key heads, earlier, width), contiguous.
        cos, sin: (places, width) float32; the second half of a width equals the first.

    Returns:
        (batch, places, query heads, width).

    Raises:
        ValueError: something is not contiguous that must be.
    """
    if not (qkv.is_contiguous() and past_keys.is_contiguous() and past_values.is_contiguous()):
        raise ValueError("queries, keys and a prefix must be contiguous")
    batch, places, heads, width = qkv.shape
    pairs, earlier = past_keys.shape[1], past_keys.shape[2]
    queries = heads - 2 * pairs
    group = queries // pairs
    out = qkv.new_empty(batch, places, queries, width)
    apart = past_keys.stride(0) if past_keys.shape[0] > 1 else 0
    _prefix[(triton.cdiv(places * group, _ROWS), pairs, batch)](
        qkv, keys, past_keys, past_values, cos, sin, out, places, earlier, queries, pairs, apart,
        keys.stride(0), keys.stride(1), keys.stride(2),
        width**-0.5 * _LOG2_E, group, width // 2, _ROWS, _KEYS, num_warps=4, num_stages=3
    )  # fmt: skip
    return out


def _warps(block: int) -> int:
    return min(16, max(4, block // 1024))


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
def _through(gate, up):
    """silu(gate) * up of values in 16 bits, rounded once."""
    wide = gate.to(tl.float32)
    return (wide * tl.sigmoid(wide) * up.to(tl.float32)).to(gate.dtype)


@triton.jit
def _gated(y, start, width, columns, mask):
    gate = tl.load(y + start + columns, mask=mask, other=0.0)
    up = tl.load(y + start + width + columns, mask=mask, other=0.0)
    return _through(gate, up)


@triton.jit
def _gate(y, values, scales, width, FIRST: tl.constexpr, REST: tl.constexpr):
    at = tl.program_id(0).to(tl.int64)
    start = at * 2 * width
    columns = tl.arange(0, FIRST)
    one = _gated(y, start, width, columns, columns < width).to(tl.float32)
    beyond = FIRST + tl.arange(0, REST)
    two = _gated(y, start, width, beyond, beyond < width).to(tl.float32)
    top = tl.maximum(tl.max(tl.abs(one), 0), tl.max(tl.abs(two), 0))
    scale = tl.maximum(top, _LEAST) / _FP8_MAX
    tl.store(scales + at, scale)
    tl.store(values + at * width + columns, _rounded(one, scale), mask=columns < width)
    tl.store(values + at * width + beyond, _rounded(two, scale), mask=beyond < width)


@triton.jit
def _open(y, out, width, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = columns < width
    tl.store(out + at * width + columns, _gated(y, at * 2 * width, width, columns, mask), mask=mask)


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
        out.store([top, left], _through(gate.to(out.dtype), up.to(out.dtype)))


@triton.jit
def _windows(
    qkv, cos, sin, out, count, size, first, places, heads,
    SCALE: tl.constexpr, HALF: tl.constexpr, WIDE: tl.constexpr, LONG: tl.constexpr, EACH: tl.constexpr,
):  # fmt: skip
    window = tl.program_id(1)
    image, place = window // count, first + (window % count) * size
    rows, columns = tl.arange(0, LONG), tl.arange(0, WIDE)
    inside = rows < size
    mask = inside[:, None] & (columns < HALF)[None, :]
    at = (image.to(tl.int64) * places + place + rows) * heads
    apart = heads * 2 * HALF
    angle = (place + rows)[:, None] * (2 * HALF) + columns[None, :]
    c = tl.load(cos + angle, mask=mask, other=0.0)
    s = tl.load(sin + angle, mask=mask, other=0.0)
    kind = out.dtype.element_ty
    for n in range(EACH):
        head = tl.program_id(0) * EACH + n
        own = (3 * at[:, None] + head) * (2 * HALF) + columns[None, :]
        low = tl.load(qkv + own, mask=mask, other=0.0).to(tl.float32)
        high = tl.load(qkv + own + HALF, mask=mask, other=0.0).to(tl.float32)
        q_low, q_high = (low * c - high * s).to(kind), (high * c + low * s).to(kind)
        low = tl.load(qkv + own + apart, mask=mask, other=0.0).to(tl.float32)
        high = tl.load(qkv + own + apart + HALF, mask=mask, other=0.0).to(tl.float32)
        k_low, k_high = (low * c - high * s).to(kind), (high * c + low * s).to(kind)
        scores = tl.dot(q_low, tl.trans(k_low))
        scores = tl.dot(q_high, tl.trans(k_high), scores) * SCALE
        scores = tl.where((rows < size)[None, :], scores, float("-inf"))
        p = tl.exp2(scores - tl.max(scores, 1)[:, None])
        total = tl.sum(p, 1)[:, None]
        p = p.to(kind)
        v_low = tl.load(qkv + own + 2 * apart, mask=mask, other=0.0)
        v_high = tl.load(qkv + own + 2 * apart + HALF, mask=mask, other=0.0)
        to = (at[:, None] + head) * (2 * HALF) + columns[None, :]
        tl.store(out + to, (tl.dot(p, v_low) / total).to(kind), mask=mask)
        tl.store(out + to + HALF, (tl.dot(p, v_high) / total).to(kind), mask=mask)


@triton.jit
def _looked(scores, v, top, total, seen):
    higher = tl.maximum(top, tl.max(scores, 1))
    p, kept = tl.exp2(scores - higher[:, None]), tl.exp2(top - higher)
    return higher, total * kept + tl.sum(p, 1), tl.dot(p.to(v.dtype), v, seen * kept[:, None])


@triton.jit
def _prefix(
    qkv, keys, past_keys, past_values, cos, sin, out, places, earlier, queries, pairs, past_image,
    keys_image, keys_head, keys_place,
    SCALE: tl.constexpr, GROUP: tl.constexpr, HALF: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    pair, image = tl.program_id(1), tl.program_id(2).to(tl.int64)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = (rows < places * GROUP)[:, None]
    place, head = rows // GROUP, pair * GROUP + rows % GROUP
    half, whole = tl.arange(0, HALF), tl.arange(0, 2 * HALF)
    heads = queries + 2 * pairs
    at = ((image * places + place) * heads + head)[:, None] * (2 * HALF) + half[None, :]
    low = tl.load(qkv + at, mask=inside, other=0.0).to(tl.float32)
    high = tl.load(qkv + at + HALF, mask=inside, other=0.0).to(tl.float32)
    angle = place[:, None] * (2 * HALF) + half[None, :]
    c = tl.load(cos + angle, mask=inside, other=0.0)
    s = tl.load(sin + angle, mask=inside, other=0.0)
    kind = out.dtype.element_ty
    q_low, q_high = (low * c - high * s).to(kind), (high * c + low * s).to(kind)
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    seen = tl.zeros((ROWS, 2 * HALF), tl.float32)
    old = image * past_image + pair * earlier * (2 * HALF)
    for start in range(0, earlier, KEYS):
        columns = start + tl.arange(0, KEYS)
        known = columns < earlier
        ours = past_keys + old + columns[:, None] * (2 * HALF) + half[None, :]
        k_low = tl.load(ours, mask=known[:, None], other=0.0)
        k_high = tl.load(ours + HALF, mask=known[:, None], other=0.0)
        v = tl.load(
            past_values + old + columns[:, None] * (2 * HALF) + whole[None, :], mask=known[:, None], other=0.0
        )
        scores = tl.dot(q_high, tl.trans(k_high), tl.dot(q_low, tl.trans(k_low))) * SCALE
        top, total, seen = _looked(tl.where(known[None, :], scores, float("-inf")), v, top, total, seen)
    own = keys + image * keys_image + pair * keys_head
    values = qkv + (image * places * heads + queries + pairs + pair) * (2 * HALF)
    end = tl.minimum(places, (tl.program_id(0) * ROWS + ROWS - 1) // GROUP + 1)
    for start in range(0, end, KEYS):
        columns = start + tl.arange(0, KEYS)
        known = columns < places
        ours = own + columns[:, None] * keys_place + half[None, :]
        k_low = tl.load(ours, mask=known[:, None], other=0.0)
        k_high = tl.load(ours + HALF, mask=known[:, None], other=0.0)
        v = tl.load(
            values + (columns * heads)[:, None] * (2 * HALF) + whole[None, :], mask=known[:, None], other=0.0
        )
        scores = tl.dot(q_high, tl.trans(k_high), tl.dot(q_low, tl.trans(k_low))) * SCALE
        scores = tl.where(columns[None, :] <= place[:, None], scores, float("-inf"))
        top, total, seen = _looked(scores, v, top, total, seen)
    to = ((image * places + place) * queries + head)[:, None] * (2 * HALF) + whole[None, :]
    tl.store(out + to, (seen / total[:, None]).to(kind), mask=inside)
