"""Goods that show one picture are copies, whatever bytes they lie in; near copies are named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from saec.data.checks.image_faults import check_root
from saec.data.copies import DistinctImages, ReadImage
from saec.data.dataset import open_dataset
from saec.data.items import Item
from saec.data.manifest import Manifest
from saec.data.procedural import draw_product
from saec.errors import DataError

Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Save = Callable[[Picture, int], tuple[str, bytes]]


def picture(seed: int, side: int = 160) -> Picture:
    x = np.arange(side)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 6, (side, side, 3))
    return np.clip(128 + 40 * np.sin(x / 7) + 20 * (seed % 5) + noise, 0, 255).astype(np.uint8)


def encoded(image: Picture, ending: str, *options: int) -> bytes:
    return cv2.imencode(ending, image, list(options))[1].tobytes()


def packed(image: Picture, at: int) -> tuple[str, bytes]:
    return ".png", encoded(image, ".png", cv2.IMWRITE_PNG_COMPRESSION, at % 10)


def of_format(image: Picture, at: int) -> tuple[str, bytes]:
    ending = (".png", ".bmp", ".tiff", ".ppm")[at % 4]
    return ending, encoded(image, ending, cv2.IMWRITE_PNG_COMPRESSION, at)


def of_quality(image: Picture, at: int) -> tuple[str, bytes]:
    return ".jpg", encoded(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 88 + at)


def flickering(image: Picture, at: int) -> tuple[str, bytes]:
    return ".png", encoded(image ^ (np.arange(3) == at % 3).astype(np.uint8), ".png")


SAVED_AGAIN: dict[str, Save] = {
    "bytes after the end": lambda image, at: (".png", encoded(image, ".png") + bytes(at)),
    "other compression": packed,
    "other formats": of_format,
}
NEARLY: dict[str, Save] = {"JPEG qualities": of_quality, "a flickering bit": flickering}


def gears(count: int) -> list[Picture]:
    product = draw_product("gear", 3)
    return [
        np.ascontiguousarray(product.render(at, kind=None, size=128).image[..., ::-1]) for at in range(count)
    ]


def distinct(items: Sequence[Item], *, varied: bool = False) -> list[ReadImage]:
    return list(DistinctImages(items, bits=16, varied=varied))


def goods(root: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    folder = root / "train" / "good"
    folder.mkdir(parents=True, exist_ok=True)
    for at, (ending, data) in enumerate(files):
        (folder / f"{at:02d}{ending}").write_bytes(data)
    return root


@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_one_picture_in_other_bytes_counts_once(tmp_path: Path, how: str) -> None:
    files = [SAVED_AGAIN[how](picture(0), at) for at in range(8)]
    root = goods(tmp_path, [*files, (".png", encoded(picture(1), ".png"))])
    images = DistinctImages(open_dataset(root).items, bits=16, varied=True)
    assert len(list(images)) == 2
    assert images.left_out == 7
    (checked,) = check_root(root, near=False)
    assert [len(f.paths) for f in checked.faults if f.code == "duplicate-within"] == [8]


@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_goods_that_are_all_one_picture_are_an_error_of_the_check(tmp_path: Path, how: str) -> None:
    root = goods(tmp_path, [SAVED_AGAIN[how](picture(0), at) for at in range(8)])
    (checked,) = check_root(root, near=False)
    assert "one-picture" in [f.code for f in checked.faults if f.level == "error"]
    assert len(distinct(open_dataset(root).items, varied=True)) == 1


@pytest.mark.parametrize("how", NEARLY)
def test_goods_that_are_all_nearly_one_picture_are_refused(tmp_path: Path, how: str) -> None:
    root = goods(tmp_path, [NEARLY[how](picture(0), at) for at in range(12)])
    with pytest.raises(DataError, match="almost identical"):
        distinct(open_dataset(root).items, varied=True)
    (checked,) = check_root(root, near=False)
    assert "one-picture" in [f.code for f in checked.faults if f.level == "error"]


def test_goods_of_a_steady_product_are_not_one_picture(tmp_path: Path) -> None:
    root = goods(tmp_path, [(".png", encoded(image, ".png")) for image in gears(8)])
    assert len(distinct(open_dataset(root).items, varied=True)) == 8
    (checked,) = check_root(root, near=True)
    assert {f.code for f in checked.faults} <= {"one-class-holdout"}


def test_a_near_copy_among_goods_is_named(tmp_path: Path) -> None:
    drawn = gears(9)
    files = [(".png", encoded(image, ".png")) for image in drawn]
    root = goods(tmp_path, [*files, (".jpg", encoded(drawn[4], ".jpg", cv2.IMWRITE_JPEG_QUALITY, 90))])
    (checked,) = check_root(root, near=True)
    assert [f.paths for f in checked.faults if f.code == "near-copy"] == [
        ["train/good/04.png", "train/good/09.jpg"]
    ]


def test_one_picture_in_two_roles_is_an_error_in_whatever_bytes(tmp_path: Path) -> None:
    root = goods(tmp_path, [(".png", encoded(picture(at), ".png")) for at in range(4)])
    held = tmp_path / "test" / "good"
    held.mkdir(parents=True)
    (held / "again.bmp").write_bytes(encoded(picture(2), ".bmp"))
    (checked,) = check_root(root, near=False)
    across = [f.paths for f in checked.faults if f.code == "duplicate-across"]
    assert across == [["test/good/again.bmp", "train/good/02.png"]]


@pytest.fixture
def odd_name(tmp_path: Path) -> Path:
    """A good whose name is Latin-1, as zip files and old shares leave it."""
    root = goods(tmp_path / "set", [(".png", encoded(picture(at), ".png")) for at in range(3)])
    name = os.fsencode(root / "train" / "good") + b"/gepr\xfcft.png"
    try:
        with open(name, "wb") as f:  # noqa: PTH123
            f.write(encoded(picture(9), ".png"))
    except OSError:
        pytest.skip("needs a file system that takes names that are no UTF-8")
    return root


def test_a_name_that_is_no_utf8_is_an_error_of_the_check(odd_name: Path) -> None:
    (checked,) = check_root(odd_name, near=False)
    (fault,) = [f for f in checked.faults if f.level == "error"]
    assert (fault.code, fault.paths) == ("name", [r"train/good/gepr\xfcft.png"])
    assert "rename the file" in fault.remedy


def test_a_name_that_is_no_utf8_gets_into_no_manifest(odd_name: Path) -> None:
    items = open_dataset(odd_name).items
    with pytest.raises(DataError, match=r"gepr\\xfcft\.png is not valid UTF-8"):
        Manifest().add("train", items)


def test_a_class_of_such_a_name_is_shown(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "test") + b"/Stra\xdfe"
    goods(tmp_path, [(".png", encoded(picture(at), ".png")) for at in range(3)])
    try:
        os.makedirs(folder)  # noqa: PTH103
    except OSError:
        pytest.skip("needs a file system that takes names that are no UTF-8")
    with open(folder + b"/a.png", "wb") as f:  # noqa: PTH123
        f.write(encoded(picture(4), ".png"))
    (checked,) = check_root(tmp_path, near=False)
    assert checked.counts["test"] == {r"Stra\xdfe": 1}
    assert "name" in [f.code for f in checked.faults]


def test_items_without_images_are_distinct() -> None:
    assert distinct([], varied=True) == []
    with pytest.raises(DataError):
        distinct([Item(path=Path("nowhere.png"))])
