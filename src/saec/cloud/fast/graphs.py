"""Small batches as CUDA graphs: for a few frames the host would else take longer than the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saec.cloud.fast.towers import Past
from saec.verdict import Image

_SIZES = (1, 2, 4, 8)
GRAPHED = _SIZES[-1]
"""Largest batch that is replayed; above it the device is the slower one anyway."""

Run = Callable[[Tensor, Sequence[Past]], Tensor]


@dataclass(slots=True, eq=False)
class _Prefix:
    """What a shape's graphs read the prefix from, and the name of the one that lies there."""

    held: list[Past]
    name: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    graph: Any
    images: Tensor
    out: Tensor


class Graphs:
    """Recorded passes by shape and batch size; they share one pool of memory, since one runs at a time.

    A batch is filled up to the next recorded size by repeating its last image.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: dict[Any, _Graph] = {}
        self._prefixes: dict[Any, _Prefix] = {}
        self._pool: Any = None

    def run(self, key: Any, images: Sequence[Image], past: Sequence[Past], name: Any, run: Run) -> Tensor:
        """The pass on images of one size; recorded the first time.

        Args:
            key: what the recording depends on besides the batch's size.
            images: at most ``GRAPHED``.
            past: keys and values of the prefix, and its ``name``.
            run: the pass itself.
        """
        size = next(s for s in _SIZES if s >= len(images))
        if key not in self._prefixes:
            self._prefixes[key] = _Prefix([Past(p.keys.clone(), p.values.clone()) for p in past], name)
        prefix = self._prefixes[key]
        if prefix.name != name:
            for held, new in zip(prefix.held, past, strict=True):
                held.keys.copy_(new.keys)
                held.values.copy_(new.values)
            prefix.name = name
        filled = [*images, *[images[-1]] * (size - len(images))]
        pixels = torch.from_numpy(np.stack(filled)).pin_memory().to(self._device, non_blocking=True)
        if (key, size) not in self._graphs:
            self._graphs[key, size] = self._record(pixels, prefix.held, run)
        recorded = self._graphs[key, size]
        recorded.images.copy_(pixels)
        recorded.graph.replay()
        return recorded.out.clone()

    def _record(self, pixels: Tensor, past: Sequence[Past], run: Run) -> _Graph:
        images = pixels.clone()
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):  # compiles, and lets the libraries set themselves up
            for _ in range(2):
                run(images, past)
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            out = run(images, past)
        self._pool = self._pool or graph.pool()
        return _Graph(graph, images, out)
