"""The only writer: one verdict for each frame, whatever comes twice and wherever a process dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.bulk import verdict_shards
from saec.bulk.bulk_writer import BulkWriter
from saec.bulk.verdict_index import INDEX_FILE
from saec.errors import DataError
from saec.runs.verdict_log import mend_log, read_all, read_verdicts
from saec.types import State, VerdictRecord


def verdict(number: int, state: State = "final", sha256: str = "") -> VerdictRecord:
    return VerdictRecord(
        id=f"{number}",
        path=f"/a/{number}",
        sha256=sha256 or f"{number:064x}",
        line="l",
        time=1.0,
        state=state,
    )


def shard_ids(out: Path) -> list[str]:
    from pyarrow import parquet

    files = sorted((out / "verdicts").glob("*.parquet"))
    return [value for file in files for value in parquet.read_table(file)["id"].to_pylist()]


def test_what_comes_twice_is_written_once(tmp_path: Path) -> None:
    with BulkWriter(tmp_path) as writer:
        first = writer.add(verdict(1), "s")
        assert first is not None
        assert first.seq == 1
        assert writer.add(verdict(1), "s") is None
        assert writer.add(verdict(1, sha256="f" * 64), "t") is not None  # the file has other content
    assert [one.seq for one in read_all(tmp_path / "verdicts.jsonl")] == [1, 2]


def test_errors_are_judged_again_once(tmp_path: Path) -> None:
    with BulkWriter(tmp_path) as writer:
        writer.add(verdict(1, "error"), "")
        writer.add(verdict(2), "")
    with BulkWriter(tmp_path) as writer:
        assert writer.index.known("/a/1")
        assert writer.add(verdict(1), "") is None
    with BulkWriter(tmp_path, retry_errors=True) as writer:
        assert not writer.index.known("/a/1")
        assert writer.index.known("/a/2")
        again = writer.add(verdict(1), "")
        assert again is not None
        assert again.replaces
        assert writer.add(verdict(1), "") is None
    standing = {one.id: one.state for one in read_verdicts(tmp_path / "verdicts.jsonl")}
    assert standing == {"1": "final", "2": "final"}


@settings(max_examples=30)
@given(data=st.data())
def test_wherever_the_driver_dies(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Index and Parquet files follow the log, of which any part at the end may be lost."""
    out = tmp_path_factory.mktemp("run")
    before, verdict_shards.SHARD_ROWS = verdict_shards.SHARD_ROWS, data.draw(st.integers(1, 7))
    try:
        for _ in range(data.draw(st.integers(1, 4))):
            mend_log(out / "verdicts.jsonl")
            writer = BulkWriter(out)
            for number in data.draw(st.lists(st.integers(0, 15), max_size=20)):
                known = bool(writer.index.known(f"/a/{number}"))
                assert (writer.add(verdict(number), "stamp") is None) == known
                if data.draw(st.booleans()):
                    writer.commit()
            writer.index._db.close()  # as at a SIGKILL: what is not committed is lost
            writer._log.close()
            log = out / "verdicts.jsonl"
            size = log.stat().st_size
            with log.open("r+b") as f:
                f.truncate(data.draw(st.sampled_from((size, max(0, size - 40)))))
            if data.draw(st.booleans()):
                (out / INDEX_FILE).unlink()
        mend_log(out / "verdicts.jsonl")
        BulkWriter(out).close()
    finally:
        verdict_shards.SHARD_ROWS = before
    ids = [one.id for one in read_all(out / "verdicts.jsonl")]
    assert len(ids) == len(set(ids))
    assert shard_ids(out) == ids


def test_a_mark_before_the_log_shifts_nothing(tmp_path: Path) -> None:
    with BulkWriter(tmp_path) as writer:
        writer.add(verdict(1), "")
        writer.add(verdict(2), "")
    log = tmp_path / "verdicts.jsonl"
    log.write_bytes(b"\xef\xbb\xbf" + log.read_bytes())
    (tmp_path / INDEX_FILE).unlink()
    for number in (3, 4):
        with BulkWriter(tmp_path) as writer:
            assert writer.last == number - 1
            writer.add(verdict(number), "")
    assert shard_ids(tmp_path) == ["1", "2", "3", "4"]


def test_an_index_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / INDEX_FILE).write_bytes(b"no index" * 1000)
    with pytest.raises(DataError, match="delete the file"):
        BulkWriter(tmp_path)


def test_two_drivers_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saec.bulk.verdict_index.BUSY_S", 0.0)
    with BulkWriter(tmp_path), pytest.raises(DataError, match="end the other run"):
        BulkWriter(tmp_path)
