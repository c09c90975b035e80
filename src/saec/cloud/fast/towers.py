"""The two towers, layer by layer: functions of tensors, so that one compilation serves all layers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu

from saec.cloud.fast.ops import Linear, apply, causal_attention, norm, rotate, whole_attention
from saec.cloud.fast.packing import Layer

Shapes = tuple[tuple[int, int], ...]

_VISION_EPS = 1e-6


class Heads(NamedTuple):
    """Of the language model: query heads, key and value heads, width of one, and the norms' epsilon."""

    queries: int
    keys: int
    width: int
    eps: float


class Past(NamedTuple):
    """Keys and values of one layer for what came before, (1, heads, length, width)."""

    keys: Tensor
    values: Tensor


def patch_rows(images: Tensor, order: Tensor, mean: Tensor, std: Tensor, patch: int) -> Tensor:
    """Pixels as the tower takes them; the arithmetic of ``saec.cloud.pixels.patches``.

    Args:
        images: (n, height, width, 3) uint8.
        order: raster index of the patch at each place.
        mean, std: (3,) float32.
        patch: side of a patch in pixels.

    Returns:
        (n, patches, 3 * 2 * patch * patch) float32; a still image stands twice in time.
    """
    n, height, width, _ = images.shape
    x = (images.float() * (1 / 255) - mean) / std
    x = x.view(n, height // patch, patch, width // patch, patch, 3).permute(0, 1, 3, 5, 2, 4)
    x = x.reshape(n, -1, 3, 1, patch * patch)[:, order]
    return x.expand(-1, -1, -1, 2, -1).reshape(n, len(order), -1)


def vision_block(x: Tensor, layer: Layer, cos: Tensor, sin: Tensor, shapes: Shapes, heads: int) -> Tensor:
    """One block of the vision tower on x (n, patches, width); attention is within each window."""
    n, length, width = x.shape
    qkv = apply(norm(x, layer.norm1, _VISION_EPS), layer.qkv).view(n, length, 3, heads, width // heads)
    q, k, v = qkv.unbind(2)
    q, k = rotate(q, cos[:, None], sin[:, None]), rotate(k, cos[:, None], sin[:, None])
    seen, at = [], 0
    for count, size in shapes:
        part = slice(at, at + count * size)
        windows = [t[:, part].reshape(n * count, size, heads, -1).transpose(1, 2) for t in (q, k, v)]
        seen.append(whole_attention(*windows).transpose(1, 2).reshape(n, count * size, width))
        at += count * size
    x = x + apply(seen[0] if len(seen) == 1 else torch.cat(seen, 1), layer.out)
    return x + _feed_forward(norm(x, layer.norm2, _VISION_EPS), layer)


def merge(x: Tensor, weight: Tensor, first: Linear, second: Linear, back: Tensor) -> Tensor:
    """The projector: (n, patches, width) to (n, tokens, width of the language model), in raster order."""
    y = norm(x, weight, _VISION_EPS).view(len(x), len(back), -1)
    return apply(gelu(apply(y, first)), second)[:, back]


def language_block(
    x: Tensor, layer: Layer, cos: Tensor, sin: Tensor, past: Past | None, heads: Heads
) -> tuple[Tensor, Past]:
    """One layer of the language model on x (batch, length, width) behind ``past``.

    Returns:
        The result, and the keys and values of x alone.
    """
    q, own = _queries_keys(norm(x, layer.norm1, heads.eps), layer, cos, sin, heads)
    seen = causal_attention(q, *_behind(past, own)).transpose(1, 2).flatten(2)
    x = x + apply(seen, layer.out)
    return x + _feed_forward(norm(x, layer.norm2, heads.eps), layer), own


def last_block(x: Tensor, layer: Layer, cos: Tensor, sin: Tensor, past: Past | None, heads: Heads) -> Tensor:
    """The last layer, of which only the last position is wanted: (batch, width)."""
    q, own = _queries_keys(norm(x, layer.norm1, heads.eps), layer, cos, sin, heads)
    seen = whole_attention(q[:, :, -1:], *_behind(past, own)).transpose(1, 2).flatten(2)
    last = x[:, -1:] + apply(seen, layer.out)
    return (last + _feed_forward(norm(last, layer.norm2, heads.eps), layer))[:, 0]


def _queries_keys(y: Tensor, layer: Layer, cos: Tensor, sin: Tensor, heads: Heads) -> tuple[Tensor, Past]:
    n, length, _ = y.shape
    qkv = apply(y, layer.qkv).view(n, length, -1, heads.width).transpose(1, 2)
    q, k, v = qkv.split([heads.queries, heads.keys, heads.keys], 1)
    return rotate(q, cos, sin), Past(rotate(k, cos, sin), v)


def _behind(past: Past | None, own: Past) -> tuple[Tensor, Tensor]:
    if past is None:
        return own.keys, own.values
    n = len(own.keys)
    keys, values = (
        torch.cat((old.expand(n, -1, -1, -1), new), 2) for old, new in zip(past, own, strict=True)
    )
    return keys, values


def _feed_forward(y: Tensor, layer: Layer) -> Tensor:
    gate, up = apply(y, layer.widen).chunk(2, -1)
    return apply(silu(gate) * up, layer.narrow)
