"""What is the same for all conversations of one shape: where the images stand, positions, windows.

Computed once by transformers' own functions and kept, since for a fixed shape nothing of it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import Any

import torch
from torch import Tensor

from saec.cloud.questions.image_patches import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The vision tower's view of one size of image.

    Attributes:
        order: (patches,) raster index of the patch at each place: windows of one shape stand together.
        back: (tokens,) place of each merged token, in raster order.
        shapes: (number, patches) of the windows of each shape, in the order of the places.
        cos, sin: (patches, width of a head) float32 rotations.
    """

    order: Tensor
    back: Tensor
    shapes: tuple[tuple[int, int], ...]
    cos: Tensor
    sin: Tensor


def make_windows(visual: Any, grid: Grid, device: torch.device) -> Windows:
    """Windows of a grid of patches; those at the right and lower edge may be smaller.

    Args:
        visual: transformers' vision tower.
        grid: (1, rows, columns) of patches, both multiples of the tower's merge.
        device: the tensors' device.
    """
    merge = int(visual.spatial_merge_size)
    side = int(visual.window_size) // merge // int(visual.patch_size)
    rows, columns = grid[1] // merge, grid[2] // merge
    windows = sorted(_cut(rows, columns, side), key=len, reverse=True)
    # Windows of equal size may differ in shape (a right against a lower edge): attention does not mind.
    shapes = tuple((len(list(group)), size * merge**2) for size, group in groupby(windows, key=len))
    units = [unit for window in windows for unit in window]
    order = [
        (r * merge + i) * grid[2] + c * merge + j
        for r, c in units
        for i, j in product(range(merge), repeat=2)
    ]
    back = torch.argsort(torch.tensor([r * columns + c for r, c in units]))
    index = torch.tensor(order)
    where = torch.stack([index // grid[2], index % grid[2]], -1)
    cos, sin = visual.rotary_pos_emb(torch.zeros(1, device=device), where.to(device))
    return Windows(index.to(device), back.to(device), shapes, cos.float(), sin.float())


def _cut(rows: int, columns: int, side: int) -> Iterator[list[tuple[int, int]]]:
    """The merged tokens (row, column) of each window."""
    for top, left in product(range(0, rows, side), range(0, columns, side)):
        yield list(product(range(top, min(rows, top + side)), range(left, min(columns, left + side))))


@dataclass(frozen=True, slots=True, eq=False)
class PassLayout:
    """One shape of conversation, cut before the first token of its last image.

    Attributes:
        grids: patches of each image, in order.
        prefix: (length,) ids before the cut, and where each of its images begins.
        suffix: (length,) ids from the cut on; the last image's tokens come first.
        tokens: number of the last image's tokens.
        prefix_rotations, suffix_rotations: (cos, sin) of each part, (1, length, width of a head).
    """

    grids: tuple[Grid, ...]
    prefix: Tensor
    starts: tuple[int, ...]
    suffix: Tensor
    tokens: int
    prefix_rotations: tuple[Tensor, Tensor]
    suffix_rotations: tuple[Tensor, Tensor]


def make_layout(model: Any, ids: Sequence[int], grids: Sequence[Grid], dtype: torch.dtype) -> PassLayout:
    """The layout of a conversation with at least one image.

    Args:
        model: transformers' Qwen2.5-VL, without a wrapper.
        ids: token ids, with each image's tokens in full.
        grids: patches of each image.
        dtype: arithmetic of the model.
    """
    device = model.lm_head.weight.device
    image = int(model.config.image_token_id)
    starts, at = [], 0
    merged = int(model.model.visual.spatial_merge_size) ** 2
    for grid in grids:
        starts.append(list(ids).index(image, at))
        at = starts[-1] + grid[1] * grid[2] // merged
    row = torch.tensor([list(ids)])
    positions, _ = model.model.get_rope_index(
        row, mm_token_type_ids=(row == image).long(), image_grid_thw=torch.tensor([list(g) for g in grids])
    )
    language = model.model.language_model
    # In the model's own arithmetic, as transformers rounds them, and back.
    probe = torch.zeros(1, dtype=dtype, device=device)
    cos, sin = (t.float() for t in language.rotary_emb(probe, positions.to(device)))
    cut = starts[-1]
    return PassLayout(
        tuple(grids),
        row[0, :cut].to(device),
        tuple(starts[:-1]),
        row[0, cut:].to(device),
        at - cut,
        (cos[:, :cut], sin[:, :cut]),
        (cos[:, cut:], sin[:, cut:]),
    )
