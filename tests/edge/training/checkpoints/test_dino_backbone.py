"""DINOv2 and DINOv3 checkpoints as backbones: random weights of tiny shapes, in transformers' format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from saec.edge.training.backbones import load_backbone
from saec.edge.training.feature_graph import feature_module, features_apart
from saec.errors import ModelError
from tests.edge.training.feature_checks import frames, same_as_torch

pytestmark = pytest.mark.numeric

TOKENS: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 70,
}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "dinov2": ("Dinov2Model", "Dinov2Config", TOKENS),
    "dinov2_with_registers": (
        "Dinov2WithRegistersModel",
        "Dinov2WithRegistersConfig",
        TOKENS | {"num_register_tokens": 2, "patch_size": 14},
    ),
    "dinov3_vit": (
        "DINOv3ViTModel",
        "DINOv3ViTConfig",
        TOKENS | {"num_register_tokens": 2, "intermediate_size": 64, "image_size": 64},
    ),
    "dinov3_convnext": ("DINOv3ConvNextModel", "DINOv3ConvNextConfig", STAGES),
}


def saved(kind: str, folder: Path) -> Any:
    """A model of random weights, saved as its makers save theirs; biases and scales are random as well."""
    model_class, config_class, shape = KINDS[kind]
    model = getattr(transformers, model_class)(getattr(transformers, config_class)(**shape)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_one_graph_gives_the_features_of_the_checkpoint(kind: str, tmp_path: Path) -> None:
    model = saved(kind, tmp_path)
    mean, deviation = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": mean, "image_std": deviation})
    )
    backbone = load_backbone(str(tmp_path))
    assert backbone.stride == (14 if kind.startswith("dinov2") else 16)
    height, width = 4 * backbone.stride, 6 * backbone.stride
    module = feature_module(backbone, height, width, None)
    features = same_as_torch(module, height, width)
    assert features.shape == (40 if kind == "dinov3_convnext" else 64, 4, 6)
    pixels = torch.from_numpy(frames(height, width)[0])[None].permute(0, 3, 1, 2) / 255
    inputs = (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]
    with torch.inference_mode():
        if kind == "dinov3_convnext":
            fine, coarse = (tap.numpy() for tap in backbone(255 * pixels.permute(0, 2, 3, 1)))
            stages = model(inputs, output_hidden_states=True).hidden_states
            assert np.abs(fine - stages[2].numpy()).max() <= features_apart(module) * np.abs(fine).max()
            assert np.abs(coarse - stages[3].numpy()).max() <= features_apart(module) * np.abs(coarse).max()
            return
        tokens = model(inputs).last_hidden_state[0, -24:].T.reshape(32, 4, 6).numpy()
    np.testing.assert_allclose(
        features[32:], tokens, rtol=0, atol=2 * features_apart(module) * np.abs(tokens).max()
    )


def test_a_backbone_can_be_brought_to_another_size(tmp_path: Path) -> None:
    saved("dinov2", tmp_path)
    backbone = load_backbone(str(tmp_path))
    for side in (28, 140, 56):
        module = feature_module(backbone, side, 56, None)
        assert same_as_torch(module, side, 56).shape == (64, side // 14, 4)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    saved("dinov2", tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model.bin, which may be a pickle") as caught:
        load_backbone(str(tmp_path))
    assert "saec models convert" in caught.value.remedy
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"holds no \*.safetensors"):
        load_backbone(str(tmp_path))


def test_what_is_no_backbone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config.json"):
        load_backbone(str(tmp_path))
    config = tmp_path / "config.json"
    config.write_text("{}")
    with pytest.raises(ModelError, match="is a file"):
        load_backbone(str(config))
    for text, message in (("[1]", "is damaged"), ('{"model_type": "bert"}', "type 'bert'")):
        config.write_text(text)
        with pytest.raises(ModelError, match=message):
            load_backbone(str(tmp_path))


def test_a_tensor_that_is_missing_is_an_error(tmp_path: Path) -> None:
    saved("dinov3_vit", tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state.pop(sorted(state)[-1])
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="1 tensors do not match"):
        load_backbone(str(tmp_path))


def test_weights_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    saved("dinov2", tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["layernorm.weight"][0] = float("nan")
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="are no numbers"):
        feature_module(load_backbone(str(tmp_path)), 56, 56, None)


def test_a_hub_name_is_fetched_once_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked: list[bool] = []
    told: list[str] = []

    def snapshot(name: str, *, allow_patterns: list[str], local_files_only: bool = False) -> str:
        asked.append(local_files_only)
        assert not any(pattern.endswith((".bin", ".pt", "*")) for pattern in allow_patterns)
        if local_files_only and not (tmp_path / "config.json").exists():
            raise LocalEntryNotFoundError("nothing here")
        if not local_files_only:
            assert told
            saved("dinov2", tmp_path)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    load_backbone("owner/name", told.append)
    assert asked == [True, False]
    assert told == [
        "backbone owner/name: fetched from the hub (its configuration and safetensors, nothing else)"
    ]
    load_backbone("owner/name", told.append)
    assert asked == [True, False, True]
    assert len(told) == 1


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match="owner/name is not a folder, and the hub does not give it"
    ) as caught:
        load_backbone("owner/name")
    assert "name its folder" in caught.value.remedy
