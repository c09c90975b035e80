"""GPU kernels of attention: within windows, and of new places behind a prefix.

What they compute stands in ``saec.cloud.fast.attention``, which takes these on a GPU and plain operations
elsewhere. Tensors are contiguous where nothing else is said.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl
from torch import Tensor

from saec.cloud.fast.row_kernels import power_of_two

_LOG2_E = 1.4426950408889634

_HEADS = 8
"""Heads, at most, of which one program looks at a window: they share its angles."""

_ROWS, _KEYS = 64, 64
"""Queries that one program of the attention behind a prefix has, and keys that it looks at together."""


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
        width**-0.5 * _LOG2_E, half, power_of_two(half), power_of_two(size), each, num_warps=4, num_stages=2
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
