"""What an archive holds, and that each place gives the bytes of its frame."""

from __future__ import annotations

import gc
import hashlib
import tarfile
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from saec.bulk.archive.archive_listing import list_archive
from saec.bulk.archive.listed_frames import ListedFrame
from saec.bulk.archive.place_reader import PlaceReader
from saec.data.input_images import list_inputs
from saec.errors import ConfigError, DataError
from tests.bulk.archives import flat_png, folder_of, parquet_of, tar_of


def shas(frames: list[ListedFrame]) -> set[str]:
    reader = PlaceReader()
    return {hashlib.sha256(reader.read(frame.place)).hexdigest() for frame in frames}


def wanted(numbers: range) -> set[str]:
    return {hashlib.sha256(flat_png(number)).hexdigest() for number in numbers}


def test_a_folder_lists_what_the_plain_run_lists(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "archive", 20)
    found = {(frame.id, frame.path) for frame in list_archive(str(root))}
    assert found == {(source.id, source.path) for source in list_inputs(root, split="all").sources}


def test_links_are_followed_and_links_back_are_not(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "archive", 6)
    (root / "line 0" / "back").symlink_to(root)
    (root / "gone.png").symlink_to(root / "nowhere.png")
    ids = [frame.id for frame in list_archive(str(root))]
    assert len(ids) == len(set(ids)) == 7
    gone = next(frame for frame in list_archive(str(root)) if frame.id == "gone.png")
    with pytest.raises(FileNotFoundError):
        PlaceReader().read(gone.place)


def test_one_file_is_an_archive(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "archive", 3) / "line 0" / "00000.png"
    (frame,) = list_archive(str(path))
    assert (frame.id, frame.path) == ("00000.png", str(path))


def test_members_of_tar_shards_are_frames(tmp_path: Path) -> None:
    tar_of(tmp_path / "shards" / "a.tar", 9)
    tar_of(tmp_path / "shards" / "b.tar", 9, first=9)
    frames = list(list_archive(str(tmp_path / "shards")))
    assert shas(frames) == wanted(range(18))
    first = next(frame for frame in frames if frame.id == "a.tar/p00003.png")
    assert first.path == f"tar://p00003.png::{tmp_path / 'shards' / 'a.tar'}"


def test_a_member_that_comes_again_is_a_frame_of_its_own(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", 2)
    with tarfile.open(path, "a") as tar:
        (tmp_path / "p00000.png").write_bytes(flat_png(7))
        tar.add(tmp_path / "p00000.png", "p00000.png")
    frames = list(list_archive(str(path)))
    assert len({frame.id for frame in frames}) == len(frames) == 3
    assert shas(frames) == wanted(range(2)) | wanted(range(7, 8))


@pytest.mark.parametrize("struct", [False, True])
def test_rows_of_parquet_files_are_frames(tmp_path: Path, struct: bool) -> None:
    path = parquet_of(tmp_path / "a.parquet", 20, struct=struct)
    frames = list(list_archive(str(path)))
    assert [frame.path for frame in frames] == [f"{path}#row={number}" for number in range(20)]
    assert shas(frames) == wanted(range(20))


def test_a_store_gives_what_the_disk_gives(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "archive", 8)
    tar_of(root / "a.tar", 3, first=100)
    parquet_of(root / "b.parquet", 4)
    here, stored = list(list_archive(str(root))), list(list_archive(f"file://{root}"))
    assert {frame.id for frame in stored} == {frame.id for frame in here}
    assert shas(stored) == shas(here)


def test_a_pattern_chooses_in_a_store(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "archive", 12)
    found = {frame.id for frame in list_archive(f"file://{root}/line [01]/*1*.png")}
    assert found == {"line 0/00012.png", "line 1/00001.png", "line 1/00010.png"} - {"line 0/00012.png"}


@pytest.mark.parametrize(
    ("archive", "error", "says"),
    [
        ("nowhere", DataError, "does not exist"),
        ("file:///nowhere/at/all", DataError, "cannot be listed"),
        ("carrier-pigeon://loft", ConfigError, "no protocol"),
    ],
)
def test_what_is_not_there_is_named(archive: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        list(list_archive(archive))


def test_faulty_containers_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    cut = tar_of(tmp_path / "cut.tar", 9)
    cut.write_bytes(cut.read_bytes()[:9000])
    faults = {frame.id: frame.fault for frame in list_archive(str(tmp_path)) if frame.fault}
    assert {id: fault.split(" (")[0].split(": ")[0] for id, fault in faults.items()} == {
        name: f"{tmp_path / name} is no sound {kind} file"
        for name, kind in (("bad.tar", "tar"), ("bad.parquet", "Parquet"), ("cut.tar", "tar"))
    }
    assert sum(frame.id.startswith("cut.tar/") for frame in list_archive(str(tmp_path))) > 2
    (tmp_path / "packed.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match="compressed"):
        list(list_archive(str(tmp_path)))


def test_which_column_is_asked(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "two.parquet"
    parquet.write_table(pa.table({"image": [flat_png(1)], "mask": [flat_png(2)]}), path)
    with pytest.raises(DataError, match="2 columns of bytes: image, mask"):
        list(list_archive(str(path)))
    assert shas(list(list_archive(str(path), "mask"))) == wanted(range(2, 3))
    with pytest.raises(DataError, match="no column lot"):
        list(list_archive(str(path), "lot"))


def test_a_truncated_member_is_no_image(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", 1)
    (frame,) = list_archive(str(path))
    path.write_bytes(path.read_bytes()[: frame.place.start + 10])
    with pytest.raises(OSError, match="ends within"):
        PlaceReader().read(frame.place)


def test_listing_does_not_keep_what_it_lists(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", 3000)
    tracemalloc.start()
    listing = list_archive(str(path))
    list(islice(listing, 500))
    early = held()
    for _ in islice(listing, 2000):
        pass
    late = held()
    tracemalloc.stop()
    assert late - early < 2000 * 200  # the names alone


def held() -> int:
    """Bytes that the listing holds; pathlib's names, which Python keeps, are no part of it."""
    gc.collect()
    ours = [
        tracemalloc.Filter(True, f"*/{name}") for name in ("tarfile.py", "containers.py", "listed_frames.py")
    ]
    return sum(one.size for one in tracemalloc.take_snapshot().filter_traces(ours).statistics("filename"))
