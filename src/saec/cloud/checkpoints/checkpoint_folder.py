"""Finding and checking a checkpoint on disk, before anything is loaded from it.

Only safetensors are read: no pickle is opened here, and nothing is fetched by a name that looks like
a path.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal, get_args

from saec.cloud.checkpoints.hub import PATTERNS
from saec.connecting import hub_folder
from saec.errors import ModelError
from saec.extensions import extension, extensions
from saec.settings import ModelCard
from saec.texts import MOST_JSON, check_plain, read_json, read_text

Architecture = Literal["qwen2_5_vl", "llava"]
"""What can be loaded, as ``model_type`` of a checkpoint's ``config.json``."""

LLAVA_NAME = "llava-hf/llava-1.5-7b-hf"
"""The conversion of LLaVA-1.5 that transformers loads; the original's owner and classes follow."""
_ORIGINAL_OWNER, _ORIGINAL_CLASS = "liuhaotian/", "LlavaLlama"

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


_LIBRARY_READS = (
    *("config.json", "generation_config.json", "*.index.json", "tokenizer*.json", "vocab.json"),
    *("added_tokens.json", "special_tokens_map.json", "merges.txt", "chat_template.*"),
)
"""What transformers reads. With a byte order mark it says something else of them, or passes them over."""


def find_checkpoint(model: str) -> Path:
    """The folder of a checkpoint: that of an installed name, a folder, or a hub name (fetched or cached).

    Raises:
        ModelError: no such folder, or the hub does not give it.
    """
    if (installed := installed_checkpoint(model)) is not None:
        return installed
    if model.startswith(_ORIGINAL_OWNER):
        raise _original_llava(model)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists() or not _HUB_NAME.fullmatch(model):
        raise ModelError(
            f"{model} is not a folder", f"name a checkpoint's folder or a hub name, {_installed()}"
        )
    return hub_folder(model, PATTERNS)


def is_on_hub(model: str) -> bool:
    """Whether a name can only be one of the hub: no installed checkpoint and no folder has it."""
    return bool(
        _HUB_NAME.fullmatch(model)
        and installed_checkpoint(model) is None
        and not Path(model).expanduser().exists()
    )


def installed_checkpoint(name: str) -> Path | None:
    """The folder of a checkpoint that an installed distribution brings, or None."""
    folder: Path | None = extension("saec.checkpoints", name)
    return folder


def _installed() -> str:
    """Which names there are, as the end of a remedy."""
    names = [point.name for point in extensions("saec.checkpoints")]
    if names:
        return f"or the installed {', '.join(names)}"
    return "or install the demonstration checkpoint small: pip install saec-research"


def check_checkpoint(folder: Path) -> Architecture:
    """The architecture of a checkpoint in safetensors; what cannot be loaded is refused.

    Raises:
        ModelError: another architecture, the original form of LLaVA, or no safetensors.
    """
    _refuse_adapter(folder)
    config = _read_json(folder / "config.json")
    if any(str(name).startswith(_ORIGINAL_CLASS) for name in config.get("architectures") or ()):
        raise _original_llava(str(folder))
    kinds: tuple[Architecture, ...] = get_args(Architecture)
    found = config.get("model_type")
    kind = next((kind for kind in kinds if kind == found), None)
    if kind is None:
        raise ModelError(
            f"{folder} is a checkpoint of type {found!r}; supported are {', '.join(kinds)}",
            f"use a Qwen2.5-VL checkpoint, for example Qwen/Qwen2.5-VL-7B-Instruct, or {LLAVA_NAME}",
        )
    if not weight_files(folder):
        raise ModelError(
            f"{folder} holds no *.safetensors",
            "convert the weights to safetensors; pickled weights are never opened",
        )
    for name in _LIBRARY_READS:
        for path in sorted(folder.glob(name)):
            check_plain(path, error=ModelError)
    return kind


def _refuse_adapter(folder: Path) -> None:
    """Raise ModelError for adapter files in a checkpoint's place: transformers would mix them in unasked."""
    if not (folder / ADAPTER_CONFIG).exists():
        return
    if (folder / "config.json").exists():
        raise ModelError(
            f"{folder} holds both a checkpoint and an adapter",
            f"move {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} to another folder, and name that as the adapter",
        )
    raise ModelError(
        f"{folder} holds an adapter but no checkpoint",
        "name the base as the model, and this folder as the adapter",
    )


def _original_llava(name: str) -> ModelError:
    return ModelError(
        f"{name} is LLaVA in its original format, which transformers cannot load",
        f"use {LLAVA_NAME}, which has the same weights in the right format",
    )


def check_adapter(adapter: str) -> Path:
    """The folder of a LoRA adapter, which must be complete: a missing one never means the base model.

    Raises:
        ModelError: the folder, its configuration or its weights are missing.
    """
    folder = Path(adapter).expanduser()
    for path, what in (
        (folder, "folder"),
        (folder / ADAPTER_CONFIG, "configuration"),
        (folder / ADAPTER_WEIGHTS, "weights (safetensors)"),
    ):
        if not path.exists():
            raise ModelError(f"adapter {adapter}: its {what} {path} is missing", _where_else(folder))
    return folder


def _where_else(folder: Path) -> str:
    """What to do about an adapter of which a part is missing."""
    if (pickle := folder / "adapter_model.bin").exists():
        return f"it is saved as a pickle; convert it: saec models convert {pickle} --out DIR"
    inside = sorted(path.parent.name for path in folder.glob(f"*/{ADAPTER_CONFIG}"))
    if inside:
        return f"name one of the folders in it: {', '.join(inside)}"
    return "name the folder that the fine-tuning wrote, or run without an adapter"


def read_card(folder: Path) -> ModelCard:
    """The checkpoint's ``saec.json``, or the defaults for one that has none."""
    path = folder / "saec.json"
    if not path.exists():
        return ModelCard()
    return read_json(path, ModelCard, error=ModelError, remedy="restore the checkpoint's original file")


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a folder, sorted by name."""
    return sorted(folder.glob("*.safetensors"))


def weights_hash(folders: list[Path]) -> str:
    """sha256 over name and content of every weight file, in order: base first, then the adapter."""
    total = hashlib.sha256()
    for folder in folders:
        for path in weight_files(folder):
            with path.open("rb") as f:
                total.update(f"{path.name} {hashlib.file_digest(f, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ModelError(
            f"{path.parent} is not a checkpoint: no {path.name}", "name the folder that holds config.json"
        )
    try:
        value = json.loads(read_text(path, most=MOST_JSON, error=ModelError))
    except ValueError as e:
        raise ModelError(f"{path} is damaged: {e}", "restore the checkpoint's original file") from e
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object", "restore the checkpoint's original file")
    return value
