from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from saec.cloud.engines.qwen import QwenEngine
from saec.settings import CloudConfig
from saec_research.small_model import FOLDER as SMALL
from tests.cloud.helpers_cloud import open_qwen


@pytest.fixture(scope="session")
def engine() -> QwenEngine:
    """The shipped checkpoint, in float32 on the CPU."""
    return open_qwen(CloudConfig(model="small", batch=4, dtype="float32", device="cpu"))


@pytest.fixture(scope="session")
def random_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL checkpoint of one layer each with random weights, Qwen's own patches and no card."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    folder = tmp_path_factory.mktemp("checkpoint")
    raw = json.loads((SMALL / "config.json").read_text())
    raw["text_config"] |= {"num_hidden_layers": 1, "layer_types": ["full_attention"]}
    raw["vision_config"] |= {"depth": 2, "fullatt_block_indexes": [1], "patch_size": 14, "window_size": 112}
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**raw))
    for p in model.parameters():
        p.data *= 3  # or all opinions are nearly the same
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(SMALL / name, folder / name)
    preprocessor = json.loads((SMALL / "preprocessor_config.json").read_text()) | {"patch_size": 14}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder
