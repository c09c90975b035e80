"""Lets torchvision be imported where it does not fit torch, as with torch's build for CPUs.

Its compiled operators are missing then, and it fails at once, though nothing in vLLM calls them: declaring
them is enough. vLLM starts several Python processes, so a .pth file imports this into each; torch is imported
only where torchvision is.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

_FORM = "(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor"


class _Declare(MetaPathFinder):
    """Finds nothing; declares the operators when torchvision is first looked for."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name != "torchvision":
            return
        sys.meta_path.remove(self)
        from torch import library

        for operator in ("nms", "qnms"):
            library.define(f"torchvision::{operator}", _FORM)


sys.meta_path.insert(0, _Declare())
