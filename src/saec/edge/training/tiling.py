"""Overlapping tiles of a frame: cut inside the graph, run as one batch, their features put together again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

MARGIN = 4
"""Cells beyond a cut that a tile takes along, and whose features are the neighbour's. What a kernel reaches
beyond them is padding to it, so features close to a seam differ a little from those of one whole frame."""


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis, in cells of the grid.

    Attributes:
        start: where it begins in the frame.
        first, last: which of its own cells are kept, ``last`` not included.
    """

    start: int
    first: int
    last: int


def spans(cells: int, tiles: int, margin: int = MARGIN) -> list[Span]:
    """Tiles of one length that cover so many cells; what they keep lies side by side.

    A cut lies in the middle of an overlap. At the frame's own edges tiles end with it, as the whole frame
    does. All tiles are ``tile_length`` cells long.
    """
    length = tile_length(cells, tiles, margin)
    edges = [cells * i // tiles for i in range(tiles + 1)]
    made = []
    for a, b in pairwise(edges):
        start = min(max(0, a - margin, b + margin - length), cells - length)
        made.append(Span(start, a - start, b - start))
    return made


def tile_length(cells: int, tiles: int, margin: int = MARGIN) -> int:
    """Cells of each tile: its share, and the margin beyond each of its cuts."""
    cuts = min(tiles - 1, 2)
    return min(cells, -(-cells // tiles) + cuts * margin)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a frame is cut.

    Attributes:
        rows, columns: the tiles along each axis.
        cell: pixels of a cell.
    """

    rows: list[Span]
    columns: list[Span]
    height: int
    width: int
    cell: int

    @classmethod
    def of(cls, height: int, width: int, side: int, cell: int) -> Tiling:
        """Tiles of about side x side pixels, without their margins, for a frame of this size in pixels."""
        down, across = (max(1, round(length / side)) for length in (height, width))
        h, w = height // cell, width // cell
        return cls(
            spans(h, down), spans(w, across), tile_length(h, down) * cell, tile_length(w, across) * cell, cell
        )

    def cut(self, frames: Tensor) -> Tensor:
        """B x H x W x 3 to T * B x height x width x 3, tile by tile."""
        tiles = []
        for row in self.rows:
            top = row.start * self.cell
            strip = frames[:, top : top + self.height]
            for column in self.columns:
                left = column.start * self.cell
                tiles.append(strip[:, :, left : left + self.width])
        return torch.cat(tiles, 0)

    def join(self, features: Tensor) -> Tensor:
        """T * B x C x ... of the tiles to B x C x h x w of the frame."""
        count = len(self.rows) * len(self.columns)
        tiles = iter(features.split(features.shape[0] // count))
        rows = []
        for row in self.rows:
            kept = [next(tiles)[:, :, row.first : row.last, c.first : c.last] for c in self.columns]
            rows.append(torch.cat(kept, 3))
        return torch.cat(rows, 2)
