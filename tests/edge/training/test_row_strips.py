"""Strips give what the whole frame gives, wherever the edges fall."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from saec.edge.training import row_strips
from saec.edge.training.row_strips import ConvBlock, RowStrips, SameConv


class ChannelsFirst(nn.Module):
    def forward(self, frames: Tensor) -> Tensor:
        return frames.float().permute(0, 3, 1, 2)


def conv(out: int, inp: int, reach: int, step: int = 1, *, depthwise: bool = False) -> SameConv:
    """Small whole numbers, so that sums are exact in any order."""
    weight = torch.randint(-2, 3, (out, 1 if depthwise else inp, reach, reach)).float()
    return SameConv(weight, torch.randint(-2, 3, (out,)).float(), step, depthwise)


def network() -> RowStrips:
    torch.manual_seed(0)
    return RowStrips(
        ChannelsFirst(),
        [
            ConvBlock([conv(4, 3, 3, 2), nn.ReLU6()]),
            ConvBlock([conv(6, 4, 1), nn.ReLU6(), conv(6, 6, 3, 2, depthwise=True), conv(4, 6, 1)]),
            ConvBlock(
                [conv(6, 4, 1), nn.ReLU6(), conv(6, 6, 5, depthwise=True), conv(4, 6, 1)], residual=True
            ),
            ConvBlock([conv(4, 4, 3), nn.ReLU6()], True),
        ],
    ).requires_grad_(False)


@pytest.mark.parametrize("pixels", [1, 100, 300, 700, 1500])
@pytest.mark.parametrize("size", [(40, 24), (24, 40), (4, 36)])
def test_strips_give_what_the_whole_gives(
    pixels: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network()
    frames = torch.randint(0, 9, (2, *size, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    whole = net.prepare(frames)
    for block in net.blocks:
        whole = block(whole)
    monkeypatch.setattr(row_strips, "STRIP", pixels)
    made = net(frames)
    assert made.shape == (2, 4, size[0] // 4, size[1] // 4)
    assert torch.equal(made, whole)
    assert made.std() > 1


@pytest.mark.parametrize(("reach", "step"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2), (2, 2), (1, 2)])
def test_padding_keeps_a_whole_number_of_steps(reach: int, step: int) -> None:
    x = torch.ones(1, 3, 8, 12)
    assert conv(5, 3, reach, step)(x).shape == (1, 5, 8 // step, 12 // step)
