"""Changes made on the GPU, so that a rendered group may be seen several times and never twice the same.

What a product looks like (turn, mirror, colours) changes for a whole group; what a camera does (small
shift, exposure, noise) changes per frame. Some second defects are replaced by pasted foreign texture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from architecture import SIDE
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate


class Augment:
    """Augmentation of groups.

    Args:
        compiled: whether the arithmetic per pixel is compiled.
    """

    def __init__(self, compiled: bool = False) -> None:
        wrap: Callable[..., Any] = torch.compile(dynamic=False) if compiled else lambda f: f
        self._look = wrap(_look)

    def __call__(
        self, images: Tensor, masks: Tensor, still: Tensor, amount: float, g: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augment.

        Args:
            images: (groups, 5, SIDE, SIDE, 3) uint8: good, clean, defect, clean, defect.
            masks: (groups, 2, SIDE, SIDE) uint8 of the two defects.
            still: (groups,) bool, which keep their geometry, so that place words stay true.
            amount: share of the groups that is changed at all, per kind of change.
            g: on the images' device.

        Returns:
            Normalised images (groups, 5, 3, SIDE, SIDE) float32, masks (groups, 2, SIDE, SIDE), 0..1, and
            which second defects are pasted (groups,) bool.
        """
        groups = len(images)
        x = images.permute(0, 1, 4, 2, 3).float()
        grid = _grids(groups, 5, still, amount, g, images.device)
        x = grid_sample(x.flatten(0, 1), grid.flatten(0, 1), padding_mode="reflection", align_corners=False)
        moved = grid_sample(
            masks.flatten(0, 1)[:, None].float(), grid[:, 2::2].flatten(0, 1), align_corners=False
        )
        x, defects, pasted = _paste(
            x.view(groups, 5, 3, SIDE, SIDE), moved.view(groups, 2, SIDE, SIDE), still, amount, g
        )
        return (
            self._look(x, *_cameras(groups, amount, g, x.device), _normal(x.shape, g, x.device)),
            defects,
            pasted,
        )


def _uniform(g: torch.Generator, device: torch.device, *shape: int) -> Tensor:
    return torch.rand(shape, generator=g, device=device)


def _normal(shape: tuple[int, ...], g: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=g, device=device, dtype=torch.bfloat16)


def _turns(angle: Tensor) -> Tensor:
    """(..., 2, 2)"""
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def _grids(
    groups: int, frames: int, still: Tensor, amount: float, g: torch.Generator, device: torch.device
) -> Tensor:
    """Sampling grids: one of the square's eight symmetries per group, a small affine change per frame."""

    def uniform(*shape: int) -> Tensor:
        return _uniform(g, device, *shape) * 2 - 1

    free = (~still).float()
    quarter = torch.randint(0, 4, (groups,), generator=g, device=device) * (math.pi / 2) * free
    symmetry = _turns(quarter).round()
    symmetry[..., 0] *= torch.where(still, 1.0, uniform(groups).sign())[:, None]
    # Some of the frames are resampled; the others keep their pixels.
    move = (_uniform(g, device, groups, frames) < 0.5 * amount).float()
    small = _turns(uniform(groups, frames) * 0.04 * move)
    zoom = 1 + uniform(groups, frames) * 0.03 * move
    # Some of the groups stand in the frame in another way: any turn, nearer or farther; of some a part is
    # seen alone, the same of every frame.
    stand = (_uniform(g, device, groups) < 0.35 * amount).float() * free
    part = (_uniform(g, device, groups) < 0.15).float() * free
    near = (uniform(groups) * 0.3 * stand).exp() * (1 - 0.5 * _uniform(g, device, groups) * part)
    way = _turns(uniform(groups) * math.pi / 4 * stand) * near[:, None, None]
    linear = (symmetry @ way)[:, None] @ (small * zoom[..., None, None])
    middle = uniform(groups, 1, 2, 1) * ((1 - near).clamp(min=0) * part)[:, None, None, None]
    shift = middle + uniform(groups, frames, 2, 1) * 0.03 * move[..., None, None]
    theta = torch.cat([linear, shift], -1).flatten(0, 1)
    grid = affine_grid(theta, [groups * frames, 1, SIDE, SIDE], align_corners=False)
    return grid.view(groups, frames, SIDE, SIDE, 2)


