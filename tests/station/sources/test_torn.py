"""Of a watched folder: no file is judged half, none is lost under an old name, none passed over unsaid."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from saec.station.sources import FolderSource
from saec.station.sources.watched_folder import WatchedFolder
from saec.station.sources.writers import Writers
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool
from tests.station.sources.test_sources import Taken, folder


def picture(form: str, seed: int = 0, side: int = 96, **options: Any) -> bytes:
    """Without black, so that zeros in it were never written."""
    pixels = np.random.default_rng(seed).integers(1, 256, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def black_at_the_end() -> bytes:
    pixels = np.full((96, 96, 3), 90, np.uint8)
    pixels[:20] = 0  # a BMP's last rows come first
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, "BMP")
    return out.getvalue()


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network drive, written by another machine: the kernel tells nothing."""
    monkeypatch.setattr(Writers, "writing", lambda self, path: None)


FORMS = {"bmp": "BMP", "png": "PNG", "jpg": "JPEG", "tif": "TIFF", "webp": "WEBP", "ppm": "PPM", "gif": "GIF"}


@pytest.mark.parametrize("share", [0.0, 0.002, 0.5, 0.98])
@pytest.mark.parametrize("size_first", [True, False], ids=["size first", "grows"])
@pytest.mark.parametrize("suffix", FORMS)
def test_a_file_whose_writer_stalls_is_judged_whole_or_not_at_all(
    tmp_path: Path, suffix: str, size_first: bool, share: float
) -> None:
    taken, data = Taken(), picture(FORMS[suffix])
    source = folder(tmp_path, taken, patience_s=10.0)
    source.look(0.0)
    path, kept = tmp_path / "in" / f"a.{suffix}", int(share * len(data))
    with path.open("wb") as file:
        if size_first:
            file.truncate(len(data))
        file.write(data[:kept])
        file.flush()
        for now in (1.0, 2.0, 6.0, 10.5):
            source.look(now)
        assert (taken.frames, taken.refusals) == ([], [])
        for now in (11.5, 12.0, 200.0, 300.0):
            source.look(now)
        assert taken.frames == []
        (why,) = taken.refusals
        assert path.name in why
        assert "judges the file when it is complete" in why
        file.write(data[kept:])
    for now in (301.0, 302.0):
        source.look(now)
    assert [got for _, got in taken.frames] == [data]
    assert not path.exists()
    assert len(taken.refusals) == 1


@pytest.mark.usefixtures("unknown")
@pytest.mark.parametrize("suffix", FORMS)
def test_where_nothing_is_known_of_the_writer_a_stall_within_the_patience_does_no_harm(
    tmp_path: Path, suffix: str
) -> None:
    taken, data = Taken(), picture(FORMS[suffix])
    source = folder(tmp_path, taken, patience_s=10.0)
    path = tmp_path / "in" / f"a.{suffix}"
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    for now in (0.0, 1.0, 5.0, 9.9):
        source.look(now)
    assert (taken.frames, taken.refusals) == ([], [])
    path.write_bytes(data)
    for now in (10.1, 10.4):
        source.look(now)
    assert [got for _, got in taken.frames] == [data]


