"""Loading a checked checkpoint into memory, with its adapter. The only user of from_pretrained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer
from transformers.utils import logging

from saec.cloud.checkpoints.adapters import add_adapters
from saec.errors import ConfigError, ExtraError, ModelError
from saec.settings import CloudConfig

_UNTOUCHED = ["model.visual", "lm_head"]
"""What keeps its bits in four-bit loading. "visual" alone matches no module's path from the root, and a list
replaces the default that spares ``lm_head``."""


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
        raise ModelError(
            f"the device is set to {config.device}, but torch finds no CUDA device", "use cpu or auto"
        )
    return device


def pick_dtype(config: CloudConfig, device: torch.device) -> torch.dtype:
    """The arithmetic of activations; if not named, bfloat16 on a GPU and float32 on a CPU."""
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    return named.get(config.dtype, torch.bfloat16 if device.type == "cuda" else torch.float32)


def pick_attention(config: CloudConfig, device: torch.device, dtype: torch.dtype) -> str:
    """transformers' name of the attention that the settings ask for.

    Raises:
        ConfigError: flash-attn where it cannot compute.
        ModelError: flash-attn is not installed.
    """
    if config.attention != "flash":
        return config.attention
    if device.type != "cuda" or dtype != torch.bfloat16:
        raise ConfigError(
            f"attention flash does not run on {device.type} in {str(dtype).removeprefix('torch.')}",
            "use attention sdpa: flash-attn needs a GPU and bfloat16",
        )
    if find_spec("flash_attn") is None:
        raise ModelError(
            "attention flash needs the package flash-attn, which is not installed",
            "use attention sdpa, which is as exact, or: pip install flash-attn --no-build-isolation",
        )
    return "flash_attention_2"


def four_bits(dtype: torch.dtype) -> Any:
    """transformers' settings for a language model in NF4 with double quantisation (Dettmers et al., 2023).

    Raises:
        ExtraError: bitsandbytes is not installed.
    """
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise ExtraError("bitsandbytes", "tune")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=_UNTOUCHED,
    )


def check_four_bits(model: Any) -> None:
    """Make sure that all of the language model's layers are in four bits, and nothing else.

    Raises:
        ModelError: says what is not as it should be.
    """
    from bitsandbytes.nn import Linear4bit

    wrong = []
    for name, module in model.named_modules():
        # Linear4bit is a Linear, too; an adapter's matrices beside it are none of the model's.
        if isinstance(module, torch.nn.Linear) and ".lora_" not in name:
            wanted = ".language_model.layers." in f".{name}"
            if isinstance(module, Linear4bit) != wanted:
                wrong.append(name)
    if wrong:
        raise ModelError(
            f"loading in four bits failed for {len(wrong)} layers, the first is {wrong[0]}",
            "use another dtype, or install the versions in constraints.txt of saec's repository",
        )


def load_model(
    kind: Any,
    folder: Path,
    adapters: Mapping[str, Path],
    device: torch.device,
    dtype: torch.dtype,
    *,
    quantization: Any = None,
    attention: str = CloudConfig().attention,
) -> Any:
    """The model in evaluation mode, its adapters loaded and not merged; the first one is in effect.

    Args:
        kind: transformers' class of the model.
        adapters: folders by the name that peft is to know them under; without dots.
        quantization: transformers' settings of weights in fewer bits, which are made while loading.
        attention: transformers' name of its implementation, see ``pick_attention``.

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
            attn_implementation=attention,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **few_bits,
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as e:
        raise ModelError(
            f"{folder} cannot be loaded: {e}", "restore the checkpoint or download it again"
        ) from e
    # A tensor that is not in the files would stay random, with a warning only.
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        raise ModelError(
            f"{folder}: {len(wrong)} tensors do not match the configuration, first {wrong[0]}",
            "restore the checkpoint or download it again",
        )
    _check_numbers(model, folder)
    if adapters:
        model = add_adapters(model, adapters)
    return (model.to(device) if quantization is None else model).eval()


def _check_numbers(model: Any, folder: Path) -> None:
    """Raise ModelError for weights that are no numbers; a sum over them is none either."""
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and not torch.isfinite(weight.detach().sum(dtype=torch.float32)):
            raise ModelError(
                f"{folder}: the weights of {name} hold NaN or infinite values",
                "restore or remake the checkpoint: its training or its conversion failed",
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
            f"{folder} has no usable tokenizer: {e}", "restore the checkpoint's original files"
        ) from e
