"""The first layers of a network, strip by strip: the same numbers with less traffic between CPU and memory.

Where a network's maps are still as fine as half of the frame they outgrow the CPU's cache (19 MB at 448 x 448
px for the widest one of EfficientNet-Lite0), and each layer waits for what the last one wrote. So the rows
are cut into strips, each of which goes through all layers before the next one begins. A strip takes along the
rows beyond its edges that its kernels reach: neighbours compute a few rows twice, and no number changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIP = 256 * 256
"""Pixels in a strip of all frames of a batch, at most. With 1 MB of second-level cache for each core,
strips of half or twice as many were about as fast."""


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding for inputs whose side is a multiple of its stride.

    Args:
        weight: out x in x k x k, or out x 1 x k x k if depthwise.
        bias: one value for each of out.
        step: its stride along rows and columns.
        depthwise: each channel has a kernel of its own.
    """

    def __init__(self, weight: Tensor, bias: Tensor, step: int, depthwise: bool) -> None:
        out, inp, k, _ = weight.shape
        groups = out if depthwise else 1
        super().__init__(inp * groups, out, k, stride=step, groups=groups)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.step, self.reach = step, k
        total = max(0, k - step)
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: Tensor) -> Tensor:
        return self.padded(x, self.before, self.after)

    def padded(self, x: Tensor, above: int, below: int) -> Tensor:
        """The convolution with so many rows of zeros above and below; columns are padded as ever."""
        if self.after:
            x = F.pad(x, (self.before, self.after, above, below))
        return super().forward(x)


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a block's input give some rows of its output.

    Attributes:
        first, last: rows of the input, ``last`` not included.
        padding: rows of zeros above and below for each convolution.
    """

    first: int
    last: int
    padding: list[tuple[int, int]]


class ConvBlock(nn.Module):
    """Convolutions in turn, and after each, or not, a function of single values.

    Args:
        layers: ``SameConv``s, and modules that look at each value alone.
        residual: the input is added to what they give; then none has a stride, and the channels agree.
    """

    def __init__(self, layers: Sequence[nn.Module], residual: bool = False) -> None:
        super().__init__()
        self.layers, self.residual = nn.ModuleList(layers), residual
        self.convs = [layer for layer in layers if isinstance(layer, SameConv)]
        self.stride = math.prod(conv.step for conv in self.convs)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers:
            y = layer(y)
        return x + y if self.residual else y

    def source(self, height: int, first: int, last: int) -> Rows:
        """What rows ``first`` to ``last`` (not included) depend on, of an input of this height."""
        padding, finer = [], self.stride
        for conv in reversed(self.convs):
            finer //= conv.step
            first = first * conv.step - conv.before
            last = (last - 1) * conv.step - conv.before + conv.reach
            padding.append((max(0, -first), max(0, last - height // finer)))
            first, last = max(0, first), min(height // finer, last)
        return Rows(first, last, padding[::-1])

    def strip(self, x: Tensor, rows: Rows, first: int, last: int) -> Tensor:
        """Rows ``first`` to ``last`` of the output from those of the input that ``source`` named."""
        padding, y = iter(rows.padding), x
        for layer in self.layers:
            y = layer.padded(y, *next(padding)) if isinstance(layer, SameConv) else layer(y)
        return x[:, :, first - rows.first : last - rows.first] + y if self.residual else y


class RowStrips(nn.Module):
    """Blocks in turn, strip by strip.

    Args:
        prepare: frames, B x H x W x 3, to the first block's input, B x 3 x H x W: each pixel for itself.
        blocks: what the strips go through.

    Input: frames, H and W multiples of all strides together. Output: what the blocks give in turn.
    """

    def __init__(self, prepare: nn.Module, blocks: Sequence[ConvBlock]) -> None:
        super().__init__()
        self.prepare, self.blocks = prepare, nn.ModuleList(blocks)
        self._blocks = list(blocks)

    def forward(self, frames: Tensor) -> Tensor:
        batch, height, width = (int(n) for n in frames.shape[:3])
        rows = height // math.prod(block.stride for block in self._blocks)
        count = min(rows, -(-batch * height * width // STRIP))
        edges = [rows * i // count for i in range(count + 1)]
        strips = [self._strip(frames, height, a, b) for a, b in pairwise(edges)]
        return strips[0] if count == 1 else torch.cat(strips, 2)

    def _strip(self, frames: Tensor, height: int, first: int, last: int) -> Tensor:
        """Rows ``first`` to ``last`` (not included) of the output."""
        heights = [height]
        for block in self._blocks:
            heights.append(heights[-1] // block.stride)
        plan = []
        for block, above in zip(reversed(self._blocks), reversed(heights[:-1]), strict=True):
            rows = block.source(above, first, last)
            plan.append((block, rows, first, last))
            first, last = rows.first, rows.last
        x: Tensor = self.prepare(frames[:, first:last])
        for block, rows, a, b in reversed(plan):
            x = block.strip(x, rows, a, b)
        return x
