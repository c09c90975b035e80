"""A base with a fresh LoRA adapter on it: attention of the language model and the projector, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from saec.cloud.checkpoints.weights import check_four_bits, four_bits, pick_device, pick_dtype
from saec.cloud.engines.qwen_forward import QwenModel
from saec.errors import ModelError
from saec.settings import CloudConfig
from saec.tune.tuning_settings import TuneConfig

TARGETS = (
    r".*\.language_model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj"  # plain suffixes would hit the vision tower
    r"|.*\.visual\.merger\.mlp\.(0|2)"
)

Tensors = dict[str, torch.Tensor]


def load_base(config: TuneConfig, folder: Path) -> QwenModel:
    """The base on the device and in the arithmetic of the settings, in four bits where they say so.

    Raises:
        ModelError: a damaged checkpoint, no such device, or a vision tower that came out in four bits.
    """
    cloud = CloudConfig(device=config.device, dtype=config.dtype)
    device = pick_device(cloud)
    dtype = pick_dtype(cloud, device)
    core = QwenModel(
        folder, {}, device, dtype, quantization=four_bits(dtype) if config.dtype == "4bit" else None
    )
    if config.dtype == "4bit":
        check_four_bits(core.model)
    return core


def add_adapter(core: QwenModel, config: TuneConfig) -> None:
    """Put a fresh adapter on the model, which changes nothing yet; only its matrices can be trained.

    No layer's precision is changed: peft's own preparation for few bits would turn all that is left in
    bfloat16 into float32, the vision tower included.

    Raises:
        ModelError: the model lacks a layer that the adapter is for.
    """
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=TARGETS,
        bias="none",
    )
    layers = int(core.model.config.get_text_config().num_hidden_layers)
    with torch.random.fork_rng(devices=_cuda(core.model)):
        torch.manual_seed(config.seed)
        core.model = get_peft_model(core.model, lora)
    core.model.peft_config["default"].base_model_name_or_path = config.base
    found = len(core.model.base_model.targeted_module_names)
    if found != 4 * layers + 2:
        raise ModelError(
            f"only {found} of {4 * layers + 2} layers to adapt were found", "use a Qwen2.5-VL checkpoint"
        )
    if config.recompute:
        core.model.gradient_checkpointing_enable({"use_reentrant": False})
        # Enabling asks for gradients of the inputs, for the sake of another way of recomputing: they would
        # take the backward pass through the whole frozen vision tower.
        core.model.disable_input_require_grads()


def _cuda(model: Any) -> list[torch.device]:
    device = next(model.parameters()).device
    return [device] if device.type == "cuda" else []


def trained(model: Any) -> dict[str, torch.nn.Parameter]:
    """The adapter's parameters by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def adapter_tensors(model: Any) -> Tensors:
    """The adapter's weights under peft's names, as copies on the CPU."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in _own(model).items()}


def set_adapter(model: Any, tensors: Tensors) -> None:
    """Give the adapter these weights.

    Raises:
        ModelError: they are of another adapter.
    """
    if set(tensors) != set(_own(model)):
        raise ModelError("the saved state does not have the adapter's layers", "start again without --resume")
    set_peft_model_state_dict(model, tensors)


def unpack_for_training(model: Any) -> None:
    """Undo how bitsandbytes packs four-bit weights on a CPU when they judge: packed, they have no gradient.

    Reading the state unpacks them.
    """
    _own(model)


def _own(model: Any) -> Tensors:
    # Left to itself, peft asks the hub for the base's configuration to see whether its embeddings grew.
    state: Tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    return state
