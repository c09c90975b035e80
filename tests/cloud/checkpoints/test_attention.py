"""The attention of transformers' own pass: each gives the same answers, flash-attn says what it lacks."""

from __future__ import annotations

import pytest
import torch

from saec.cloud import open_engine
from saec.cloud.checkpoints import weights as loading
from saec.cloud.checkpoints.weights import pick_attention
from saec.errors import ConfigError, ModelError
from saec.settings import CloudConfig
from tests.cloud.helpers_cloud import noise, query
from tests.helpers_numeric import same_opinions

pytestmark = pytest.mark.numeric

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_sdpa_and_eager_rank_alike() -> None:
    queries = [query(noise(i)) for i in range(2)]
    opinions = []
    for attention in ("sdpa", "eager"):
        engine = open_engine(
            CloudConfig(
                model="small",
                device="cpu",
                dtype="float32",
                references=0,
                side_px=112,
                scoring="rank",
                attention=attention,
            )
        )
        assert engine.model.config._attn_implementation == attention
        opinions.append([opinion.p_defect for opinion in engine.judge(queries)])
    same_opinions(engine, *opinions)


def test_flash_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="does not run on cpu") as caught:
        open_engine(CloudConfig(model="small", device="cpu", attention="flash"))
    assert "attention sdpa" in caught.value.remedy
    with pytest.raises(ConfigError, match="float32"):
        pick_attention(CloudConfig(model="small", attention="flash"), GPU, torch.float32)


def test_flash_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CloudConfig(model="small", attention="flash")
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="flash-attn, which is not installed"):
        pick_attention(config, GPU, torch.bfloat16)
    monkeypatch.setattr(loading, "find_spec", lambda name: object())
    assert pick_attention(config, GPU, torch.bfloat16) == "flash_attention_2"
