"""Features of a model of timm (Wightman, PyTorch Image Models, 2019).

Convolutional and other pyramidal models give their last stages of strides 8 and 16. Models of one stride
(ViTs) give the patch tokens of two layers, class and register tokens left out. timm is under Apache-2.0; its
weights are under licences of their own.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch import library as operators

from saec.edge.training.checkpoints.checkpoint_source import BackboneCheckpoint
from saec.errors import ExtraError, ModelError

PYRAMID = (8, 16)
"""Strides whose stages are the features of a model that has several."""

_MISSING = re.compile(r"operator (torchvision::\w+) does not exist")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class TimmBackbone(nn.Module):
    """The features of a timm model.

    Args:
        model: the model, in evaluation mode.
        taps: indices of the intermediate features that are taken.
        stride: pixels of the input for each cell of the last of them.
        pyramid: whether they are stages of several strides, and not patch tokens.
        mean, deviation: mean and standard deviation of the input's channels in 0..1.

    Input: B x H x W x 3, RGB in 0..255. Output: the features of each tap, B x C x h x w.
    """

    def __init__(
        self,
        model: Any,
        taps: list[int],
        stride: int,
        pyramid: bool,
        mean: tuple[float, ...],
        deviation: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.model, self.taps, self.stride, self.averaged = model, taps, stride, pyramid
        self.register_buffer("mean", 255.0 * torch.tensor(mean))
        self.register_buffer("deviation", 255.0 * torch.tensor(deviation))
        self.eval().requires_grad_(False)

    def for_size(self, height: int, width: int) -> None:
        """Bring what depends on the input's size (the positions of tokens) to this size, in pixels."""
        if hasattr(self.model, "set_input_size"):
            self.model.set_input_size(img_size=(height, width))
            self.requires_grad_(False)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        found = self.model.forward_intermediates(
            ((frames.float() - self.mean) / self.deviation).permute(0, 3, 1, 2),
            indices=self.taps,
            norm=not self.averaged,  # tokens of several layers are comparable once they are normalised
            output_fmt="NCHW",
            intermediates_only=True,
        )
        return tuple(found)


def load_timm(checkpoint: BackboneCheckpoint) -> TimmBackbone:
    """The frozen backbone of a timm checkpoint (``config.json`` and one file of safetensors).

    Raises:
        ModelError: unknown architecture, weights that do not fit it, or no features at strides 8 and 16.
        ExtraError: timm is not installed.
    """
    timm = import_timm()
    config, files = checkpoint.config, checkpoint.weight_files()
    if len(files) > 1:
        raise ModelError(
            f"{checkpoint.folder} holds {len(files)} files of weights", "leave model.safetensors alone there"
        )
    model = _model(timm, config, files[0])
    inputs = model.pretrained_cfg
    if (inputs.get("input_size") or (3,))[0] != 3:
        raise ModelError(f"{config['architecture']} takes no RGB images", "choose a model for RGB images")
    taps, stride, pyramid = _taps(model, config["architecture"])
    model.prune_intermediate_layers(taps, prune_norm=pyramid, prune_head=True)
    return TimmBackbone(model, taps, stride, pyramid, tuple(inputs["mean"]), tuple(inputs["std"]))


def _model(timm: Any, config: dict[str, Any], weights: Path) -> Any:
    """The whole model, so that a tensor which is missing or left over is an error."""
    architecture = config["architecture"]
    if not timm.is_model(architecture):
        raise ModelError(
            f"timm {timm.__version__} does not know the architecture {architecture!r}",
            "check config.json, or install a newer timm",
        )
    arguments = {"num_classes": config.get("num_classes", 1000), **(config.get("model_args") or {})}
    try:
        # For another number of classes timm would pass over all tensors that are missing.
        given = {
            "state_dict": load_file(weights),
            "num_classes": arguments["num_classes"],
            "custom_load": False,
        }
        return timm.create_model(
            architecture,
            pretrained=True,
            pretrained_cfg=config.get("pretrained_cfg"),
            pretrained_cfg_overlay=given | {"custom_load": False},
            **arguments,
        )
    except (RuntimeError, TypeError, ValueError, KeyError, SafetensorError) as e:
        said = (str(e).strip().splitlines() or [type(e).__name__])[0]
        raise ModelError(
            f"{weights} does not fit the architecture {architecture}: {said}",
            "restore the checkpoint's original files",
        ) from e


def _taps(model: Any, architecture: str) -> tuple[list[int], int, bool]:
    """Which intermediate features are taken, the stride of their grid, and whether they form a pyramid."""
    remedy = "choose a model with stages of strides 8 and 16, or a ViT"
    if not hasattr(model, "forward_intermediates"):
        raise ModelError(f"timm gives no intermediate features of {architecture}", remedy)
    strides = [int(info["reduction"]) for info in model.feature_info]
    last = {stride: index for index, stride in enumerate(strides)}
    if all(stride in last for stride in PYRAMID):
        return [last[stride] for stride in PYRAMID], PYRAMID[-1], True
    if len(last) > 1:
        raise ModelError(f"{architecture} has stages of strides {', '.join(map(str, last))} only", remedy)
    return token_layers(len(strides)), strides[0], False


def token_layers(depth: int) -> list[int]:
    """The layers whose tokens are taken, from 0: that at two thirds of the depth, and the last."""
    return sorted({max(0, 2 * depth // 3 - 1), depth - 1})


def import_timm() -> Any:
    """timm, also where its torchvision does not fit torch.

    Raises:
        ExtraError: it is not installed.
    """
    declare_torchvision()
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as e:
        raise ExtraError(e.name or "timm", "timm") from None


def declare_torchvision() -> None:
    """Let torchvision be imported where it does not fit torch, as beside torch's build for CPUs.

    Its compiled operators are missing then, and it fails at once, though no backbone calls them: declaring
    them is enough. timm imports it, and transformers does where it finds it.
    """
    while importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
            return
        except RuntimeError as e:
            if not (missing := _MISSING.search(str(e))):
                raise
            operators.define(missing[1], _SCHEMA)
