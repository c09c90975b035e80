from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from saec.cloud import open_engine
from saec.cloud.engines.qwen import QwenEngine
from saec.service.served_model import ServedModel
from saec.settings import CloudConfig

CPU = CloudConfig(model="small", dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def engine() -> QwenEngine:
    """The shipped checkpoint in this process."""
    opened = open_engine(CPU)
    assert isinstance(opened, QwenEngine)
    return opened


@pytest.fixture(scope="session")
def adapters(engine: QwenEngine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two LoRAs on the language model's attention whose effect can be seen, saved by peft."""
    import torch
    from peft import LoraConfig, get_peft_model

    targets = r"model\.language_model\.layers\.\d+\.self_attn\.(q|v)_proj"
    adapted = get_peft_model(deepcopy(engine.model), LoraConfig(r=4, target_modules=targets))
    folders = {}
    for seed, name in enumerate(("screws", "bolts.2")):
        generator = torch.Generator().manual_seed(seed)
        for key, p in adapted.named_parameters():
            if "lora_" in key:
                p.data = torch.randn(p.shape, generator=generator) * 0.1
        folders[name] = tmp_path_factory.mktemp("lora")
        adapted.save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="session")
def served(adapters: dict[str, Path]) -> ServedModel:
    """The shipped checkpoint with both adapters, as the service has it."""
    return ServedModel.load(CPU, adapters)
