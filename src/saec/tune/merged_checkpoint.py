"""An adapter added into its base: one checkpoint, for servers that take no adapter."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import Qwen2_5_VLForConditionalGeneration

from saec.cloud.checkpoints.checkpoint_folder import (
    check_adapter,
    check_checkpoint,
    find_checkpoint,
    weight_files,
    weights_hash,
)
from saec.cloud.checkpoints.weights import load_model, pick_device, pick_dtype
from saec.data.manifest import FILE as MANIFEST
from saec.errors import ConfigError, ModelError
from saec.runs.domain import ADAPTER_FILE
from saec.settings import CloudConfig
from saec.texts import read_json
from saec.tune.adapter_card import AdapterCard
from saec.tune.tuning_settings import TuneConfig

_COPIED = ("*.json", "*.txt", "*.jinja")
"""What of the base goes along: tokenizer, preprocessing, chat template, ``saec.json``."""


def read_adapter_card(adapter: Path) -> AdapterCard:
    """The card of an adapter that ``tune`` made.

    Raises:
        ModelError: it has none, or a damaged one.
    """
    path = adapter / ADAPTER_FILE
    missing = ModelError(f"{adapter} holds no {ADAPTER_FILE}", "name a folder that `saec tune` made")
    remedy = "restore the adapter's original files"
    return read_json(path, AdapterCard, error=ModelError, remedy=remedy, missing=missing)


def merge_adapter(adapter: Path, out: Path, config: TuneConfig) -> None:
    """Write base plus adapter as a checkpoint with the base's tokenizer, preprocessing and card.

    The weights are written in the arithmetic of the settings: float32 answers as base and adapter do,
    bfloat16 rounds. An adapter that was tuned in four bits is added to the base's own weights.

    Args:
        adapter: folder that ``tune`` made.
        out: the folder to make.
        config: base, device and arithmetic.

    Raises:
        ModelError: the base is not the one that the adapter was tuned on.
        ConfigError: ``out`` is in use.
    """
    card = read_adapter_card(check_adapter(str(adapter)))
    base = find_checkpoint(config.base)
    check_checkpoint(base)
    if weights_hash([base]) != card.task.base_hash:
        raise ModelError(
            f"the weights of {config.base} are not those that {adapter} was tuned on",
            f"use the original weights of {card.task.config.base}, which the adapter was tuned with",
        )
    refuse_used(out)
    cloud = CloudConfig(device=config.device, dtype=config.dtype)
    device = pick_device(cloud)
    kind = Qwen2_5_VLForConditionalGeneration
    model = load_model(kind, base, {"default": adapter}, device, pick_dtype(cloud, device))
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.merge_and_unload().save_pretrained(partial)
    for path in weight_files(partial):  # which safetensors makes for their owner alone
        shutil.copymode(partial / "config.json", path)
    for path in sorted(p for pattern in _COPIED for p in base.glob(pattern)):
        if not (partial / path.name).exists() and not path.name.endswith(".index.json"):
            shutil.copyfile(path, partial / path.name)
    for name in (ADAPTER_FILE, MANIFEST):
        shutil.copyfile(adapter / name, partial / name)
    if out.exists():
        out.rmdir()  # it is empty
    partial.replace(out)


def refuse_used(out: Path) -> None:
    """Raise ConfigError for a folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is not empty", "choose another folder, or remove this one")
