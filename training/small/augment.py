"""Changes made on the GPU, so that a rendered group is seen many times and never twice the same.

What a product looks like (turn, mirror, colours) changes for a whole group; what a camera does (small
shift, exposure, noise) changes per frame. Some second defects are replaced by pasted foreign texture.
"""

from __future__ import annotations

import math

import torch
from architecture import SIDE
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate


def augment(images: Tensor, masks: Tensor, still: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Augment groups.

    Args:
        images: (groups, 5, SIDE, SIDE, 3) uint8: good, clean, defect, clean, defect.
        masks: (groups, 2, SIDE, SIDE) uint8 of the two defects.
        still: that many last groups keep their geometry, so that place words stay true.
        generator: on the images' device.

    Returns:
        Normalised images (groups, 5, 3, SIDE, SIDE) float32 and masks (groups, 2, SIDE, SIDE), 0..1.
    """
    groups = len(images)
    x = images.permute(0, 1, 4, 2, 3).float() / 255
    grid = _grids(groups, 5, still, generator, images.device)
    x = grid_sample(x.flatten(0, 1), grid.flatten(0, 1), padding_mode="reflection", align_corners=False)
    masks_ = grid_sample(
        masks.flatten(0, 1)[:, None].float(), grid[:, 2::2].flatten(0, 1), align_corners=False
    )
    x, defects = _paste(
        x.view(groups, 5, 3, SIDE, SIDE), masks_.view(groups, 2, SIDE, SIDE), still, generator
    )
    return (_expose(_recolour(x, generator), generator).clamp(0, 1) - 0.5) / 0.25, defects


def _grids(groups: int, frames: int, still: int, g: torch.Generator, device: torch.device) -> Tensor:
    """Sampling grids: one of the square's eight symmetries per group, a small affine change per frame."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=g, device=device) * 2 - 1

    quarter = torch.randint(0, 4, (groups,), generator=g, device=device) * (math.pi / 2)
    mirror = uniform(groups).sign()
    quarter[groups - still :], mirror[groups - still :] = 0, 1
    c, s = quarter.cos().round(), quarter.sin().round()
    symmetry = torch.stack([torch.stack([c * mirror, -s], -1), torch.stack([s * mirror, c], -1)], -2)
    # Half of the frames are resampled; the others keep their pixels.
    move = (uniform(groups, frames) > 0).float()
    turn = uniform(groups, frames) * 0.04 * move
    zoom = 1 + uniform(groups, frames) * 0.03 * move
    small = torch.stack(
        [torch.stack([turn.cos(), -turn.sin()], -1), torch.stack([turn.sin(), turn.cos()], -1)], -2
    )
    # Half of the groups stand in the frame in another way: any turn, nearer or farther.
    stand = (uniform(groups) > 0).float()
    stand[groups - still :] = 0
    tilt, near = uniform(groups) * math.pi / 4 * stand, (uniform(groups) * 0.3 * stand).exp()
    way = torch.stack(
        [torch.stack([tilt.cos(), -tilt.sin()], -1), torch.stack([tilt.sin(), tilt.cos()], -1)], -2
    )
    symmetry = symmetry @ way * near[:, None, None]
    linear = symmetry[:, None] @ (small * zoom[..., None, None])
    shift = uniform(groups, frames, 2, 1) * 0.03 * move[..., None, None]
    theta = torch.cat([linear, shift], -1).flatten(0, 1)
    grid = torch.nn.functional.affine_grid(theta, (groups * frames, 1, SIDE, SIDE), align_corners=False)
    return grid.view(groups, frames, SIDE, SIDE, 2)


def _paste(x: Tensor, masks: Tensor, still: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace a third of the second defects by a blob of another group's texture on the clean frame."""
    groups, device = len(x), x.device
    chosen = torch.rand(groups, generator=g, device=device) < 0.33
    chosen[groups - still :] = False
    blob = _blobs(groups, g, device) * (0.25 + 0.75 * torch.rand((groups, 1, 1), generator=g, device=device))
    other = torch.roll(x[:, 0], groups // 2 + 1, 0)
    plain = torch.rand((groups, 3, 1, 1), generator=g, device=device)
    flat = (torch.rand((groups, 1, 1, 1), generator=g, device=device) < 0.5).float()
    foreign = flat * plain + (1 - flat) * other
    clean = x[:, 3]
    pasted = clean + blob[:, None] * (foreign - clean)
    changed = ((pasted - clean).abs().amax(1) > 0.06).float()
    # A blob that happens to look like its ground is no defect: keep the rendered one.
    chosen &= changed.flatten(1).sum(1) > 30
    pick = chosen[:, None, None]
    second = torch.where(pick[:, None], pasted, x[:, 4])
    mask = torch.where(pick, changed, masks[:, 1])
    return torch.cat([x[:, :4], second[:, None]], 1), torch.stack([masks[:, 0], mask], 1)


def _blobs(n: int, g: torch.Generator, device: torch.device) -> Tensor:
    """(n, SIDE, SIDE) soft-edged random shapes of 5 to 45 pixels in radius, stretched at random."""
    noise = torch.randn((n, 1, 14, 14), generator=g, device=device)
    rough = interpolate(noise, SIDE, mode="bicubic", align_corners=False)[:, 0]
    t = torch.linspace(0, 1, SIDE, device=device)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((n, 1, 1), generator=g, device=device)

    turn, radius, slim = draw(0, math.pi), draw(math.log(5), math.log(45)).exp() / SIDE, draw(0.15, 1)
    dx, dy = t[None, None] - draw(0.12, 0.88), t[None, :, None] - draw(0.12, 0.88)
    u, v = (dx * turn.cos() + dy * turn.sin()) / radius, (dy * turn.cos() - dx * turn.sin()) / (radius * slim)
    inside = 1 - (u * u + v * v) + 0.35 * rough
    return (inside * 4).sigmoid() * (inside > -0.5)


def _recolour(x: Tensor, g: torch.Generator) -> Tensor:
    """Another camera and another paint: a colour matrix, contrast and gamma per group."""
    groups, device = len(x), x.device
    matrix = torch.eye(3, device=device) + 0.18 * torch.randn((groups, 3, 3), generator=g, device=device)
    x = torch.einsum("gij,gfjhw->gfihw", matrix, x)
    gain = 0.7 + 0.6 * torch.rand((groups, 1, 1, 1, 1), generator=g, device=device)
    gamma = 0.75 + 0.6 * torch.rand((groups, 1, 1, 1, 1), generator=g, device=device)
    return (x * gain).clamp(1e-3, 1) ** gamma


def _expose(x: Tensor, g: torch.Generator) -> Tensor:
    """What differs between two shots: a little exposure, sensor noise."""
    device = x.device
    gain = 1 + 0.04 * torch.randn((*x.shape[:2], 1, 1, 1), generator=g, device=device)
    deviation = 0.012 * torch.rand((*x.shape[:2], 1, 1, 1), generator=g, device=device)
    return x * gain + deviation * torch.randn(x.shape, generator=g, device=device)
