"""timm models as backbones: random weights of tiny shapes, saved as timm saves models for the hub.

timm brings torchvision, which changes how transformers prepares images. So `make test` runs this file in an
environment of its own, and elsewhere it is skipped.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from saec.edge.training.backbones import load_backbone
from saec.edge.training.checkpoints.timm_backbone import import_timm
from saec.edge.training.feature_graph import feature_module, features_apart
from saec.errors import ExtraError, ModelError
from tests.edge.training.feature_checks import frames, same_as_torch

INSTALLED = importlib.util.find_spec("timm") is not None
pytestmark = [pytest.mark.numeric]
needs_timm = pytest.mark.skipif(not INSTALLED, reason="timm is not installed: scripts/timm.sh installs it")

SMALL_TOKENS: dict[str, Any] = {"depth": 3, "embed_dim": 32, "num_heads": 2}
MODELS: dict[str, tuple[dict[str, Any], int, int]] = {
    "test_resnet": ({}, 16, 0),
    "test_convnext": ({}, 16, 0),
    "test_efficientnet": ({}, 16, 0),
    "regnetx_002": ({"w0": 8, "wa": 8.0, "wm": 2.0, "group_size": 8, "depth": 6}, 16, 0),
    "swin_tiny_patch4_window7_224": (
        {"embed_dim": 8, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 2, 2), "window_size": 4},
        16,
        0,
    ),
    "vit_tiny_patch16_224": (SMALL_TOKENS, 16, 64),
    "vit_small_patch14_reg4_dinov2": (SMALL_TOKENS | {"img_size": 70}, 14, 64),
    "vit_small_patch16_dinov3": (SMALL_TOKENS | {"img_size": 64}, 16, 64),
}
"""Architecture -> (arguments that make it small, stride, channels of the features or 0 for any)."""


def saved(architecture: str, folder: Path) -> Any:
    """A model of random weights, its norms' statistics too, in the format of timm's own repositories."""
    import timm
    from timm.models import save_for_hf

    arguments = MODELS[architecture][0] if architecture in MODELS else {}
    model = timm.create_model(architecture, num_classes=7, **arguments).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.add_(0.05 * (noise.abs() if "running_var" in name else noise))
    save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
    return model


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """timm is imported as the fit imports it: beside a torch that its torchvision was not compiled for."""
    if INSTALLED:
        import_timm()


@needs_timm
@pytest.mark.parametrize("architecture", MODELS)
def test_one_graph_gives_the_features_of_the_model(architecture: str, tmp_path: Path) -> None:
    model = saved(architecture, tmp_path)
    _, stride, channels = MODELS[architecture]
    backbone = load_backbone(str(tmp_path))
    assert backbone.stride == stride
    assert backbone.averaged == (not channels)
    height, width = 4 * stride, 6 * stride
    module = feature_module(backbone, height, width, None)
    features = same_as_torch(module, height, width)
    assert features.shape[1:] == (4, 6)
    if hasattr(model, "set_input_size"):
        model.set_input_size(img_size=(height, width))
    pixels = torch.from_numpy(frames(height, width)[0])[None].permute(0, 3, 1, 2) / 255
    mean, deviation = (torch.tensor(model.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        taps = backbone(255 * pixels.permute(0, 2, 3, 1))
        if channels:
            assert len(features) == channels
            expected = [model.forward_features((pixels - mean) / deviation)[:, -24:].mT.unflatten(2, (4, 6))]
        else:
            every = model.forward_intermediates((pixels - mean) / deviation, intermediates_only=True)
            by_width = {tap.shape[3]: tap for tap in every}
            expected = [by_width[width // 8], by_width[width // 16]]
    for ours, theirs in zip(taps[-len(expected) :], expected, strict=True):
        allowed = 2 * features_apart(module) * float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, rtol=0, atol=allowed)


@needs_timm
def test_positions_follow_the_size_of_the_frames(tmp_path: Path) -> None:
    saved("vit_small_patch14_reg4_dinov2", tmp_path)
    backbone = load_backbone(str(tmp_path))
    for side in (28, 84):
        module = feature_module(backbone, side, 56, None)
        assert same_as_torch(module, side, 56).shape == (64, side // 14, 4)


@needs_timm
def test_weights_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    saved("test_resnet", tmp_path)
    weights = tmp_path / "model.safetensors"
    state = load_file(weights)
    state.pop("layer1.0.conv1.weight")
    save_file(state, weights)
    with pytest.raises(ModelError, match=r"model.safetensors does not fit the architecture test_resnet"):
        load_backbone(str(tmp_path))
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="holds 2 files of weights"):
        load_backbone(str(tmp_path))


@needs_timm
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "resnet_of_tomorrow"}, "does not know the architecture 'resnet_of_tomorrow'"),
        ({"model_args": {"num_classes": 9}}, "does not fit the architecture"),
        ({"pretrained_cfg": {"input_size": [1, 32, 32]}}, "takes no RGB images"),
    ],
)
def test_what_a_configuration_says_is_checked(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    saved("test_resnet", tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        load_backbone(str(tmp_path))


@needs_timm
def test_a_model_without_the_strides_is_refused(tmp_path: Path) -> None:
    saved("levit_128s", tmp_path)
    with pytest.raises(ModelError, match="has stages of strides 16, 32, 64 only"):
        load_backbone(str(tmp_path))


@pytest.mark.skipif(INSTALLED, reason="timm is installed")
def test_without_timm_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18"}))
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ExtraError, match=r"timm is not installed .*saec\[timm\]"):
        load_backbone(str(tmp_path))
