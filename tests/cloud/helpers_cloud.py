"""What the cloud room's tests share."""

from __future__ import annotations

import os

import numpy as np
import pytest

from saec.cloud import open_engine
from saec.cloud.engines.qwen import QwenEngine
from saec.settings import CloudConfig
from saec.types import CloudQuery, Frame, Image

needs_qwens_files = pytest.mark.skipif(
    "SAEC_TEST_DATA" not in os.environ,
    reason="needs Qwen's tokenizer: SAEC_TEST_DATA names no folder with models/qwen2.5-vl-7b-instruct",
)


def open_qwen(config: CloudConfig) -> QwenEngine:
    """The engine of a checkpoint in this process."""
    engine = open_engine(config)
    assert isinstance(engine, QwenEngine)
    return engine


def noise(seed: int, height: int = 224, width: int = 224) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def query(image: Image, *references: Image, name: str = "frame") -> CloudQuery:
    return CloudQuery(Frame(name, image), references, focus=(1, 2, 3, 4))
