"""Features of a DINOv2 (Oquab et al., TMLR 2024) or DINOv3 (Siméoni et al., 2025) checkpoint in
transformers' format.

DINOv2's weights are under Apache-2.0; DINOv3's have a licence of Meta's own.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from saec.edge.training.checkpoints.checkpoint_source import DINO_CLASSES, BackboneCheckpoint
from saec.edge.training.checkpoints.timm_backbone import PYRAMID, declare_torchvision, token_layers
from saec.errors import ExtraError, ModelError
from saec.texts import read_json

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the input's channels in 0..1, where the checkpoint does not say; both families' own."""

_CONVOLUTIONAL = "dinov3_convnext"


class DinoBackbone(nn.Module):
    """The features of a DINOv2 or DINOv3 checkpoint.

    Args:
        model: transformers' backbone of it, in evaluation mode; it gives features B x C x h x w.
        stride: pixels of the input for each cell of the last features.
        pyramid: whether they are stages of several strides, and not patch tokens.
        mean, deviation: mean and standard deviation of the input's channels in 0..1.

    Input: B x H x W x 3, RGB in 0..255. Output: the features of each stage or layer, B x C x h x w.
    """

    def __init__(
        self, model: Any, stride: int, pyramid: bool, mean: tuple[float, ...], deviation: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.model, self.stride, self.averaged = model, stride, pyramid
        self.register_buffer("mean", 255.0 * torch.tensor(mean))
        self.register_buffer("deviation", 255.0 * torch.tensor(deviation))
        self.eval().requires_grad_(False)

    def for_size(self, height: int, width: int) -> None:
        """Bring DINOv2's learned positions to this size, in pixels: once, and not in the graph of each frame.

        DINOv3 computes its positions (RoPE), so nothing has to be done.
        """
        if self.averaged or not hasattr(self.model.embeddings, "interpolate_pos_encoding"):
            return
        embeddings = self.model.embeddings
        tokens = torch.zeros(1, 1 + (height // self.stride) * (width // self.stride), 1)
        tokens = tokens.expand(-1, -1, embeddings.position_embeddings.shape[2])
        with torch.inference_mode():
            fixed = type(embeddings).interpolate_pos_encoding(embeddings, tokens, height, width)
        embeddings.interpolate_pos_encoding = lambda *_: fixed

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        x = ((frames.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
        return tuple(self.model(x).feature_maps)


def load_dino(checkpoint: BackboneCheckpoint) -> DinoBackbone:
    """The frozen backbone of a checkpoint in transformers' format.

    Raises:
        ModelError: weights that do not fit the configuration.
        ExtraError: transformers is not installed.
    """
    declare_torchvision()
    try:
        import transformers
        from transformers.utils import logging
    except ModuleNotFoundError:
        raise ExtraError("transformers", "cloud") from None
    logging.disable_progress_bar()
    said = logging.get_verbosity()
    logging.set_verbosity_error()  # of a layer that features do not need
    kind = getattr(transformers, DINO_CLASSES[checkpoint.config["model_type"]])
    pyramid = checkpoint.config["model_type"] == _CONVOLUTIONAL
    try:
        # Its stages, the stem before them, have strides 4, 8, 16 and 32.
        taps = [2, 3] if pyramid else [1 + i for i in token_layers(checkpoint.config["num_hidden_layers"])]
        model, report = kind.from_pretrained(
            checkpoint.folder,
            out_indices=taps,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
        stride = PYRAMID[-1] if pyramid else int(model.config.patch_size)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, SafetensorError) as e:
        fault = (str(e).strip().splitlines() or [type(e).__name__])[0]
        raise ModelError(
            f"{checkpoint.folder} cannot be loaded: {fault}", "restore the checkpoint's original files"
        ) from e
    finally:
        logging.set_verbosity(said)
    # A tensor that is not in the files would stay random, with a warning only.
    if wrong := sorted([*report["missing_keys"], *report["mismatched_keys"]]):
        raise ModelError(
            f"{checkpoint.folder}: {len(wrong)} tensors do not match the configuration, first {wrong[0]}",
            "restore the checkpoint's original files",
        )
    return DinoBackbone(model, stride, pyramid, *_normalisation(checkpoint))


def _normalisation(checkpoint: BackboneCheckpoint) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of the input's channels, by ``preprocessor_config.json``."""
    path = checkpoint.folder / "preprocessor_config.json"
    if not path.is_file():
        return IMAGENET_MEAN, IMAGENET_DEVIATION
    remedy = "restore the checkpoint's original file"
    stated = read_json(path, dict[str, Any], error=ModelError, remedy=remedy)
    return (
        tuple(stated.get("image_mean", IMAGENET_MEAN)),
        tuple(stated.get("image_std", IMAGENET_DEVIATION)),
    )
