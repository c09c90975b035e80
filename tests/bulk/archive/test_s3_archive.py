"""An archive in an object store, by the real protocol. `make acceptance` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import saec
from saec.bulk.archive import object_stores
from saec.bulk.archive.archive_listing import list_archive
from saec.errors import DataError
from saec.runs.verdict_log import read_all
from tests.bulk.archive.test_archive_listing import shas
from tests.bulk.archives import parquet_of, tar_of
from tests.bulk.s3_server import s3_server

pytestmark = pytest.mark.acceptance


@pytest.fixture
def bucket(tmp_path: Path, gears: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket with images in two folders, a tar shard and a Parquet file."""
    s3fs = pytest.importorskip("s3fs")
    with s3_server(monkeypatch):
        object_stores._opened.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()
        fs = s3fs.S3FileSystem()
        fs.mkdir("plant")
        for number, path in enumerate(sorted(gears.glob("test/*/*.png"))):
            fs.pipe_file(f"plant/2026/cam{number % 2}/{number:03}.png", path.read_bytes())
        fs.pipe_file("plant/2026/readme.txt", b"no frame")
        fs.pipe_file("plant/2026/a.tar", tar_of(tmp_path / "a.tar", 12).read_bytes())
        fs.pipe_file("plant/2026/b.parquet", parquet_of(tmp_path / "b.parquet", 9).read_bytes())
        yield "s3://plant/2026"
        object_stores._opened.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()


def test_a_store_lists_and_reads(bucket: str, gears: Path) -> None:
    frames = list(list_archive(bucket))
    assert len(frames) == 8 + 12 + 9
    assert all(frame.stamp for frame in frames)
    assert len(shas(frames)) == 8 + 12  # the rows are the first of the members
    assert len(list(list_archive(f"{bucket}/cam1/*.png"))) == 4
    assert len(list(list_archive(f"{bucket}/**/*.png"))) == 8
    assert [frame.id for frame in list_archive(f"{bucket}/cam0/000.png")] == ["000.png"]
    with pytest.raises(DataError, match="cannot be listed"):
        list(list_archive("s3://no-such-bucket/photos"))


def test_ray_judges_a_store(bucket: str, gear_line: Path, gears: Path, tmp_path: Path) -> None:
    line = saec.Line.open(gear_line)
    run = line.inspect_many(bucket, engine="ray", out=tmp_path / "run", bulk=saec.BulkConfig(task_frames=8))
    found = {verdict.record.sha256: verdict for verdict in run}
    judged = [line.inspect(path) for path in gears.glob("test/*/*.png")]
    here = {verdict.record.sha256: verdict for verdict in judged}
    assert set(here) <= set(found)
    for sha, verdict in here.items():
        assert (found[sha].score, found[sha].label) == (verdict.score, verdict.label)
    stored = next(verdict for verdict in found.values() if "cam0" in verdict.path)
    assert stored.image.shape == (128, 128, 3)
    member = next(verdict for verdict in found.values() if verdict.path.startswith("tar://"))
    assert member.image.shape == (8, 8, 3)
    paths = [record.path for record in read_all(tmp_path / "run" / "verdicts.jsonl")]
    assert len(set(paths)) == len(paths) == 29
