"""The cloud room: a multimodal LLM as a second inspector.

``open_engine`` loads a checkpoint; everything heavy (torch, transformers, peft) is imported inside it,
so importing this module costs nothing and an edge box needs none of it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from saec.errors import ExtraError
from saec.settings import CloudConfig

if TYPE_CHECKING:
    from saec.cloud.engines.llava import LlavaEngine
    from saec.cloud.engines.qwen import QwenEngine
    from saec.cloud.remote.engine import RemoteEngine

__all__ = ["open_engine"]

_NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub")


def open_engine(config: CloudConfig) -> QwenEngine | LlavaEngine | RemoteEngine:
    """Load the checkpoint that the settings name and return the engine that asks it.

    Args:
        config: model ("small" is the demonstration checkpoint that ships; else a folder or a hub
            name), adapter, side, batch size, number of references, dtype and device.

    Returns:
        A ``saec.contracts.CloudEngine`` of the class that the checkpoint's architecture asks.

    Raises:
        ExtraError: the packages of ``saec[cloud]`` (for a service: ``saec[remote]``) are not installed.
        ModelError: the checkpoint or the adapter is missing, damaged, unsafe or unsuited.
    """
    if config.remote.url:
        for package in ("httpx", "tenacity"):
            if find_spec(package) is None:
                raise ExtraError(package, "remote")
        from saec.cloud.remote.engine import RemoteEngine

        return RemoteEngine.open(config)
    for package in (*_NEEDED, *(("peft",) if config.adapter is not None else ())):
        if find_spec(package) is None:
            raise ExtraError(package, "cloud")
    from saec.cloud.checkpoints.checkpoint_folder import check_checkpoint, find_checkpoint

    folder = find_checkpoint(config.model)
    if check_checkpoint(folder) == "llava":
        from saec.cloud.engines.llava import LlavaEngine

        return LlavaEngine.open(config, folder)
    from saec.cloud.engines.qwen import QwenEngine

    return QwenEngine.open(config, folder)
