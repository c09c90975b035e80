"""Batches as CUDA graphs: the host puts one on the device's queue at once, however busy it is itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saec.cloud.fast.attention import Past

_SIZES = (1, 2, 4, 8)
"""Batches that are recorded when they first come; smaller ones are filled up."""

_STEP, _OFTEN = 8, 3
"""Larger ones are recorded when a multiple of so many has come so often."""

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
    """Recorded passes by shape and batch size; they share one pool of memory, since one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._graphs: dict[Any, _Graph] = {}
        self._prefixes: dict[Any, _Prefix] = {}
        self._seen: Counter[Any] = Counter()
        self._pool: Any = None

    def size(self, key: Any, count: int) -> int | None:
        """The batch that is replayed for ``count`` images, or None where none is worth its recording."""
        if count <= _SIZES[-1]:
            return next(s for s in _SIZES if s >= count)
        self._seen[key, count] += 1
        return count if count % _STEP == 0 and self._seen[key, count] >= _OFTEN else None

    def run(self, key: Any, images: Tensor, past: Sequence[Past], name: Any, run: Run) -> Tensor:
        """The pass on images of one size; recorded the first time.

        Args:
            key: what the recording depends on besides the batch's size.
            images: (a size that ``size`` gave, height, width, 3) uint8 on the device.
            past: keys and values of the prefix, and its ``name``.
            run: the pass itself.
        """
        if key not in self._prefixes:
            self._prefixes[key] = _Prefix([Past(p.keys.clone(), p.values.clone()) for p in past], name)
        prefix = self._prefixes[key]
        if prefix.name != name:
            for held, new in zip(prefix.held, past, strict=True):
                held.keys.copy_(new.keys)
                held.values.copy_(new.values)
            prefix.name = name
        if (key, len(images)) not in self._graphs:
            self._graphs[key, len(images)] = self._record(images, prefix.held, run)
        recorded = self._graphs[key, len(images)]
        recorded.images.copy_(images)
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
