"""What is put into a watched folder in place of a file, between the look and the reading, is never read."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from saec.station.sources import seen_files as opening
from saec.station.sources import watched_folder as folder_room
from saec.station.sources.frame_source import LARGEST
from saec.station.sources.seen_files import ChangedError, SeenFile, read_as_seen, remove_as_seen, see_file
from tests.station.sources.test_sources import Taken, folder
from tests.station.station_fakes import png

SECRET = b"the token of the cloud"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a.png").write_bytes(png(1))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.png").write_bytes(SECRET)
    return root


def _link(root: Path) -> None:
    (root / "sub" / "a.png").unlink()
    (root / "sub" / "a.png").symlink_to(root.parent / "outside" / "a.png")


def _link_folder(root: Path) -> None:
    (root / "sub").rename(root.parent / "old")
    (root / "sub").symlink_to(root.parent / "outside")


def _pipe(root: Path) -> None:
    (root / "sub" / "a.png").unlink()
    os.mkfifo(root / "sub" / "a.png")


def _device(root: Path) -> None:
    (root / "sub" / "a.png").unlink()
    (root / "sub" / "a.png").symlink_to("/dev/zero")


def _hard_link(root: Path) -> None:
    (root / "sub" / "a.png").unlink()
    (root / "sub" / "a.png").hardlink_to(root.parent / "outside" / "a.png")


def _another(root: Path) -> None:
    """Of the same size and time."""
    path = root / "sub" / "a.png"
    before = path.stat()
    path.with_suffix(".new").write_bytes(SECRET.ljust(before.st_size)[: before.st_size])
    os.utime(path.with_suffix(".new"), ns=(before.st_atime_ns, before.st_mtime_ns))
    path.with_suffix(".new").replace(path)


def _longer(root: Path) -> None:
    with (root / "sub" / "a.png").open("ab") as file:
        file.write(SECRET)


def _gone(root: Path) -> None:
    (root / "sub" / "a.png").unlink()


SWAPS = [_link, _link_folder, _pipe, _device, _hard_link, _another, _longer, _gone]


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swapped_file_is_not_read(root: Path, swap: Callable[[Path], None]) -> None:
    seen = see_file(root / "sub" / "a.png")
    assert seen is not None
    swap(root)
    with pytest.raises((OSError, ChangedError)):
        read_as_seen(root, Path("sub/a.png"), seen)


@pytest.mark.parametrize("swap", SWAPS)
def test_the_source_hands_over_nothing_that_was_swapped_in(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path], None]
) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    source.look(0.0)
    read = opening.read_as_seen

    def late(*args: object) -> bytes:
        swap(root)
        monkeypatch.setattr(folder_room, "read_as_seen", read)
        return read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_room, "read_as_seen", late)
    source.look(1.0)
    assert taken.frames == []
    source.look(2.0)
    source.look(4.0)
    # what is a plain file of one name by then is what the folder holds: it is judged as that
    plain: dict[Callable[[Path], None], list[bytes]] = {
        _another: [SECRET.ljust(len(png(1)))[: len(png(1))]],
        _longer: [png(1) + SECRET],
    }
    assert [data for _, data in taken.frames] == plain.get(swap, [])


def test_a_file_is_read_as_it_was_seen(root: Path) -> None:
    seen = see_file(root / "sub" / "a.png")
    assert seen is not None
    assert read_as_seen(root, Path("sub/a.png"), seen) == png(1)
    (root.parent / "named").symlink_to(root)  # the folder that the settings name may be a link
    assert read_as_seen(root.parent / "named", Path("sub/a.png"), seen) == png(1)


def test_a_file_that_grows_without_end_is_read_as_far_as_it_was_seen(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "sub" / "a.png"
    seen = see_file(path)
    assert seen is not None
    monkeypatch.setattr(opening, "_check", lambda opened, seen: None)
    _longer(root)
    assert read_as_seen(root, Path("sub/a.png"), seen) == png(1)
    path.write_bytes(b"x")
    with pytest.raises(ChangedError, match="truncated"):
        read_as_seen(root, Path("sub/a.png"), seen)


def test_a_huge_sparse_file_is_refused_by_its_size(root: Path, tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    (root / "sub" / "a.png").unlink()
    with (root / "huge.png").open("wb") as file:
        file.truncate(LARGEST + 1)
    for now in (0.0, 1.0, 2.0):
        source.look(now)
    assert taken.frames == []
    (why,) = taken.refusals
    assert "huge.png has more than 67 MB" in why


def test_a_hard_link_is_refused_once_and_taken_when_its_other_name_has_gone(
    root: Path, tmp_path: Path
) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    (tmp_path / "other").hardlink_to(root / "sub" / "a.png")
    for now in (0.0, 1.0, 2.0):
        source.look(now)
    assert taken.frames == []
    (why,) = taken.refusals
    assert "hard link" in why
    (tmp_path / "other").unlink()
    for now in (3.0, 4.0):
        source.look(now)
    assert [data for _, data in taken.frames] == [png(1)]


def test_a_second_name_given_to_a_file_that_was_taken_makes_it_no_other(root: Path, tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, after="keep")
    for now in (0.0, 1.0):
        source.look(now)
    (tmp_path / "backup").hardlink_to(root / "sub" / "a.png")
    for now in (2.0, 3.0, 4.0):
        source.look(now)
    assert len(taken.frames) == 1
    assert taken.refusals == []


def test_a_file_that_cannot_be_read_now_is_read_when_it_can(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    (root / "b.png").write_bytes(png(2))
    read, errors = opening.read_as_seen, {"code": errno.EACCES}

    def refuse(root: Path, inside: Path, seen: SeenFile) -> bytes:
        if inside.name == "a.png":
            raise OSError(errors["code"], os.strerror(errors["code"]))
        return read(root, inside, seen)

    monkeypatch.setattr(folder_room, "read_as_seen", refuse)
    source.look(0.0)
    assert not source.look(1.0)  # the others are not kept waiting
    assert [data for _, data in taken.frames] == [png(2)]
    errors["code"] = errno.EMFILE
    assert source.look(2.0)  # nothing can be opened: the source rests
    assert len(taken.refusals) == 1  # and says it once
    monkeypatch.setattr(folder_room, "read_as_seen", read)
    source.look(3.0)
    assert [data for _, data in taken.frames] == [png(2), png(1)]


@pytest.mark.parametrize("swap", [_link, _link_folder, _another, _longer, _pipe])
def test_what_was_put_in_a_file_s_place_is_not_removed_for_it(
    root: Path, swap: Callable[[Path], None]
) -> None:
    seen = see_file(root / "sub" / "a.png")
    assert seen is not None
    swap(root)
    with contextlib.suppress(OSError):
        remove_as_seen(root, Path("sub/a.png"), seen)
    assert (root / "sub" / "a.png").lstat()
    assert (root.parent / "outside" / "a.png").read_bytes() == SECRET


def test_a_file_that_is_as_it_was_seen_is_removed(root: Path) -> None:
    seen = see_file(root / "sub" / "a.png")
    assert seen is not None
    remove_as_seen(root, Path("sub/a.png"), seen)
    assert not (root / "sub" / "a.png").exists()
