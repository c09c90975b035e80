"""Procedural data sets on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from saec.data.dataset import open_dataset
from saec.data.images.pixels import read_image, read_mask
from saec.data.procedural import draw_product, write_dataset
from saec.errors import DataError
from saec.settings import DrawingConfig

T = TypeVar("T")

FAMILY = "connector"
CONFIG = DrawingConfig(seed=3, difficulty=0.4, size_px=96, n_train=4, n_good=3, n_defect=6, n_train_defect=2)
KINDS = ("bent pin", "stain")
CHOSEN = replace(CONFIG, kinds=KINDS)
ONE = replace(CONFIG, n_train=1, n_good=0, n_defect=0, n_train_defect=0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("set") / "connector"
    summary = write_dataset(out, FAMILY, CHOSEN)
    assert summary.counts["test bent_pin"] == 3
    assert sum(summary.counts.values()) == 15
    return out


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "samples.jsonl").read_text("utf-8").splitlines()]


def hashes(out: Path) -> dict[str, str]:
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(out.rglob("*.*"))
    }


def test_our_reader_finds_every_image_and_mask(written: Path) -> None:
    data = open_dataset(written)
    assert data.layout == "mvtec"
    assert len(data.select("train", 0)) == 4
    assert len(data.select("test", 0)) == 3
    assert len(data.select("test", 1)) == 6
    assert len(data.select("train", 1)) == 2
    assert all(item.mask is not None for item in data.items if item.label == 1)
    assert {item.kind for item in data.items} == {"good", "bent_pin", "stain"}


def test_files_hold_what_the_generator_draws(written: Path) -> None:
    for r in records(written):
        product = draw_product(str(r["family"]), int(str(r["product_seed"])))
        kind = None if r["kind"] == "good" else str(r["kind"])
        sample = product.render(int(str(r["frame_seed"])), kind, 0.4, 96)
        assert np.array_equal(read_image(written / str(r["path"])), sample.image)
        assert r["description"] == sample.description
        if kind:
            assert np.array_equal(read_mask(written / str(r["mask"])), sample.mask)
            assert r["box"] == list(sample.box or ())
            assert r["contrast"] == pytest.approx(sample.contrast, abs=1e-3)


def test_no_frame_stands_in_two_places(written: Path) -> None:
    seeds = [r["frame_seed"] for r in records(written)]
    assert len(set(seeds)) == len(seeds) == 15
    images = [h for name, h in hashes(written).items() if name.endswith(".png") and "_mask" not in name]
    assert len(set(images)) == 15


def test_the_same_seed_gives_the_same_files(written: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "again", FAMILY, CHOSEN)
    assert hashes(tmp_path / "again") == hashes(written)


def test_it_says_that_it_is_procedural(written: Path) -> None:
    assert "procedural" in (written / "README.txt").read_text("utf-8")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        write_dataset(tmp_path, FAMILY, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    write_dataset(tmp_path, FAMILY, ONE)
    assert (tmp_path / "train/good/000.png").is_file()


def test_nothing_half_written_remains(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'dent in time'"):
        write_dataset(tmp_path / "out", FAMILY, replace(CONFIG, kinds=("stain", "dent in time")))
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_image(tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(items: Iterable[T], total: int) -> Iterator[T]:
        for item in items:
            seen.append(total)
            yield item

    write_dataset(tmp_path / "p", FAMILY, replace(ONE, n_train=2, n_good=1, n_defect=1), progress=progress)
    assert seen == [4, 4, 4, 4]


def test_names_need_no_ascii(tmp_path: Path) -> None:
    out = tmp_path / "Prüfstück 部品"
    write_dataset(out, FAMILY, ONE)
    data = np.frombuffer((out / "train/good/000.png").read_bytes(), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (96, 96, 3)
