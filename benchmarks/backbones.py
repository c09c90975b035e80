"""What each backbone costs: milliseconds per frame of the feature graph alone, as a ratio to the default's.

    python benchmarks/backbones.py
    python benchmarks/backbones.py --large               # twice the side: whole, and as 2 x 2 tiles
    .venv-timm/bin/python benchmarks/backbones.py        # the models of timm too (scripts/timm.sh)

The default has its own weights, the others have random ones: time does not depend on them. Rounds are
interleaved, and the fastest of them counts: other work on the machine slows a small network more than a large
one, so it would move the ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from saec.edge.preparation import input_size
from saec.edge.training.backbones import DEFAULT, load_backbone
from saec.edge.training.checkpoints.timm_backbone import declare_torchvision, import_timm
from saec.edge.training.feature_graph import feature_function, feature_module

DINO: dict[str, tuple[str, dict[str, Any]]] = {
    "DINOv2 ViT-S/14": ("Dinov2", {"hidden_size": 384, "num_attention_heads": 6}),
    "DINOv2 ViT-B/14": ("Dinov2", {"hidden_size": 768, "num_attention_heads": 12}),
    "DINOv3 ViT-S/16": ("DINOv3ViT", {"hidden_size": 384, "num_register_tokens": 4}),
    "DINOv3 ConvNeXt-T": ("DINOv3ConvNext", {}),
}
TIMM = ("resnet18", "resnet50", "wide_resnet50_2", "convnext_tiny", "efficientnet_b0")


class Row(NamedTuple):
    """A backbone: its name, its input and features, and what runs its graph once."""

    name: str
    size: tuple[int, int]
    channels: tuple[int, ...]
    step: Callable[[], object]


def row(
    name: str, backbone: str, side: int, dtype: str, threads: int, *, tiles: int = 1, whole: bool = False
) -> Row:
    """The feature graph of a backbone, compiled: tiles x tiles tiles of that side, or a frame as large."""
    loaded = load_backbone(backbone)
    all_ = side * tiles
    height, width = input_size(all_, all_, all_, 2 * loaded.stride)
    module = feature_module(loaded, height, width, None, side if tiles > 1 and not whole else None)
    run = feature_function(module, height, width, dtype, threads)
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Row(name, (height, width), run(frame).shape, lambda: run(frame))


def dino(name: str, folder: Path) -> str:
    """A checkpoint of random weights in transformers' format."""
    import transformers

    declare_torchvision()
    kind, shape = DINO[name]
    config = getattr(transformers, f"{kind}Config")(**shape)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    return str(folder)


def timm_model(name: str, folder: Path) -> str:
    """A checkpoint of random weights in timm's format."""
    timm = import_timm()
    timm.models.save_for_hf(timm.create_model(name), folder, safe_serialization=True)
    return str(folder)


def rows(side: int, dtype: str, threads: int) -> list[Row]:
    """All that can be had here, the default first."""
    made = [row(DEFAULT, DEFAULT, side, dtype, threads)]
    makers: list[tuple[str, Callable[[str, Path], str]]] = [(name, dino) for name in DINO]
    if importlib.util.find_spec("timm") is not None:
        makers += [(name, timm_model) for name in TIMM]
    else:
        print("timm is not installed: its rows are missing (scripts/timm.sh installs it)")
    for name, make in makers:
        with tempfile.TemporaryDirectory() as folder:
            made.append(row(name, make(name, Path(folder)), side, dtype, threads))
    return made


def large_rows(side: int, dtype: str, threads: int) -> list[Row]:
    """A convolution and a ViT on a frame of twice the side, whole and in tiles."""
    made = [row(DEFAULT, DEFAULT, side, dtype, threads)]
    vit = next(iter(DINO))
    with tempfile.TemporaryDirectory() as folder:
        for name, backbone in ((DEFAULT, DEFAULT), (vit, dino(vit, Path(folder)))):
            made.append(row(f"{name}, whole", backbone, side, dtype, threads, tiles=2, whole=True))
            made.append(row(f"{name}, tiles", backbone, side, dtype, threads, tiles=2))
    return made


def timed(step: Callable[[], object], frames: int) -> float:
    """Milliseconds of one call, the fastest of so many after a first one that fills the cache."""
    step()
    spent = []
    for _ in range(frames):
        start = time.perf_counter()
        step()
        spent.append(1e3 * (time.perf_counter() - start))
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side-px", type=int, default=448)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    made = (large_rows if options.large else rows)(options.side_px, options.dtype, options.threads)
    spent = np.array([[timed(r.step, options.frames) for r in made] for _ in range(options.rounds)])
    fastest = spent.min(axis=0)
    table = Table(
        "backbone", "input", "features", "ms per frame", "ratio to the default", title=options.dtype
    )
    for one, ms in zip(made, fastest, strict=True):
        height, width = one.size
        features = " x ".join(map(str, one.channels))
        table.add_row(one.name, f"{width} x {height}", features, f"{ms:.1f}", f"{ms / fastest[0]:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
