"""The frozen feature graph: a prepared frame to features on one grid, as a torch module and in OpenVINO.

It is the only part of the detector that torch makes; what follows it needs the graph alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from saec.edge.graph import CPU, compile_graph
from saec.edge.training.backbones import Backbone
from saec.edge.training.tiling import Tiling
from saec.errors import ModelError
from saec.rounding import apart

GREY = 127.0
"""What is painted outside the region of interest: close to the zero of every backbone's input."""

MOST_CHANNELS = 256
"""Channels of the features at most. Each block of cells has a covariance of their square in size, and the
memory of a line grows with them."""

PROJECTION_SEED = 0
SCALE_FLOOR = 0.1
"""Least deviation by which a channel is divided before the projection, as a share of their median."""


class Features(nn.Module):
    """Frames to patch features on one grid.

    Args:
        backbone: the frozen network, from B x H x W x 3 in 0..255 to one or more maps of features.
        mask: H x W, 1 within the region of interest and 0 outside, or None. What lies outside is painted
            grey, so that it does not reach the features inside.
        averaged: the maps are stages of convolutions, each of twice the stride of the one before: each is
            averaged over 3 x 3 neighbours, as PatchCore does (Roth et al., CVPR 2022), and brought to the
            grid of the last. Else they are patch tokens on one grid and stay as they are: each token has
            looked at all others.
        tiling: how frames are cut into tiles, which go through the backbone as one batch, or None.
        projection: what reduces the channels, or None.

    Input: B x H x W x 3, RGB, uint8 or float in 0..255. Output: B x C x h x w, the maps side by side.
    """

    def __init__(
        self,
        backbone: nn.Module,
        mask: Tensor | None = None,
        *,
        averaged: bool = True,
        tiling: Tiling | None = None,
        projection: Projection | None = None,
    ) -> None:
        super().__init__()
        self.backbone, self.averaged, self.tiling = backbone, averaged, tiling
        self.projection = projection
        self.register_buffer("mask", mask)

    def forward(self, frames: Tensor) -> Tensor:
        if self.mask is not None:
            frames = GREY + (frames.float() - GREY) * self.mask[..., None]
        maps = self.maps(frames)
        return maps if self.projection is None else self.projection(maps)

    def maps(self, frames: Tensor) -> Tensor:
        """The backbone's maps side by side, every channel of them."""
        if self.tiling is not None:
            return self.tiling.join(self._maps(self.tiling.cut(frames)))
        return self._maps(frames)

    def _maps(self, frames: Tensor) -> Tensor:
        taps = self.backbone(frames)
        if not self.averaged:
            return torch.cat(taps, 1)
        *finer, coarse = (F.avg_pool2d(tap, 3, 1, 1, count_include_pad=False) for tap in taps)
        return torch.cat(
            [*(F.avg_pool2d(tap, 2 ** (len(finer) - i)) for i, tap in enumerate(finer)), coarse], 1
        )


class Projection(nn.Module):
    """Features of many channels to few, by a fixed random projection.

    Its columns are orthonormal, so that squared distances are kept up to a factor of 1 +- e with
    e ~ sqrt(8 ln(n) / k) for n patches and k channels (Johnson and Lindenstrauss 1984; Dasgupta and Gupta,
    Random Struct. Algorithms 22, 2003). Each channel is divided by its deviation over a fixed picture first:
    else the few that are large would be all that is left.

    Args:
        deviation: deviation of each channel, C.
        channels: how many are left.

    Input: B x C x h x w. Output: B x channels x h x w.
    """

    def __init__(self, deviation: Tensor, channels: int) -> None:
        super().__init__()
        scale = deviation.double().clamp_min(SCALE_FLOOR * max(float(deviation.median()), 1e-6)).numpy()
        normal = np.random.default_rng(PROJECTION_SEED).standard_normal((len(scale), channels))
        columns, triangle = np.linalg.qr(normal)
        columns *= np.sign(np.diag(triangle)) * np.sqrt(len(scale) / channels)
        weight = torch.from_numpy((columns / scale[:, None]).T.copy()).float()
        self.mix = nn.Conv2d(len(scale), channels, 1, bias=False)
        self.mix.weight = nn.Parameter(weight[:, :, None, None], requires_grad=False)

    def forward(self, features: Tensor) -> Tensor:
        mixed: Tensor = self.mix(features)
        return mixed


