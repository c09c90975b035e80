"""LoRA adapters as people save them, fitted to the model at hand before peft is given anything.

Between versions of transformers the same layers have had other names, and an adapter keeps those of its time.
Its own weights say which layers it changes, at which rank; the configuration's patterns are read once, by the
names of their time, and replaced by what they come to. So an adapter means what it meant, or is refused.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from saec.cloud.checkpoints.checkpoint_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from saec.errors import ModelError
from saec.texts import read_text

_PREFIX = "base_model.model."
"""What peft puts before a layer's name in the model."""

_RENAMED = (
    ("language_model.model.", "model.language_model."),  # LLaVA up to transformers 4.51; vLLM
    ("language_model.lm_head", "lm_head"),
    ("language_model.", "model.language_model."),
    ("vision_tower.", "model.vision_tower."),
    ("multi_modal_projector.", "model.multi_modal_projector."),
    ("visual.", "model.visual."),  # Qwen2.5-VL up to transformers 4.51
    ("model.", "model.language_model."),
)
"""Beginnings of layers' names in other versions, and in this one. A name that the model has stays."""

_LORA = re.compile(
    r"\.(lora_(?:A|B|embedding_A|embedding_B|magnitude_vector))(?:\.(?!weight$)\w+)?(\.weight)?$"
)
"""The end of a key: peft saves it without the adapter's name, other trainers with it."""

_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin a LoRA that subtract it from the base, so that it fits another base than the one named."""

_RESOLVED = (
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "rank_pattern",
    "alpha_pattern",
)
"""What says which layers are changed and how strongly: replaced by what it comes to."""

_REMEDY = "use the model that the adapter was made for: base_model_name_or_path in its adapter_config.json"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """An adapter in the model's own names.

    Attributes:
        config: peft's ``LoraConfig``.
        state: tensors by key, as peft saves them.
    """

    config: Any
    state: Mapping[str, Tensor]


def add_adapters(model: Any, folders: Mapping[str, Path]) -> Any:
    """The model in peft's wrapper, with its adapters beside its weights; the first one is in effect.

    Args:
        model: transformers' own.
        folders: folders of checked adapters, by the name that peft is to know them under; without dots.

    Raises:
        ModelError: an adapter is no LoRA, is damaged, or does not fit the model.
    """
    from peft import PeftModel, set_peft_model_state_dict

    layers = frozenset(name for name, _ in model.named_modules())
    adapted = None
    for name, folder in folders.items():
        adapter = read_adapter(folder, layers)
        try:
            if adapted is None:
                adapted = PeftModel(model, adapter.config, adapter_name=name)
            else:
                adapted.add_adapter(name, adapter.config)
            set_peft_model_state_dict(adapted, dict(adapter.state), adapter_name=name)
        except (RuntimeError, ValueError, KeyError, TypeError) as e:
            raise ModelError(f"adapter {folder} does not fit the model: {e}", _REMEDY) from e
        _check_complete(adapted, name, folder, adapter.state)
    return adapted


def read_adapter(folder: Path, layers: Collection[str]) -> Adapter:
    """An adapter's configuration and weights, in the names of a model.

    Args:
        folder: folder of a checked adapter.
        layers: names of all modules of the model.

    Raises:
        ModelError: it is no LoRA, is damaged, or changes layers that the model does not have.
    """
    raw = _read_config(folder)
    stored = _read_weights(folder)
    names = {key: _layer_of(key) for key in stored}
    now = {old: _renamed(old, layers) for old, _ in names.values()}
    if missing := sorted(old for old, new in now.items() if new not in layers):
        what = (
            f"adapter {folder} changes {len(missing)} layers that the model does not have, first {missing[0]}"
        )
        raise ModelError(what, _REMEDY)
    state = {f"{_PREFIX}{now[old]}{end}": stored[key] for key, (old, end) in names.items()}
    return Adapter(_config(raw, folder, names, now, stored), state)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        raw = json.loads(read_text(path, error=ModelError))
    except ValueError as e:
        raise ModelError(f"{path} is damaged: {e}", "restore the adapter's original file") from e
    if not isinstance(raw, dict):
        raise ModelError(f"{path} is not a JSON object", "restore the adapter's original file")
    if raw.get("peft_type") != "LORA":
        what = f"adapter {folder} has peft_type {raw.get('peft_type')!r}; only LORA can be loaded"
        raise ModelError(
            what, "merge it into its base with peft and name the merged checkpoint, or train a LoRA"
        )
    for key in ("r", "lora_alpha"):
        if not isinstance(raw.get(key), int | float) or raw[key] <= 0:
            raise ModelError(
                f"{path} has no valid {key}, which scales the adapter", "restore the adapter's original file"
            )
    begun = raw.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower().startswith(_CHANGES_BASE):
        what = f"adapter {folder} was initialised with {begun}, which also changes the base's weights"
        raise ModelError(
            what, "convert it to a plain LoRA with peft's path_initial_model_for_weight_conversion"
        )
    return raw


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / ADAPTER_WEIGHTS
    try:
        stored: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as e:
        raise ModelError(f"{path} cannot be read: {e}", "restore the adapter's original file") from e
    wrong = [key for key, value in stored.items() if not torch.isfinite(value).all()]
    if wrong:
        what = f"adapter {folder}: {len(wrong)} of its tensors hold NaN or infinite values, first {wrong[0]}"
        raise ModelError(
            what, "the training diverged: use an earlier checkpoint, or train with a smaller learning rate"
        )
    if not any(_LORA.search(key) for key in stored):
        raise ModelError(f"{path} holds no LoRA weights", "name the folder that the fine-tuning wrote")
    return stored


def _layer_of(key: str) -> tuple[str, str]:
    """The layer of a tensor, as the adapter names it, and the rest of the key as peft saves it."""
    bare = key.removeprefix(_PREFIX)
    if (match := _LORA.search(bare)) is not None:
        weight = (
            "" if match[1] == "lora_magnitude_vector" or match[1].startswith("lora_embedding") else ".weight"
        )
        return bare[: match.start()], f".{match[1]}{weight}"
    layer, _, end = bare.rpartition(".")
    bias = layer.endswith(".base_layer")
    return layer.removesuffix(".base_layer"), f".base_layer.{end}" if bias else f".{end}"


def _renamed(layer: str, layers: Collection[str]) -> str:
    """A layer's name in this version of transformers; itself where no rule leads to one."""
    if layer in layers:
        return layer
    found = (new + layer.removeprefix(old) for old, new in _RENAMED if layer.startswith(old))
    return next((name for name in found if name in layers), layer)


