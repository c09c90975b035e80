"""A tiny base with random weights that sees 56 px, and instruction data whose defects are dark."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saec.tune.tuning_settings import TuneConfig


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL checkpoint of one language and two vision layers and Qwen's own patches, untrained."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    from saec_research.small_model import FOLDER as SMALL

    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    raw = json.loads((SMALL / "config.json").read_text())
    raw["text_config"] |= {"num_hidden_layers": 1, "layer_types": ["full_attention"]}
    raw["vision_config"] |= {"depth": 2, "fullatt_block_indexes": [1], "patch_size": 14, "window_size": 112}
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**raw))
    for parameter in model.parameters():
        parameter.data *= 3  # or the image hardly moves the answer
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(SMALL / name, folder / name)
    preprocessor = json.loads((SMALL / "preprocessor_config.json").read_text()) | {"patch_size": 14}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    (folder / "saec.json").write_text('{"side": 56, "square": true, "prompt": "v1", "max_references": 1}')
    return folder


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set "plates" with 8 train goods, 6 test goods and 12 test defects."""
    import cv2

    root = tmp_path_factory.mktemp("raw") / "line"
    rng = np.random.default_rng(0)
    for folder, count, level in (("train/good", 8, 200), ("test/good", 6, 200), ("test/dark", 12, 60)):
        (root / "plates" / folder).mkdir(parents=True)
        for i in range(count):
            image = rng.normal(level, 12, (56, 56, 3)).clip(0, 255).astype(np.uint8)
            assert cv2.imwrite(str(root / "plates" / folder / f"{i:03d}.png"), image)
    return root


@pytest.fixture
def sft(raw: Path, tmp_path: Path) -> Path:
    """Instruction data of the plates: 8 goods and 6 defects to train, 6 and 6 to choose by."""
    from saec.data.builders.instructions import build_sft

    return build_sft(raw, tmp_path / "sft").out


@pytest.fixture(scope="session")
def settings(base: Path) -> Callable[..., TuneConfig]:
    """Settings that are quick with the tiny base."""

    def make(**changed: object) -> TuneConfig:
        quick: dict[str, object] = {
            "accumulation": 2,
            "epochs": 2,
            "learning_rate": 5e-3,
            "device": "cpu",
            "save_every_steps": 3,
        }
        return TuneConfig(base=str(base), **{**quick, **changed})  # type: ignore[arg-type]

    return make