def feature_module(
    backbone: Backbone, height: int, width: int, mask: NDArray[np.uint8] | None, tile: int | None = None
) -> Features:
    """The feature graph as a torch module, for frames of one size.

    Args:
        backbone: what ``load_backbone`` gives; it is brought to this size.
        height, width: size of the prepared frame, multiples of twice the backbone's stride.
        mask: height x width, 0 outside the region of interest and 255 inside, or None.
        tile: the side of the tiles in pixels, without what they overlap; None takes the frame whole.

    Raises:
        ModelError: the backbone cannot take this size, or its features are no numbers.
    """
    try:
        tiling = None if tile is None else Tiling.of(height, width, tile, backbone.stride)
        backbone.for_size(*((height, width) if tiling is None else (tiling.height, tiling.width)))
        pixels = None if mask is None else torch.from_numpy(mask.astype(np.float32) / 255.0)
        features = Features(backbone, pixels, averaged=backbone.averaged, tiling=tiling)
        with torch.inference_mode():
            probe = features.maps(_picture(height, width))
    except (RuntimeError, AssertionError, ValueError) as e:
        said = (str(e).strip().splitlines() or [type(e).__name__])[0]
        raise ModelError(
            f"the backbone cannot take frames of {width} x {height} pixels: {said}", "choose another one"
        ) from e
    if not torch.isfinite(probe).all():
        raise ModelError("the backbone's features are no numbers", "restore its original weights")
    if probe.shape[1] > MOST_CHANNELS:
        features.projection = Projection(probe.transpose(0, 1).flatten(1).std(1), MOST_CHANNELS)
    features.eval().requires_grad_(False)
    return features


def _picture(height: int, width: int) -> Tensor:
    """A fixed picture of noise of all sizes, as strong in each octave (1 x height x width x 3, 0..255)."""
    generator = torch.Generator().manual_seed(PROJECTION_SEED)
    total, step = torch.zeros(1, 3, height, width), 1
    while step < min(height, width):
        noise = torch.randn(1, 3, height // step + 1, width // step + 1, generator=generator)
        total += F.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
        step *= 2
    return (GREY + 50.0 * total / total.std()).clamp(0.0, 255.0).permute(0, 2, 3, 1)


def to_openvino(module: nn.Module, height: int, width: int) -> Any:
    """The module as an OpenVINO model for one frame: 1 x height x width x 3, uint8.

    Layers are named by their place, so that the same module gives the same bytes wherever it is saved.
    """
    import openvino as ov

    example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # the size is fixed, and meant to be
        traced = torch.jit.trace(module, example, check_trace=False)  # the parity gate is the check
        model = ov.convert_model(traced, example_input=example, input=[([1, height, width, 3], ov.Type.u8)])
    model.set_friendly_name("saec")
    for index, layer in enumerate(model.get_ordered_ops()):
        layer.set_friendly_name(f"{layer.get_type_name()}_{index}")
    return model


def feature_function(
    features: Features, height: int, width: int, precision: str, threads: int, device: str = CPU
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The backbone in OpenVINO, in the precision of the line, for one prepared frame."""
    graph = compile_graph(to_openvino(features, height, width), precision, threads, device)

    def run(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        output: NDArray[np.float32] = graph(frame[None])[0][0].astype(np.float32)
        return output

    return run


def features_apart(network: nn.Module) -> float:
    """The largest share of a feature's largest value by which float32 may change it: over all sums."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return apart(sum(m.weight[0].numel() + 1 for m in layers), 1.0)