def _config(
    raw: dict[str, Any],
    folder: Path,
    names: Mapping[str, tuple[str, str]],
    now: Mapping[str, str],
    stored: Mapping[str, Tensor],
) -> Any:
    """peft's configuration: the layers by name, each with its rank and strength."""
    from peft import LoraConfig

    known = {field.name for field in dataclasses.fields(LoraConfig)}
    if strange := sorted(key for key, value in raw.items() if key not in known and value):
        what = f"adapter {folder} sets {strange[0]}, which the installed peft does not know"
        raise ModelError(
            what, f"it was saved by peft {raw.get('peft_version', 'of another version')}: install that one"
        )
    ranks, strengths = {}, {}
    for key, (old, end) in names.items():
        if end.startswith((".lora_A", ".lora_embedding_A")):
            ranks[now[old]] = int(stored[key].shape[0])
            strengths[now[old]] = _matching(raw.get("alpha_pattern") or {}, old, raw["lora_alpha"])
    kept = {key: value for key, value in raw.items() if key in known and key not in _RESOLVED}
    return LoraConfig(
        **{**kept, "inference_mode": True, "base_model_name_or_path": None},
        target_modules=sorted(ranks),
        rank_pattern={re.escape(layer): r for layer, r in ranks.items() if r != raw["r"]},
        alpha_pattern={re.escape(layer): a for layer, a in strengths.items() if a != raw["lora_alpha"]},
    )


def _matching(pattern: Mapping[str, float], layer: str, otherwise: float) -> float:
    """The value whose key ends a layer's name, as peft looks for it."""
    return next((v for key, v in pattern.items() if re.match(rf"(.*\.)?({key})$", layer)), otherwise)


def _check_complete(adapted: Any, name: str, folder: Path, state: Mapping[str, Tensor]) -> None:
    """Every tensor found its place, and no place was left at random: peft only warns of either."""
    from peft import get_peft_model_state_dict

    # Left to itself, peft asks the hub for the base's configuration to see whether its embeddings grew.
    expected = get_peft_model_state_dict(adapted, adapter_name=name, save_embedding_layers=False)
    if wrong := sorted(set(state) ^ set(expected)):
        what = f"adapter {folder}: {len(wrong)} of its tensors do not fit the model, first {wrong[0]}"
        raise ModelError(what, _REMEDY)