def _paste(
    x: Tensor, masks: Tensor, still: Tensor, amount: float, g: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Replace some of the second defects by a blob of another group's texture on the clean frame."""
    groups, device = len(x), x.device
    chosen = (_uniform(g, device, groups) < 0.2 * amount) & ~still
    blob = _blobs(groups, g, device) * (0.25 + 0.75 * _uniform(g, device, groups, 1, 1))
    other = torch.roll(x[:, 0], groups // 2 + 1, 0)
    plain = 255 * _uniform(g, device, groups, 3, 1, 1)
    flat = _uniform(g, device, groups, 1, 1, 1) < 0.5
    clean = x[:, 3]
    pasted = clean + blob[:, None] * (torch.where(flat, plain, other) - clean)
    changed = ((pasted - clean).abs().amax(1) > 15).float()
    # A blob that happens to look like its ground is no defect: keep the rendered one.
    chosen &= changed.flatten(1).sum(1) > 40
    x[:, 4] = torch.where(chosen[:, None, None, None], pasted, x[:, 4])
    second = torch.where(chosen[:, None, None], changed, masks[:, 1])
    return x, torch.stack([masks[:, 0], second], 1), chosen


def _blobs(n: int, g: torch.Generator, device: torch.device) -> Tensor:
    """(n, SIDE, SIDE) soft-edged random shapes of 5 to 45 pixels in radius, stretched at random."""
    noise = torch.randn((n, 1, 14, 14), generator=g, device=device)
    rough = interpolate(noise, SIDE, mode="bicubic", align_corners=False)[:, 0]
    t = torch.linspace(0, 1, SIDE, device=device)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * _uniform(g, device, n, 1, 1)

    turn, radius, slim = draw(0, math.pi), draw(math.log(5), math.log(45)).exp() / SIDE, draw(0.15, 1)
    dx, dy = t[None, None] - draw(0.12, 0.88), t[None, :, None] - draw(0.12, 0.88)
    u, v = (dx * turn.cos() + dy * turn.sin()) / radius, (dy * turn.cos() - dx * turn.sin()) / (radius * slim)
    inside = 1 - (u * u + v * v) + 0.35 * rough
    return (inside * 4).sigmoid() * (inside > -0.5)


def _cameras(
    groups: int, amount: float, g: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Another camera and another paint: a colour matrix (gain included) and a gamma per group; what differs
    between two shots: exposure and sensor noise."""
    other = (_uniform(g, device, groups) < 0.75 * amount).float()
    matrix = torch.eye(3, device=device) + 0.18 * other[:, None, None] * torch.randn(
        (groups, 3, 3), generator=g, device=device
    )
    matrix = matrix * (1 + (0.6 * _uniform(g, device, groups, 1, 1) - 0.3) * other[:, None, None])
    gamma = 1 + (0.6 * _uniform(g, device, groups) - 0.25) * other
    shots = (_uniform(g, device, groups) < 0.75 * amount).float()[:, None]
    gain = 1 + 0.04 * torch.randn((groups, 5), generator=g, device=device) * shots
    noise = 0.012 * _uniform(g, device, groups, 5) * shots
    return matrix, gamma, gain, noise


def _look(x: Tensor, matrix: Tensor, gamma: Tensor, gain: Tensor, noise: Tensor, grain: Tensor) -> Tensor:
    """(groups, 5, 3, SIDE, SIDE) grey levels, normalised as the model wants them."""
    one = (slice(None), None, None, None)
    rgb = [x[:, :, c] / 255 for c in range(3)]
    mixed = torch.stack([sum(matrix[:, i, c][one] * rgb[c] for c in range(3)) for i in range(3)], 2)
    seen = mixed.clamp(1e-3, 1) ** gamma[:, None, None, None, None]
    seen = seen * gain[..., None, None, None] + noise[..., None, None, None] * grain.float()
    return (seen.clamp(0, 1) - 0.5) / 0.25
