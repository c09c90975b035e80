"""The two towers, layer by layer: functions of tensors, so that one compilation serves all layers.

Between layers the residual stream travels as two parts, the sum so far and what the last product adds to it:
the addition belongs to the next norm, which so reads and writes the stream once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import gelu

from saec.cloud.fast.attention import Heads, Past, Shapes, behind, last_behind, within_windows
from saec.cloud.fast.ops import Linear, Operand, add_norm, apply, entering, gated, norm
from saec.cloud.fast.packing import Layer

Stream = tuple[Tensor, Tensor]

_VISION_EPS = 1e-6


def entered(x: Tensor) -> Stream:
    """What enters the first layer, to which nothing is to be added."""
    return x, torch.zeros_like(x)


def patch_rows(images: Tensor, order: Tensor, mean: Tensor, std: Tensor, patch: int) -> Tensor:
    """Pixels as the tower takes them; the arithmetic of ``saec.cloud.questions.image_patches.patches``.

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


def vision_block(
    x: Tensor, delta: Tensor, layer: Layer, cos: Tensor, sin: Tensor, shapes: Shapes, heads: int
) -> Stream:
    """One block of the vision tower on (n, patches, width); attention is within each window."""
    x, y = add_norm(x, delta, layer.norm1, _VISION_EPS, layer.qkv)
    n, length, width = x.shape
    qkv = apply(y, layer.qkv).view(n, length, 3, heads, width // heads)
    seen = within_windows(qkv, cos, sin, shapes)
    return _feed_forward(x, apply(entering(seen, layer.out), layer.out), layer, _VISION_EPS)


def merge_patches(
    x: Tensor, delta: Tensor, weight: Tensor, first: Linear, second: Linear, back: Tensor
) -> Tensor:
    """The projector: (n, patches, width) to (n, tokens, width of the language model), in raster order."""
    y = norm(x + delta, weight, _VISION_EPS).view(len(x), len(back), -1)
    return apply(Operand(gelu(apply(Operand(y), first))), second)[:, back]


def language_block(
    x: Tensor, delta: Tensor, layer: Layer, cos: Tensor, sin: Tensor, past: Past | None, heads: Heads
) -> tuple[Stream, Past]:
    """One layer of the language model on (batch, length, width) behind ``past``.

    Returns:
        The stream, and the keys and values of x alone.
    """
    x, qkv = _queries_keys(x, delta, layer, heads)
    seen, own = behind(qkv, cos, sin, past, heads)
    return _feed_forward(x, apply(entering(seen, layer.out), layer.out), layer, heads.eps), own


def last_block(
    x: Tensor, delta: Tensor, layer: Layer, cos: Tensor, sin: Tensor, past: Past | None, heads: Heads
) -> Tensor:
    """The last layer, of which only the last position is wanted: (batch, width)."""
    x, qkv = _queries_keys(x, delta, layer, heads)
    seen = last_behind(qkv, cos, sin, past, heads)
    last, more = _feed_forward(
        x[:, -1:].contiguous(), apply(entering(seen, layer.out), layer.out), layer, heads.eps
    )
    return torch.add(last, more)[:, 0]


def _queries_keys(x: Tensor, delta: Tensor, layer: Layer, heads: Heads) -> Stream:
    x, y = add_norm(x, delta, layer.norm1, heads.eps, layer.qkv)
    return x, apply(y, layer.qkv).unflatten(-1, (-1, heads.width))


def _feed_forward(x: Tensor, delta: Tensor, layer: Layer, eps: float) -> Stream:
    x, y = add_norm(x, delta, layer.norm2, eps, layer.widen)
    return x, apply(gated(y, layer.widen, layer.narrow), layer.narrow)
