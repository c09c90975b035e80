"""What the benchmark of the cloud measures with: weights of chance, files, operations, time and energy."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image as Pillow

from saec.data.procedural import draw_product
from saec.meter.gpu import open_gpu
from saec.types import Image

FILE_SIDE = 1024
"""Pixels of the PNG files."""


def write_weights(shape: Path, out: Path, device: str) -> None:
    """A checkpoint of random bfloat16 weights with everything else from ``shape``."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    out.mkdir(parents=True)
    for path in sorted(p for pattern in ("*.json", "*.txt", "*.jinja") for p in shape.glob(pattern)):
        if not path.name.endswith(".index.json"):
            shutil.copyfile(path, out / path.name)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig.from_pretrained(shape))
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(out)


def write_files(out: Path, count: int, *, quick: bool = False) -> list[Path]:
    """PNG files of drawn products under sensor noise, which are as large as a camera's.

    Args:
        out: folder; files that are there already stay.
        count: of the files.
        quick: as OpenCV writes them, by one filter and a coder of runs, instead of as the library's default
            settings do. One thread reads those in about four fifths of the time.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{n:04d}.png" for n in range(count)]
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return paths
    product = draw_product("circuit-board", 2**31)
    clean = [product.render(n, size=FILE_SIDE).image for n in range(4)]

    def write(path: Path) -> None:
        n = int(path.stem)
        noise = np.random.default_rng(n).normal(0, 2, (FILE_SIDE, FILE_SIDE, 3))
        noisy = (clean[n % 4] + noise).clip(0, 255).astype(np.uint8)
        if quick:
            cv2.imwrite(str(path), noisy[..., ::-1])
        else:
            Pillow.fromarray(noisy).save(path)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, missing))
    return paths


def in_turn(items: list[Any], count: int) -> Iterator[Any]:
    """The items over and over, so many in all."""
    return (items[n % len(items)] for n in range(count))


def operations(config: Any, side: int, suffix: int, prefix: int) -> float:
    """Floating-point operations of one frame: a multiplication and an addition count two.

    Counts the products of both towers, the projector and attention, and nothing else. The last layer of the
    language model counts its keys and values for all positions and the rest for the last one.

    Args:
        config: of Qwen2.5-VL.
        side: of the square input, pixels.
        suffix, prefix: tokens behind the cut and before it.
    """
    vision, text = config.vision_config, config.get_text_config()
    patches = (side // vision.patch_size) ** 2
    window = (vision.window_size // vision.patch_size) ** 2
    width, inner = vision.hidden_size, vision.intermediate_size
    full = len(vision.fullatt_block_indexes)
    keys = full * patches + (vision.depth - full) * min(window, patches)
    tower = vision.depth * patches * (4 * width**2 + 3 * width * inner) + 2 * patches * keys * width
    tower += patches * 3 * vision.temporal_patch_size * vision.patch_size**2 * width
    merged = width * vision.spatial_merge_size**2
    tower += patches // vision.spatial_merge_size**2 * merged * (merged + vision.out_hidden_size)
    hidden, head = text.hidden_size, text.hidden_size // text.num_attention_heads
    kv = 2 * hidden * text.num_key_value_heads * head
    rest = 2 * hidden**2 + 3 * hidden * text.intermediate_size
    attention = 2 * hidden * (prefix * suffix + suffix * (suffix + 1) / 2)
    language = (text.num_hidden_layers - 1) * (suffix * (kv + rest) + attention) + suffix * kv + rest
    return float(2 * (tower + language))


def matrix_rate(device: torch.device, fp8: bool = False) -> float:
    """Operations a second of a large product of random values, in bfloat16 or float8; NaN on a CPU."""
    if device.type != "cuda":
        return float("nan")
    n = 8192
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    if fp8:
        one = torch.ones(n, 1, device=device)
        a, b = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn)
        run: Callable[[], Any] = lambda: torch._scaled_mm(  # noqa: E731
            a, b.t(), scale_a=one, scale_b=one.t(), out_dtype=torch.bfloat16, use_fast_accum=True
        )
    else:
        run = lambda: a @ b  # noqa: E731
    for _ in range(5):
        run()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(30):
        run()
    torch.cuda.synchronize()
    return 30 * 2 * n**3 / (time.perf_counter() - begin)


@dataclass(frozen=True)
class Row:
    """One line of a table: frames a second, joules a frame (None is unknown), most memory in GiB."""

    frames: float
    joules: float | None
    memory: float


def timed(run: Callable[[], Iterable[Any]], index: int) -> Row:
    """Run to the end of what it yields; the device is idle at both ends.

    Args:
        run: gives one item for each frame.
        index: NVML's number of the GPU.
    """
    gpu = open_gpu(index)
    settle()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    before, begin = gpu.energy_j(), time.perf_counter()
    count = sum(1 for _ in run())
    settle()
    seconds, after = time.perf_counter() - begin, gpu.energy_j()
    gpu.close()
    joules = None if before is None or after is None else (after - before) / count
    return Row(count / seconds, joules, torch.cuda.max_memory_allocated() / 2**30)


def settle() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def cut(image: Image, side: int) -> Image:
    """The image at side x side pixels."""
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
