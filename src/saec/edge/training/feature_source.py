"""Where a fit's feature graph comes from: the user's cache, or torch, which makes it at the first use.

Torch takes seconds to load and to trace a network; the graph of a backbone from a package is the same each
time, so it is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saec.edge.graph import core
from saec.edge.learning.head.detector_graph import FEATURES
from saec.edge.learning.patch_learner import ONNX, SaveOnnx
from saec.edge.preparation import MULTIPLE
from saec.edge.training.backbone_packages import PACKAGES, cache_folder
from saec.errors import ExtraError
from saec.settings import FitConfig

if TYPE_CHECKING:
    from saec.edge.training.backbones import Backbone

_ROUNDING = ["saec", "rounding"]
"""Where the graph's file keeps by which share of itself arithmetic may change a feature."""

_KEPT_GRAPHS = 24
"""Graphs that are kept, those that were used last; each has some 10 MB."""


class FeatureSource:
    """The feature graphs of one backbone.

    Args:
        config: which backbone.
        tell: told in a sentence what is fetched from the hub, before it is.

    Raises:
        ModelError: the backbone is unknown or cannot be had.
        ExtraError: torch, or what runs the backbone, is not installed.
    """

    def __init__(self, config: FitConfig, tell: Callable[[str], None]) -> None:
        self._config, self._tell = config, tell
        self._loaded: Backbone | None = None

    @property
    def stride(self) -> int:
        """Pixels of the input for each cell of the features."""
        return MULTIPLE // 2 if self._config.backbone in PACKAGES else self._backbone().stride

    @property
    def averaged(self) -> bool:
        """Whether the features are those of convolutions, which see the same in a frame of any size."""
        return self._config.backbone in PACKAGES or self._backbone().averaged

    def model(
        self, height: int, width: int, mask: NDArray[np.uint8] | None, tile: int | None
    ) -> tuple[Any, float]:
        """The feature graph for prepared frames of this size, and the rounding of its features.

        Args:
            height, width: size of a prepared frame, in pixels.
            mask: height x width, 0 outside the region of interest and 255 inside, or None.
            tile: side of the tiles in pixels, or None where the frame is taken whole.

        Returns:
            ``openvino.Model``, 1 x height x width x 3 uint8 to 1 x C x h x w; and by which share of itself
            arithmetic may change a feature.
        """
        kept = self._kept(height, width, mask, tile)
        if kept is not None and kept.is_file():
            with contextlib.suppress(RuntimeError, OSError):  # a damaged file is made again
                model = core().read_model(kept)
                kept.touch()
                return model, float(model.get_rt_info(_ROUNDING).value)
        module = self._module(height, width, mask, tile)
        from saec.edge.training.feature_graph import features_apart, to_openvino

        model, rounding = to_openvino(module, height, width), features_apart(module)
        model.set_rt_info(repr(rounding), _ROUNDING)
        if kept is not None:
            with contextlib.suppress(OSError, RuntimeError):  # no home, or one that cannot be written
                _keep(model, kept)
        return model, rounding

    def onnx_writer(
        self, height: int, width: int, mask: NDArray[np.uint8] | None, tile: int | None
    ) -> SaveOnnx:
        """What writes the detector as ONNX: with this feature graph, and the head that it is given.

        Raises:
            ExtraError: onnxscript is not installed.
        """
        try:
            import onnxscript  # noqa: F401
            import torch
        except ModuleNotFoundError as e:
            raise ExtraError(e.name or "onnxscript", "onnx") from None
        from saec.edge.learning.head.onnx_file import INPUT, replace_head

        module = self._module(height, width, mask, tile)

        def write(head: Any, folder: Path) -> None:
            example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
            program = torch.onnx.export(
                module, (example,), input_names=[INPUT], output_names=[FEATURES], dynamo=True, verbose=False
            )
            assert program is not None
            program.save(folder / ONNX, external_data=False)
            replace_head(folder / ONNX, head, folder / ONNX)

        return write

    def _backbone(self) -> Backbone:
        if self._loaded is None:
            try:
                from saec.edge.training.backbones import load_backbone
            except ModuleNotFoundError as e:  # torch or safetensors: the line itself needs neither
                raise ExtraError(e.name or "torch", "fit") from None
            self._loaded = load_backbone(self._config.backbone, self._tell)
        return self._loaded

    def _module(self, height: int, width: int, mask: NDArray[np.uint8] | None, tile: int | None) -> Any:
        backbone = self._backbone()
        from saec.edge.training.feature_graph import feature_module

        return feature_module(backbone, height, width, mask, tile)

    def _kept(self, height: int, width: int, mask: NDArray[np.uint8] | None, tile: int | None) -> Path | None:
        """Where the graph is kept; None for a user's own checkpoint, which may change under its name."""
        if self._config.backbone not in PACKAGES:
            return None
        code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
        key = hashlib.sha256(code)
        key.update(f"{self._config.backbone} {height} {width} {tile}".encode())
        key.update(b"" if mask is None else mask.tobytes())
        return cache_folder() / "features" / f"{key.hexdigest()[:24]}.xml"


def tile_side(config: FitConfig) -> int | None:
    """The side of the tiles in pixels, without what they overlap; None where the frame is taken whole."""
    return config.side_px if config.tiles > 1 else None


def _keep(model: Any, path: Path) -> None:
    """Write a graph where two fits may write the same one at a time; the oldest beyond the count go."""
    import openvino as ov

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.xml")
    try:
        ov.save_model(model, partial, compress_to_fp16=False)
        partial.with_suffix(".bin").replace(path.with_suffix(".bin"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix(".bin").unlink(missing_ok=True)
    graphs = sorted(path.parent.glob("[!.]*.xml"), key=lambda kept: kept.stat().st_mtime)
    for old in graphs[:-_KEPT_GRAPHS]:
        old.unlink(missing_ok=True)
        old.with_suffix(".bin").unlink(missing_ok=True)
