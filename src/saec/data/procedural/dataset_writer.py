"""Write frames of one product as a data set in MVTec AD's layout."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from saec.data.procedural.product import Product, RenderedFrame, draw_product
from saec.data.progress import ShowProgress, silent
from saec.errors import DataError

if TYPE_CHECKING:  # a machine that only draws has no msgspec
    from saec.settings import DrawingConfig

SAMPLES = "samples.jsonl"
"""One line of JSON per image; the file also marks a data set as procedural."""

_README = """This data set is procedural: every image was drawn by a program (saec data procedural),
none was taken by a camera. It demonstrates and tests; figures on it say nothing of a real line.

family {family}, product seed {seed}, difficulty {difficulty} (0 plain .. 1 at the limit of seeing), {size} px
benign variation {variation} (0 a line well kept .. 1: light that drifts, dust, parts askew, poor focus)

train/good, test/good     frames without defect
test/<kind>               frames with a defect; ground_truth/<kind>/NNN_mask.png holds the exact mask
train/defect/<kind>       defects for calibration, if asked for; masks in ground_truth/train/defect/<kind>
{samples}             one line per image: kind, description, difficulty asked, contrast measured, seeds, box
"""


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """What was written: where, and how many images of what ("train good", "test scratch", ...)."""

    out: Path
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Shot:
    """One image to draw: its folder below the root ("test/scratch"), number in it, seed and kind."""

    folder: str
    number: int
    seed: int
    kind: str | None

    @property
    def image(self) -> str:
        return f"{self.folder}/{self.number:03d}.png"

    @property
    def mask(self) -> str:
        return f"ground_truth/{self.folder.removeprefix('test/')}/{self.number:03d}_mask.png"


def write_dataset(
    out: Path,
    family: str,
    config: DrawingConfig,
    *,
    progress: ShowProgress = silent,
) -> WrittenDataset:
    """Draw one product of a family into a new folder; nothing half-written remains.

    Args:
        out: the folder to make; it must not exist, or be empty.
        family: name of the family.
        config: which images. The product's frames count up from 0, so that no two images are one frame. The
            kinds of defect come in turn.
        progress: shows how many images are done.

    Raises:
        DataError: the folder holds something, or family, kind, size, difficulty or variation do not exist.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is not empty", "choose another folder, or remove this one")
    product = draw_product(family, config.seed)
    shots = list(_plan(config, config.kinds or product.kinds))
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        with (partial / SAMPLES).open("w", encoding="utf-8") as log:
            for shot in progress(shots, len(shots)):
                log.write(json.dumps(_write(partial, product, shot, config)) + "\n")
        text = _README.format(
            family=family,
            seed=config.seed,
            difficulty=config.difficulty,
            size=config.size_px,
            variation=config.variation,
            samples=SAMPLES,
        )
        (partial / "README.txt").write_text(text, encoding="utf-8")
        partial.chmod(0o755)
        partial.replace(out)
    except BaseException:
        shutil.rmtree(partial)
        raise
    counts: dict[str, int] = {}
    for shot in shots:
        name = shot.folder.replace("/", " ")
        counts[name] = counts.get(name, 0) + 1
    return WrittenDataset(out, counts)


def _plan(config: DrawingConfig, kinds: Sequence[str]) -> Iterator[_Shot]:
    """Every image with a seed of its own; kinds take turns."""
    goods = [("train/good", i) for i in range(config.n_train)]
    goods += [("test/good", i) for i in range(config.n_good)]
    for seed, (folder, number) in enumerate(goods):
        yield _Shot(folder, number, seed, None)
    seed = len(goods)
    for root, n in (("test", config.n_defect), ("train/defect", config.n_train_defect)):
        for i in range(n):
            kind = kinds[i % len(kinds)]
            yield _Shot(f"{root}/{kind.replace(' ', '_')}", i // len(kinds), seed + i, kind)
        seed += n


def _write(root: Path, product: Product, shot: _Shot, config: DrawingConfig) -> dict[str, Any]:
    look = config.difficulty, config.size_px, config.variation
    sample = product.render(shot.seed, shot.kind, *look)
    _save(root / shot.image, sample.image[..., ::-1])
    if shot.kind is not None:
        _save(root / shot.mask, sample.mask.astype(np.uint8) * 255)
    return _record(product, shot, sample)


def _record(product: Product, shot: _Shot, sample: RenderedFrame) -> dict[str, Any]:
    return {
        "path": shot.image,
        "mask": None if shot.kind is None else shot.mask,
        "kind": sample.kind,
        "description": sample.description,
        "difficulty": sample.difficulty,
        "contrast": round(sample.contrast, 3),
        "variation": sample.variation,
        "box": sample.box,
        "family": product.family,
        "product_seed": product.seed,
        "frame_seed": shot.seed,
    }


def _save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", pixels)
    path.write_bytes(data.tobytes())
