"""What counts as a picture of the user's in a folder: one rule for data sets and watched folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from saec.data.checks.image_faults import check_root
from saec.data.dataset import open_dataset
from saec.data.images.file_names import find_images, is_picture, passed_over
from saec.data.images.pixels import read_image
from saec.errors import DataError, ImageError

Draw = Callable[..., Path]

LEFT_BY_SYSTEMS = [
    "@eaDir", "@Recycle", "@__thumb", "#recycle", "#snapshot", "~snapshot", ".Trash",
    ".Trash-1000", ".snapshot", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX",
    ".ipynb_checkpoints", ".thumbnails",
    "Network Trash Folder", ".AppleDouble", "RECYCLER",
]  # fmt: skip


def test_find_images_sorted_linked_and_without_loops(tmp_path: Path) -> None:
    root = tmp_path / "root"
    away = tmp_path / "away"
    (root / "b").mkdir(parents=True)
    away.mkdir()
    for path in [root / "z.PNG", root / "a.jpg", root / "b" / "ä.tif", away / "far.png", root / "notes.txt"]:
        path.write_bytes(b"")
    (root / ".hidden.png").write_bytes(b"")
    (root / "away").symlink_to(away)
    (root / "loop").symlink_to(root)
    (away / "back").symlink_to(root)
    (root / "self.png").symlink_to(root / "self.png")
    (root / "gone.png").symlink_to(root / "nowhere.png")
    got = [p.relative_to(root).as_posix() for p in find_images(root)]
    assert got == ["a.jpg", "away/far.png", "b/ä.tif", "gone.png", "self.png", "z.PNG"]
    with pytest.raises(ImageError):
        read_image(root / "self.png")


def test_find_images_of_a_file_and_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "one.dat"
    path.write_bytes(b"")
    assert find_images(path) == [path]
    with pytest.raises(DataError):
        find_images(tmp_path / "none")


@pytest.mark.parametrize("name", LEFT_BY_SYSTEMS)
def test_folders_of_file_servers_are_passed_over_at_every_depth(
    tmp_path: Path, draw: Draw, name: str
) -> None:
    for at, folder in enumerate(("train/good", "test/good", "test/bent")):
        draw(tmp_path / folder / "a.png", at)
        draw(tmp_path / folder / name / "a.png", 10 + at)
        draw(tmp_path / folder / name / "a.png@x" / "THUMB_XL.jpg", 20 + at)
    for at, folder in enumerate((".", "train", "test")):
        draw(tmp_path / folder / name / "x" / "b.png", 30 + at)
        (tmp_path / folder / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "test" / "good" / "._a.png").write_bytes(b"\0\5\26\7")
    assert [i.path.parent.name for i in open_dataset(tmp_path).items] == ["bent", "good", "good"]
    (checked,) = check_root(tmp_path, near=False)
    assert checked.faults == []


@pytest.mark.parametrize("name", ["good", "#1", "@line", "$5 coins", "recycle", "Thumbs", "~a", "a.b", "__"])
def test_names_of_the_users_are_not(name: str) -> None:
    assert not passed_over(name)
    assert is_picture(f"{name}.PNG")
    assert not is_picture(f"{name}.txt")
