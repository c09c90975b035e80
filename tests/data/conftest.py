"""Small data sets of each layout, every image with content of its own."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    """Write a small image whose content follows from ``seed``."""

    def write(path: Path, seed: int, size: tuple[int, int] = (16, 20)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
        return path

    return write


@pytest.fixture
def mask() -> Draw:
    """Write a mask, with or without a marked square."""

    def write(path: Path, marked: bool = True, size: tuple[int, int] = (16, 20)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros(size, np.uint8)
        pixels[2:6, 3:8] = 255 * marked
        path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
        return path

    return write


@pytest.fixture
def mvtec(tmp_path: Path, draw: Draw, mask: Draw) -> Path:
    """Two categories: 6 train goods, 3 test goods, 4 + 2 defects of two types each."""
    root = tmp_path / "mvtec"
    for base, category in enumerate(("bolt", "cap")):
        seeds = iter(range(1000 * base, 1000 * (base + 1)))
        for folder, n in [("train/good", 6), ("test/good", 3), ("test/bent", 4), ("test/dirty", 2)]:
            for i in range(n):
                draw(root / category / folder / f"{i:03d}.png", next(seeds))
                if folder in ("test/bent", "test/dirty"):
                    mask(root / category / "ground_truth" / folder[5:] / f"{i:03d}_mask.png")
    return root


@pytest.fixture
def ksdd2(tmp_path: Path, draw: Draw, mask: Draw) -> Path:
    """8 train images of which 2 are defects, 6 test images of which 1 is."""
    root = tmp_path / "ksdd2"
    for split, first, n, defects in [("train", 10000, 8, 2), ("test", 20000, 6, 1)]:
        for i in range(first, first + n):
            draw(root / split / f"{i}.png", i)
            mask(root / split / f"{i}_GT.png", marked=i < first + defects)
    return root


@pytest.fixture
def visa(tmp_path: Path, draw: Draw, mask: Draw) -> Path:
    """Two objects with 3 train goods, 2 test goods and 2 defects each."""
    root = tmp_path / "visa"
    rows = []
    for base, name in enumerate(("candle", "fryum")):
        for i, split in enumerate(("train", "train", "train", "test", "test")):
            path = f"{name}/Data/Images/Normal/{i:04d}.JPG"
            draw(root / path, 100 * base + i)
            rows.append((name, split, "normal", path, ""))
        for i in range(2):
            path, truth = f"{name}/Data/Images/Anomaly/{i:03d}.JPG", f"{name}/Data/Masks/Anomaly/{i:03d}.png"
            draw(root / path, 100 * base + 50 + i)
            mask(root / truth)
            rows.append((name, "test", "anomaly", path, truth))
    table = root / "split_csv" / "1cls.csv"
    table.parent.mkdir()
    with table.open("w", newline="") as f:
        csv.writer(f).writerows([("object", "split", "label", "image", "mask"), *rows])
    return root