def test_a_black_part_is_judged_at_once_where_its_writer_has_closed_it(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    source.look(0.0)
    (tmp_path / "in" / "a.bmp").write_bytes(black_at_the_end())
    source.look(1.0)
    source.look(1.3)
    assert [got for _, got in taken.frames] == [black_at_the_end()]


@pytest.mark.usefixtures("unknown")
def test_a_black_part_is_judged_after_the_patience_where_nothing_is_known(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, patience_s=3.0)
    (tmp_path / "in" / "a.bmp").write_bytes(black_at_the_end())
    for now in (0.0, 1.0, 2.9):
        source.look(now)
    assert taken.frames == []
    source.look(3.1)
    assert [got for _, got in taken.frames] == [black_at_the_end()]
    assert taken.refusals == []


def test_a_picture_that_is_written_over_in_place_is_not_judged_half_old_half_new(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken, after="keep")
    path, old, new = tmp_path / "in" / "latest.bmp", picture("BMP", 1), picture("BMP", 2)
    source.look(0.0)
    path.write_bytes(old)
    source.look(1.0)
    source.look(2.0)
    with path.open("r+b") as file:
        file.write(new[: len(new) // 2])
        file.flush()
        for now in (3.0, 4.0, 8.0):
            source.look(now)
        file.write(new[len(new) // 2 :])
    source.look(9.0)
    source.look(10.0)
    assert [got for _, got in taken.frames] == [old, new]


def test_a_program_that_never_closes_its_files_is_waited_for_no_longer_than_the_patience(
    tmp_path: Path,
) -> None:
    taken, data = Taken(), picture("BMP")
    source = folder(tmp_path, taken, patience_s=10.0)
    source.look(0.0)
    with (tmp_path / "in" / "a.bmp").open("wb") as file:
        file.write(data)
        file.flush()
        for now in (1.0, 2.0, 10.0):
            source.look(now)
        assert taken.frames == []
        source.look(11.1)
        assert [got for _, got in taken.frames] == [data]


def test_a_file_that_is_renamed_when_it_is_whole_is_judged_as_it_is(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    source.look(0.0)
    with (tmp_path / "in" / "a.bmp.tmp").open("wb") as file:
        file.write(black_at_the_end())
        file.flush()
        source.look(1.0)
    (tmp_path / "in" / "a.bmp.tmp").rename(tmp_path / "in" / "a.bmp")
    source.look(2.0)
    source.look(3.0)
    assert [got for _, got in taken.frames] == [black_at_the_end()]
    assert taken.alarms == []


def test_what_no_further_byte_would_make_a_picture_is_left_to_the_line_to_refuse(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    (tmp_path / "in" / "a.png").write_bytes(
        b"a text that was given the name of a picture, by mistake or malice"
    )
    source.look(0.0)
    source.look(1.0)
    assert len(taken.frames) == 1


def test_a_new_folder_is_heard_of_and_one_that_came_back(tmp_path: Path) -> None:
    writers = Writers()
    place = tmp_path / "in" / "sub"
    for _ in range(2):
        place.mkdir(parents=True)
        writers.refresh()
        writers.watch([place])
        with (place / "a.bmp").open("wb") as file:
            file.write(b"x")
            file.flush()
            writers.refresh()
            assert writers.writing(place / "a.bmp") is True
        writers.refresh()
        assert writers.writing(place / "a.bmp") is False
        shutil.rmtree(place)
    writers.refresh()
    assert writers.writing(place / "a.bmp") is None
    writers.close()


def test_without_the_kernels_notes_files_are_judged_by_what_they_say_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "too many")

    monkeypatch.setattr("saec.station.sources.writers.INotify", refuse)
    taken = Taken()
    source = folder(tmp_path, taken)
    (tmp_path / "in" / "a.png").write_bytes(picture("PNG"))
    source.look(0.0)
    source.look(1.0)
    assert len(taken.frames) == 1


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", limits=SpoolLimits(free_gb=0))
    yield spool
    spool.close()


def over(spool: Spool, tmp_path: Path, taken: Taken, after: str) -> WatchedFolder:
    """A source that hands over to a real spool."""
    (tmp_path / "in").mkdir(exist_ok=True)
    settings = FolderSource(name="src", line="cell", path=tmp_path / "in", after=after)  # type: ignore[arg-type]
    return WatchedFolder(settings, spool.accept, taken.refused, taken.alarm, spool.remember)


def frames(spool: Spool) -> int:
    return spool.depth()["accepted"]


def put(tmp_path: Path, data: bytes) -> None:
    """Under one name and one time, as a drive with a coarse clock would have it."""
    (tmp_path / "in" / "cam1.bmp").write_bytes(data)
    os.utime(tmp_path / "in" / "cam1.bmp", (1_700_000_000, 1_700_000_000))


@pytest.mark.parametrize("after", ["keep", "delete"])
def test_every_frame_under_one_name_size_and_time_is_judged(spool: Spool, tmp_path: Path, after: str) -> None:
    taken = Taken()
    source = over(spool, tmp_path, taken, after)
    for i in range(10):
        put(tmp_path, picture("BMP", seed=i))
        source.look(2.0 * i)
        source.look(2.0 * i + 1)
    assert frames(spool) == 10
    assert taken.refusals == []


def test_the_same_picture_put_there_again_is_a_frame_of_its_own_where_files_are_removed(
    spool: Spool, tmp_path: Path
) -> None:
    source = over(spool, tmp_path, Taken(), "delete")
    for i in range(3):
        put(tmp_path, picture("BMP"))
        source.look(2.0 * i)
        source.look(2.0 * i + 1)
        assert frames(spool) == i + 1
        assert not (tmp_path / "in" / "cam1.bmp").exists()


def test_a_file_that_was_accepted_just_before_a_crash_is_not_judged_again(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_away = WatchedFolder._put_away
    monkeypatch.setattr(WatchedFolder, "_put_away", lambda *_: None)  # the process ends here
    source = over(spool, tmp_path, Taken(), "delete")
    put(tmp_path, picture("BMP"))
    source.look(0.0)
    source.look(1.0)
    assert frames(spool) == 1
    monkeypatch.setattr(WatchedFolder, "_put_away", put_away)
    after = over(spool, tmp_path, Taken(), "delete")
    after.look(0.0)
    after.look(20.0)
    assert frames(spool) == 1
    assert not (tmp_path / "in" / "cam1.bmp").exists()


def test_a_file_that_stays_is_judged_once_whatever_is_done_to_its_rights_and_names(
    spool: Spool, tmp_path: Path
) -> None:
    taken = Taken()
    source = over(spool, tmp_path, taken, "keep")
    put(tmp_path, picture("BMP"))
    path, now = tmp_path / "in" / "cam1.bmp", 0.0
    changes: tuple[Callable[[], None], ...] = (
        lambda: None,
        lambda: path.chmod(0o600),
        lambda: (tmp_path / "b").hardlink_to(path),
    )
    for change in changes:
        change()
        for _ in range(3):
            source.look(now := now + 20)
    later = over(spool, tmp_path, taken, "keep")
    (tmp_path / "b").unlink()
    later.look(0.0)
    later.look(20.0)
    assert frames(spool) == 1
    assert taken.refusals == []


def test_a_picture_that_comes_back_under_a_name_and_time_of_old_is_named(
    spool: Spool, tmp_path: Path
) -> None:
    taken = Taken()
    source = over(spool, tmp_path, taken, "keep")
    for i, seed in enumerate((1, 2, 1)):
        put(tmp_path, picture("BMP", seed=seed))
        source.look(2.0 * i)
        source.look(2.0 * i + 1)
    assert frames(spool) == 2
    (why,) = taken.refusals
    assert "under a name of its own" in why


def test_what_is_passed_over_is_said_once(tmp_path: Path) -> None:
    taken = Taken()
    source = folder(tmp_path, taken)
    place = tmp_path / "in"
    (tmp_path / "elsewhere").mkdir()
    (place / "link.png").symlink_to("/etc/hostname")
    (place / "more").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(place / "pipe.png")
    for name in ("a.xml", "b.xml", "c.raw", "d.png.part", ".hidden.xml", "Thumbs.db"):
        (place / name).write_bytes(b"x")
    for now in (0.0, 1.0, 2.0):
        source.look(now)
    ((kind, text),) = taken.alarms
    assert kind == "passed-over"
    for said in (
        "link.png (a symbolic link)",
        "more (a symbolic link)",
        "pipe.png (a pipe",
        ".xml is not an image type",
        ".raw is not an image type",
    ):
        assert said in text
    assert text.count("xml is not an image type") == 1
    for unsaid in ("part", "hidden", "Thumbs"):
        assert unsaid not in text.partition("ignored in ")[2].partition(": ")[2]
    (place / "e.xml").write_bytes(b"x")
    source.look(3.0)
    assert len(taken.alarms) == 1
    (place / "other.png").symlink_to("/etc/hostname")
    source.look(4.0)
    assert "other.png (a symbolic link)" in taken.alarms[1][1]
    assert taken.frames == []
