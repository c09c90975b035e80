"""The two kinds of attention: within windows of an image, and of what is new to what came before."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from saec.cloud.fast.ops import fused, rotate

try:
    from saec.cloud.fast import attention_kernels
except ImportError:  # Triton comes with a torch for GPUs
    attention_kernels = None  # type: ignore[assignment]

Shapes = tuple[tuple[int, int], ...]
"""(number, places) of an image's windows of each size, in the order of the places."""

_SMALL = 64
"""Most places of a window that our kernel holds at once."""


class Heads(NamedTuple):
    """Sizes of the language model: query heads, key and value heads, width of one, and the norms' epsilon."""

    queries: int
    keys: int
    width: int
    eps: float


class Past(NamedTuple):
    """Keys and values of one layer, (1 or batch, heads, length, width); what came before is contiguous."""

    keys: Tensor
    values: Tensor


def within_windows(qkv: Tensor, cos: Tensor, sin: Tensor, shapes: Shapes) -> Tensor:
    """Rotated attention within each window.

    Args:
        qkv: (batch, places, 3, heads, width).
        cos, sin: (places, width) float32; the second half of a width equals the first.
        shapes: the windows' shapes; they cover all places.

    Returns:
        (batch, places, heads * width).
    """
    n, length, _, heads, width = qkv.shape
    if fused(qkv) and max(size for _, size in shapes) <= _SMALL:
        out = qkv.new_empty(n, length, heads, width)
        at = 0
        for count, size in shapes:
            attention_kernels.window_attention(qkv, cos, sin, count, size, at, out)
            at += count * size
        return out.flatten(2)
    q, k, v = qkv.unbind(2)
    q, k = rotate(q, cos[:, None], sin[:, None]), rotate(k, cos[:, None], sin[:, None])
    seen, at = [], 0
    for count, size in shapes:
        part = slice(at, at + count * size)
        windows = [t[:, part].reshape(n * count, size, heads, width).transpose(1, 2) for t in (q, k, v)]
        seen.append(_whole(*windows).transpose(1, 2).reshape(n, count * size, heads * width))
        at += count * size
    return seen[0] if len(seen) == 1 else torch.cat(seen, 1)


def behind(qkv: Tensor, cos: Tensor, sin: Tensor, past: Past | None, heads: Heads) -> tuple[Tensor, Past]:
    """Rotated attention of each new place to all that came before and to the new ones up to its own.

    Args:
        qkv: (batch, places, query, key and value heads, width).
        cos, sin: (places, width) float32.
        past: what came before; one row of it serves the whole batch.
        heads: how many there are.

    Returns:
        (batch, places, query heads * width), and the keys and values of the new places alone.
    """
    q, own = _split(qkv, cos, sin, heads)
    if past is not None and fused(qkv) and attention_kernels.suits_prefix(heads.width):
        return attention_kernels.prefix_attention(qkv, own.keys, past.keys, past.values, cos, sin).flatten(
            2
        ), own
    keys, values = _joined(past, own)
    q = rotate(q, cos[:, None], sin[:, None]).transpose(1, 2)
    return _causal(q, keys, values).transpose(1, 2).flatten(2), own


def last_behind(qkv: Tensor, cos: Tensor, sin: Tensor, past: Past | None, heads: Heads) -> Tensor:
    """As ``behind``, of the last place alone: (batch, 1, query heads * width)."""
    q, own = _split(qkv, cos, sin, heads)
    q = rotate(q[:, -1:], cos[-1:, None], sin[-1:, None]).transpose(1, 2)
    return _whole(q, *_joined(past, own)).transpose(1, 2).flatten(2)


def _split(qkv: Tensor, cos: Tensor, sin: Tensor, heads: Heads) -> tuple[Tensor, Past]:
    """The queries as they are, (batch, places, heads, width), and keys, which are rotated, with values."""
    q, k, v = qkv.split([heads.queries, heads.keys, heads.keys], 2)
    return q, Past(rotate(k, cos[:, None], sin[:, None]).transpose(1, 2), v.transpose(1, 2))


def _joined(past: Past | None, own: Past) -> Past:
    if past is None:
        return own
    n = len(own.keys)
    return Past(*(torch.cat((old.expand(n, -1, -1, -1), new), 2) for old, new in zip(past, own, strict=True)))


def _whole(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention without a mask; q, k, v and the result are (batch, heads, length, width)."""
    return functional.scaled_dot_product_attention(q, k, v, enable_gqa=q.shape[1] != k.shape[1])


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of the last places of a sequence to all up to their own.

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
