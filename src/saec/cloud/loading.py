"""Loading a checked checkpoint into memory, with its adapter. The only user of from_pretrained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer
from transformers.utils import logging

from saec.cloud.checkpoint import ADAPTER_WEIGHTS
from saec.config import CloudConfig
from saec.errors import ModelError


def share_cpu() -> None:
    """Give torch half of the cores, for the whole process.

    The edge runs at the same time; two libraries that each spin on every core are several times
    slower than both on half of them.
    """
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))


def pick_device(config: CloudConfig) -> torch.device:
    """The device of the settings; "auto" is the first CUDA device, else the CPU."""
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(config.device)
    except RuntimeError as e:
        raise ModelError(f"no such device: {config.device}", "use auto, cpu, cuda or cuda:N") from e
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{config.device} is asked for, but torch sees no CUDA device", "use cpu or auto")
    return device


def pick_dtype(config: CloudConfig, device: torch.device) -> torch.dtype:
    """The arithmetic of the settings; "auto" is bfloat16 on a GPU and float32 on a CPU."""
    if config.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.float32 if config.dtype == "float32" else torch.bfloat16


def load_model(
    kind: Any,
    folder: Path,
    adapters: Mapping[str, Path],
    device: torch.device,
    dtype: torch.dtype,
    *,
    quantization: Any = None,
) -> Any:
    """The model in evaluation mode, its adapters loaded and not merged; the first one is in effect.

    Args:
        kind: transformers' class of the model.
        adapters: folders by the name that peft is to know them under; without dots.
        quantization: transformers' settings of weights in fewer bits, which are made while loading.

    Raises:
        ModelError: weights that do not fit the configuration, or an adapter that does not fit the model.
    """
    # The line has progress bars of its own.
    logging.disable_progress_bar()
    few_bits = (
        {} if quantization is None else {"quantization_config": quantization, "device_map": {"": device}}
    )
    try:
        model, report = kind.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **few_bits,
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as e:
        raise ModelError(f"{folder} cannot be loaded: {e}", "restore or fetch the checkpoint again") from e
    # A tensor that is not in the files would stay random, with a warning only.
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ModelError(
            f"{folder}: {len(wrong)} tensors do not fit the configuration, first {wrong[0]}",
            "restore or fetch the checkpoint again",
        )
    if adapters:
        model = _with_adapters(model, adapters)
    return (model.to(device) if quantization is None else model).eval()


def _with_adapters(model: Any, adapters: Mapping[str, Path]) -> Any:
    from peft import PeftModel

    adapted = None
    for name, folder in adapters.items():
        try:
            if adapted is None:
                adapted = PeftModel.from_pretrained(
                    model, str(folder), adapter_name=name, local_files_only=True
                )
            else:
                adapted.load_adapter(str(folder), adapter_name=name, local_files_only=True)
        except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as e:
            raise ModelError(
                f"adapter {folder} does not fit the model: {e}", "use the model it was made for"
            ) from e
        _check_layers(adapted, name, folder)
    return adapted


def _check_layers(adapted: Any, name: str, adapter: Path) -> None:
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(str(adapter / ADAPTER_WEIGHTS), framework="pt") as f:
        stored = set(f.keys())
    # Keys that match nothing are dropped by the loader with a warning only.
    # Left to itself, peft asks the hub for the base's configuration to see whether its embeddings grew.
    expected = get_peft_model_state_dict(adapted, adapter_name=name, save_embedding_layers=False)
    if stored != set(expected):
        raise ModelError(
            f"adapter {adapter} holds other layers than the model has", "use the model it was made for"
        )


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer.

    Raises:
        ModelError: it has none that can be read.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as e:
        raise ModelError(
            f"{folder} has no usable tokenizer: {e}", "restore the checkpoint's own files"
        ) from e
