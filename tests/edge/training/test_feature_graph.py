"""The feature graph: what it computes, and that OpenVINO computes the same as torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saec.edge.graph import compile_graph
from saec.edge.training.backbones import load_backbone, load_efficientnet_lite
from saec.edge.training.feature_graph import (
    MOST_CHANNELS,
    Features,
    Projection,
    feature_function,
    feature_module,
    features_apart,
)
from saec.edge.training.feature_source import FeatureSource
from saec.rounding import apart
from saec.settings import FitConfig
from tests.edge.training.feature_checks import frames, same_as_torch

pytestmark = pytest.mark.numeric


def test_features_average_both_strides_on_the_coarser_grid() -> None:
    net = load_efficientnet_lite("efficientnet-lite0")
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8))
    with torch.inference_mode():
        made = Features(net)(frames)
        single = Features(net)(frames[1:])
        fine, coarse = (t.numpy() for t in net(frames.float()))
    assert made.shape == (2, 152, 4, 6)
    assert (single[0] - made[1]).abs().max() <= features_apart(net) * made.abs().max()
    means = apart(9 + 4, float(np.abs(coarse).max()))  # of nine cells, then of four
    np.testing.assert_allclose(made[0, 40:, 1, 1], coarse[0, :, :3, :3].mean((1, 2)), rtol=0, atol=means)
    np.testing.assert_allclose(made[0, 40:, 0, 0], coarse[0, :, :2, :2].mean((1, 2)), rtol=0, atol=means)
    near = [fine[0, :, y - 1 : y + 2, x - 1 : x + 2].mean((1, 2)) for y in (2, 3) for x in (4, 5)]
    means = apart(9 + 4, float(np.abs(fine).max()))
    np.testing.assert_allclose(made[0, :40, 1, 2], np.mean(near, axis=0), rtol=0, atol=means)


def test_features_see_nothing_outside_the_mask() -> None:
    mask = torch.zeros(64, 96)
    mask[:, :48] = 1
    features = Features(load_efficientnet_lite("efficientnet-lite0"), mask)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    outside, inside = frame.copy(), frame.copy()
    outside[:, :, 48:] = rng.integers(0, 256, (64, 48, 3))
    inside[:, :, :48] = rng.integers(0, 256, (64, 48, 3))
    with torch.inference_mode():
        first, other, changed = (features(torch.from_numpy(f)) for f in (frame, outside, inside))
    assert torch.equal(first, other)
    assert not torch.allclose(first, changed)


def test_openvino_gives_the_features_of_torch() -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[:, :48] = 255
    module = feature_module(load_backbone("efficientnet-lite0"), 64, 96, mask)
    assert same_as_torch(module, 64, 96).shape == (152, 4, 6)
    run = feature_function(module, 64, 96, "f32", 1)
    model, _ = FeatureSource(FitConfig(), lambda _said: None).model(64, 96, mask, None)
    assert model.output(0).get_partial_shape().to_shape() == [1, 152, 4, 6]
    graph = compile_graph(model, "f32", 1)
    frame = frames(64, 96)[0]
    np.testing.assert_array_equal(run(frame), graph(frame[None])[0][0])


class Wide(torch.nn.Module):
    """One map of many channels, some of them a thousand times as large as others, one always 0."""

    stride, averaged = 8, False

    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, channels, 8, stride=8)
        self.layer.weight.data *= 10.0 ** (torch.arange(channels) % 4)[:, None, None, None]
        self.layer.weight.data[0] = 0.0

    def for_size(self, height: int, width: int) -> None:
        pass

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layer((frames.float() / 128 - 1).permute(0, 3, 1, 2)),)


@pytest.mark.parametrize(("channels", "left"), [(256, 256), (700, MOST_CHANNELS)])
def test_many_channels_become_few(channels: int, left: int) -> None:
    module = feature_module(Wide(channels), 32, 48, None)
    assert same_as_torch(module, 32, 48).shape == (left, 4, 6)
    again = feature_module(Wide(channels), 32, 48, None)
    assert all(
        torch.equal(a, b)
        for a, b in zip(module.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_a_projection_keeps_distances() -> None:
    scale = torch.from_numpy(10.0 ** np.random.default_rng(0).uniform(-0.5, 2, 1024)).float()
    points = (
        torch.from_numpy(np.random.default_rng(1).standard_normal((1, 1024, 8, 8))).float()
        * scale[:, None, None]
    )
    with torch.inference_mode():
        few = Projection(scale, MOST_CHANNELS)(points)[0].flatten(1).T.double()
    many = (points / scale[:, None, None])[0].flatten(1).T.double()
    ratio = torch.pdist(few) ** 2 / torch.pdist(many) ** 2
    deviation = (2 / MOST_CHANNELS) ** 0.5
    assert abs(float(ratio.mean()) - 1) < deviation
    assert float((ratio - 1).abs().max()) < 6 * deviation
