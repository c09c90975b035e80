"""Where a backbone's checkpoint lies: a folder, or a name on the hub. Safetensors alone, never a pickle."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from saec.connecting import hub_folder
from saec.errors import ExtraError, ModelError
from saec.texts import read_json

Family = Literal["timm", "transformers"]

WANTED = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json")
"""What is fetched; whatever else a repository holds stays there."""

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True, slots=True)
class BackboneCheckpoint:
    """A backbone's checkpoint on this disk.

    Attributes:
        folder: holds ``config.json`` and weights in safetensors.
        family: which library runs it.
        config: the content of ``config.json``.
    """

    folder: Path
    family: Family
    config: dict[str, Any]

    def weight_files(self) -> list[Path]:
        """The files of the weights, sorted by name."""
        return sorted(self.folder.glob("*.safetensors"))


def find_backbone(name: str, known: str, tell: Callable[[str], None]) -> BackboneCheckpoint:
    """The checkpoint of a folder, or of a name on the hub (from the cache, else fetched).

    Args:
        name: a folder, or OWNER/NAME.
        known: the names that need no checkpoint, for the remedy.
        tell: told in a sentence what is fetched, before it is.

    Raises:
        ModelError: no such checkpoint, one of another kind, no safetensors, or the hub does not give it.
        ExtraError: a hub name without huggingface_hub.
    """
    folder = Path(name).expanduser()
    if not folder.exists():
        if not _HUB_NAME.fullmatch(name):
            raise ModelError(
                f"unknown backbone {name!r}",
                f"choose one of {known}, the folder of a checkpoint, or a name on the hub (OWNER/NAME)",
            )
        folder = _from_hub(name, tell)
    if not folder.is_dir():
        raise ModelError(
            f"the backbone {name} is a file", "name the folder that holds config.json and *.safetensors"
        )
    config = _config(folder)
    found = BackboneCheckpoint(folder, _family(folder, config), config)
    if not found.weight_files():
        raise _no_safetensors(folder)
    return found


def _from_hub(name: str, tell: Callable[[str], None]) -> Path:
    """The folder of a name on the hub, from the cache where it lies there."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ModuleNotFoundError:
        raise ExtraError("huggingface-hub", "timm") from None

    with contextlib.suppress(LocalEntryNotFoundError):
        kept = Path(snapshot_download(name, allow_patterns=list(WANTED), local_files_only=True))
        if any(kept.glob("*.safetensors")):
            return kept
    tell(f"backbone {name}: fetched from the hub (its configuration and safetensors, nothing else)")
    return hub_folder(name, WANTED)


def _config(folder: Path) -> dict[str, Any]:
    missing = ModelError(
        f"{folder} is not a checkpoint: no config.json",
        "name the folder of a timm model, or of a DINOv2 or DINOv3 checkpoint of transformers",
    )
    remedy = "restore the checkpoint's original file"
    return read_json(folder / "config.json", dict[str, Any], error=ModelError, remedy=remedy, missing=missing)


DINO_CLASSES = {
    "dinov2": "Dinov2Backbone",
    "dinov2_with_registers": "Dinov2WithRegistersBackbone",
    "dinov3_vit": "DINOv3ViTBackbone",
    "dinov3_convnext": "DINOv3ConvNextBackbone",
}
"""``model_type`` of ``config.json`` -> transformers' class. AutoBackbone would ask the hub about a folder."""


def _family(folder: Path, config: dict[str, Any]) -> Family:
    """timm's files name an architecture; transformers' name a type of model."""
    if isinstance(config.get("architecture"), str):
        return "timm"
    if config.get("model_type") in DINO_CLASSES:
        return "transformers"
    raise ModelError(
        f"{folder} holds a checkpoint of type {config.get('model_type')!r}, which gives no features here",
        f"use a timm model, or a checkpoint of type {', '.join(DINO_CLASSES)}",
    )


def _no_safetensors(folder: Path) -> ModelError:
    pickles = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICKLED)
    if not pickles:
        return ModelError(f"{folder} holds no *.safetensors", "download the checkpoint's weights too")
    return ModelError(
        f"{folder} holds {pickles[0].name}, which may be a pickle, and no *.safetensors; "
        "opening a pickle can run any code",
        f"convert it: saec models convert {pickles[0]} --out DIR; then put config.json beside the result",
    )
