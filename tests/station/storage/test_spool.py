"""What the spool accepted it keeps, and each frame gets exactly one final verdict."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import SpoolError, SpoolFullError
from saec.station.storage.database.schema import write_synced
from saec.station.storage.database_repair import repair_database
from saec.station.storage.outbox import outbox_beside
from saec.station.storage.records import NewFrame, SpoolLimits, frame_name
from saec.station.storage.space.image_files import ImageFiles
from saec.station.storage.space.set_aside import SetAsideFiles
from saec.station.storage.spool import Spool
from saec.types import Capture, VerdictRecord
from tests.station.station_fakes import image_path


def new(key: str, line: str = "bottle") -> NewFrame:
    return NewFrame(line=line, source="test", key=key, suffix=".png", captured=1.0)


def verdict(id: str, label: int = 0) -> VerdictRecord:
    return VerdictRecord(id=id, path="", sha256="", line="bottle", time=1.0, label=label)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", sinks=("files", "web"), limits=SpoolLimits(free_gb=0))
    yield spool
    spool.close()


def test_a_frame_is_on_the_disk_when_accept_returns(spool: Spool) -> None:
    got = spool.accept(new("a"), b"pixels")
    (held,) = spool.frames("accepted")
    assert (held.id, held.seq, held.state) == (got.id, got.seq, "accepted")
    assert spool.path(held).read_bytes() == b"pixels"
    assert spool.depth()["bytes"] == 4096  # as the disk counts


def test_the_same_key_is_the_same_frame(spool: Spool) -> None:
    first = spool.accept(new("a"), b"one")
    again = spool.accept(new("a"), b"one")
    assert (again.seq, again.duplicate, first.duplicate) == (first.seq, True, False)
    assert spool.accept(new("a", line="screw"), b"one").seq != first.seq
    with pytest.raises(SpoolError, match="another image"):
        spool.accept(new("a"), b"two")
    assert len(list(spool.images.folder.rglob("*.png"))) == 2


def test_a_frame_has_at_most_one_verdict_of_each_state_and_none_after_the_final(spool: Spool) -> None:
    seq = spool.accept(new("a"), b"1").seq
    assert spool.decide(seq, "provisional", verdict("a", 0), edge=b"{}")
    assert not spool.decide(seq, "provisional", verdict("a", 1))
    assert spool.frame(seq).state == "asked"
    assert spool.decide(seq, "final", verdict("a", 1))
    assert not spool.decide(seq, "final", verdict("a", 0))
    assert not spool.decide(seq, "provisional", verdict("a", 0))
    assert {s: v.label for s, v in spool.verdicts(seq).items()} == {"provisional": 0, "final": 1}
    assert spool.frame(seq).state == "done"
    assert [(d.state, d.act) for d in spool.outbox.waiting("web")] == [
        ("provisional", True),
        ("final", False),
    ]
    (alarm,) = spool.alarms()
    assert (alarm.kind, alarm.text) == (
        "disagreement",
        "the line acted on good; the answer that stands is defect",
    )


def test_the_line_acts_on_the_first_verdict_alone_and_only_in_time(spool: Spool) -> None:
    for key, in_time in (("a", True), ("b", False)):
        seq = spool.accept(new(key), b"1").seq
        spool.decide(seq, "provisional", verdict(key), in_time=in_time)
        spool.decide(seq, "final", verdict(key))
    assert [d.act for d in spool.outbox.waiting("web")] == [True, False, False, False]
    assert spool.alarms() == []


def test_a_delivery_stays_until_its_own_sink_has_taken_it(spool: Spool) -> None:
    seq = spool.accept(new("a"), b"1").seq
    spool.decide(seq, "final", verdict("a"))
    (one,) = spool.outbox.waiting("files")
    spool.outbox.delivered([one.n])
    spool.outbox.failed([d.n for d in spool.outbox.waiting("web")])
    assert spool.outbox.waiting("files") == []
    assert [d.attempts for d in spool.outbox.waiting("web")] == [1]
    spool.outbox.delivered([d.n for d in spool.outbox.waiting("web")])
    assert [f.seq for f in spool.kept()] == [seq]


def test_everything_outlives_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    spool = Spool(folder, sinks=("a", "b"))
    done, open_ = (spool.accept(new(k), k.encode()) for k in "xy")
    spool.decide(done.seq, "final", verdict("x"))
    spool.count("refused")
    spool.close()
    spool = Spool(folder, sinks=("a",))
    assert [f.seq for f in spool.frames("accepted")] == [open_.seq]
    assert spool.counters() == {"refused": 1, "verdict:bottle:final:good:edge": 1}
    assert len(spool.outbox.waiting("a")) == 1
    assert spool.outbox.lost(spool.sinks) == {"b": 1}  # until its sink is named again
    assert spool.accept(new("z"), b"z").seq > open_.seq
    spool.close()


def test_a_folder_has_one_owner(spool: Spool) -> None:
    with pytest.raises(SpoolError, match="running"):
        Spool(spool.folder)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(SpoolError, match="damaged"):
        Spool(tmp_path)


def test_limits_refuse_and_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limits=SpoolLimits(frames=2, free_gb=0))
    seqs = [spool.accept(new(k), b"1").seq for k in "ab"]
    with pytest.raises(SpoolFullError, match="2 frames wait"):
        spool.accept(new("c"), b"1")
    assert spool.accept(new("a"), b"1").duplicate
    spool.decide(seqs[0], "final", verdict("a"))
    spool.accept(new("c"), b"1")
    spool.close()
    for limits, what in ((SpoolLimits(free_gb=1e6), "free on the disk"),):
        spool = Spool(tmp_path, limits=limits)
        with pytest.raises(SpoolFullError, match=what):
            spool.accept(new("d"), b"1")
        spool.close()


def test_a_full_disk_is_an_error_of_its_own_and_leaves_no_file(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpoolFullError, match="full"):
        spool.accept(new("a"), b"1")
    assert spool.frames("accepted") == []
    assert [p for p in spool.images.folder.rglob("*") if p.is_file()] == []


def test_images_that_are_gone_or_cannot_be_written_are_told_and_cost_no_later_frame(spool: Spool) -> None:
    shutil.rmtree(spool.images.folder)
    held = spool.frame(spool.accept(new("a"), b"1").seq)
    assert held is not None
    assert spool.path(held).read_bytes() == b"1"
    shutil.rmtree(spool.images.folder)
    spool.images.folder.touch()
    with pytest.raises(SpoolFullError, match="images cannot be written"):
        spool.accept(new("b"), b"2")
    spool.images.folder.unlink()
    assert not spool.accept(new("b"), b"2").duplicate


def test_a_transaction_that_fails_changes_nothing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    seq = spool.accept(new("a"), b"1").seq

    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("saec.station.storage.results.verdict_effects.raise_alarm", broken)
    with pytest.raises(sqlite3.OperationalError):
        spool.decide(seq, "final", verdict("a"), alarms=[("x", "y")])
    assert spool.verdicts(seq) == {}
    assert spool.outbox.waiting("web") == []
    assert spool.depth()["accepted"] == 1


def test_retention_keeps_the_record_without_the_image(spool: Spool) -> None:
    seq = spool.accept(new("a"), b"1").seq
    spool.decide(seq, "final", verdict("a"))
    assert spool.eviction.forget_before(1e12) == 0
    for sink in ("files", "web"):
        spool.outbox.delivered([d.n for d in spool.outbox.waiting(sink)])
    assert spool.eviction.forget_before(1e12) == 0
    spool.eviction.drop_images([seq])
    assert spool.depth()["bytes"] == 0
    with pytest.raises(SpoolError, match="was deleted"):
        image_path(spool, seq)
    assert spool.verdicts(seq)
    assert spool.eviction.forget_before(1e12) == 1
    assert spool.frame(seq) is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["accept", "again", "ask", "provisional", "final"]), max_size=25))
def test_no_order_of_calls_loses_a_frame_or_judges_it_twice(
    tmp_path_factory: pytest.TempPathFactory, calls: list[str]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("s"), sinks=("a",), limits=SpoolLimits(free_gb=0))
    accepted: list[int] = []
    for i, call in enumerate(calls):
        if call == "accept":
            accepted.append(spool.accept(new(str(i)), str(i).encode()).seq)
        elif accepted and call == "again":
            key = spool.frame(accepted[-1]).key
            assert spool.accept(new(key), key.encode()).duplicate
        elif accepted and call == "ask":
            spool.ask(accepted[-1], b"{}", "1")
        elif accepted:
            spool.decide(accepted[i % len(accepted)], call, verdict(str(i)))  # type: ignore[arg-type]
    held = {f.seq for s in ("accepted", "asked", "done") for f in spool.frames(s)}
    assert held == set(accepted)
    done = {f.seq for f in spool.frames("done")}
    assert done == {seq for seq in accepted if "final" in spool.verdicts(seq)}
    assert len(spool.outbox.waiting("a")) == sum(len(spool.verdicts(seq)) for seq in accepted)
    spool.close()


CHILD = """
import sys
from pathlib import Path
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
spool = Spool(Path(sys.argv[1]), limits=SpoolLimits(free_gb=0))
i = 0
while True:
    frame = NewFrame(line="bottle", source="s", key=f"{i:06}", suffix=".png", captured=1.0)
    print(spool.accept(frame, f"{i:06}".encode() * 50).seq, flush=True)
    i += 1
"""


def test_sigkill_loses_no_acknowledged_frame_and_leaves_no_orphan(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(40)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout.read().split()]
    child.wait()
    spool = Spool(tmp_path)
    held = spool.frames("accepted", most=10_000)
    assert set(acknowledged) <= {f.seq for f in held}
    assert all(spool.path(f).read_bytes() == f.key.encode() * 50 for f in held)
    assert len([p for p in spool.images.folder.rglob("*") if p.is_file()]) == len(held)
    spool.close()


def test_threads_with_one_key_make_one_frame(spool: Spool) -> None:
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda: got.append(spool.accept(new("a"), b"1").seq)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    assert len(list(spool.images.folder.rglob("*.png"))) == 1
    assert spool.depth()["accepted"] == 1


def test_who_watches_a_frame_is_told_of_its_verdicts_and_of_no_other_s(spool: Spool) -> None:
    one, other = (spool.accept(new(key), b"1").seq for key in ("a", "b"))
    told: list[tuple[str, str]] = []
    with (
        spool.watch(one, lambda v: told.append(("first", v.id))),
        spool.watch(one, lambda v: told.append(("second", v.id))),
    ):
        spool.decide(other, "final", verdict("b"))
        assert told == []
        spool.decide(one, "provisional", verdict("a"))
        assert told == [("first", "a"), ("second", "a")]
    spool.decide(one, "final", verdict("a"))
    assert len(told) == 2


def test_who_acts_is_told_of_the_first_verdict_in_time_and_of_no_later_one(spool: Spool) -> None:
    one, late = (spool.accept(new(key), b"1").seq for key in ("a", "b"))
    told: list[tuple[int, str]] = []
    spool.acting.append(lambda seq, v: told.append((seq, v.state)))
    spool.decide(one, "provisional", msgspec.structs.replace(verdict("a"), state="provisional"))
    spool.decide(one, "final", verdict("a"))
    spool.decide(late, "final", verdict("b"), in_time=False)
    assert told == [(one, "provisional")]


def test_reading_and_watching_wait_for_no_write(spool: Spool) -> None:
    """The server's own thread watches: were it to wait for a sync, all requests would."""
    seq = spool.accept(new("a"), b"1").seq
    with spool._transaction() as db:
        db.execute("UPDATE frames SET state = 'done' WHERE seq = ?", (seq,))
        done: list[str] = []

        def read() -> None:
            with spool.watch(seq, lambda _: None):
                done.append(spool.frame(seq).state)
                done.append(str(spool.depth()["accepted"]))
                done.append(str(spool.accept(new("a"), b"1").duplicate))

        thread = threading.Thread(target=read)
        thread.start()
        thread.join(60)
        assert done == ["accepted", "1", "True"]
    assert spool.frame(seq).state == "done"


@pytest.mark.parametrize(
    ("source", "key", "name"),
    [
        ("in", "in/a b@c.png@1700000000123456789+4242#0123456789abcdef", "a b@c.png"),
        ("in", "in/sub/a.png@17+42#0123456789abcdef/99", "sub/a.png"),
        ("film", "film/belt.mp4@17/233", "belt.mp4, frame 233"),
        ("cam", "cam/1700000000.123456/7", ""),
        ("http", "http/shift 3/0042.png", "shift 3/0042.png"),
        ("http", f"http/{'0' * 64}@1700000000", ""),
    ],
)
def test_a_frame_is_called_what_its_source_called_it(source: str, key: str, name: str) -> None:
    assert frame_name(source, key) == name


def test_a_database_of_another_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    Spool(tmp_path).close()
    with sqlite3.connect(tmp_path / "spool.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(SpoolError, match="has the format 99") as e:
        Spool(tmp_path)
    assert "the version of saec that wrote it" in e.value.remedy
    with pytest.raises(SpoolError, match="has the format 99"), outbox_beside(tmp_path):
        pass


def test_a_database_that_lacks_a_table_is_damaged(tmp_path: Path) -> None:
    Spool(tmp_path).close()
    with sqlite3.connect(tmp_path / "spool.sqlite") as db:
        db.execute("DROP TABLE alarms")
    with pytest.raises(SpoolError, match="it has no alarms") as e:
        Spool(tmp_path)
    assert "saec station repair" in e.value.remedy


def test_a_change_of_the_outbox_that_fails_changes_nothing(spool: Spool) -> None:
    seq = spool.accept(new("a"), b"1").seq
    spool.decide(seq, "final", verdict("a"))
    with outbox_beside(spool.folder) as outbox:
        (waiting,) = outbox.waiting("web")
        with pytest.raises(sqlite3.Error):
            outbox.delivered([waiting.n, object()])  # type: ignore[list-item]
        assert [d.n for d in outbox.waiting("web")] == [waiting.n]


def test_a_file_that_cannot_be_synced_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_synced(tmp_path / "a", b"1")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_set_aside_in_one_second_keep_their_names_apart(tmp_path: Path) -> None:
    aside = SetAsideFiles(tmp_path)
    kept = []
    for content in (b"1", b"2", b"3"):
        (tmp_path / "a.png").write_bytes(content)
        kept.append(aside.take(tmp_path / "a.png", 1e9))
    assert [path.name for path in kept] == ["a.png", "a-1.png", "a-2.png"]
    assert [path.read_bytes() for path in kept] == [b"1", b"2", b"3"]
    assert aside.bytes() > 0


def test_a_disk_that_gives_back_something_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ImageFiles(tmp_path / "images")
    files.probe()
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"else")
    with pytest.raises(OSError, match="returns other data"):
        files.probe()


def test_there_is_nothing_to_repair_where_no_station_has_run(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="does not exist") as e:
        repair_database(tmp_path, 1e9)
    assert "start the station" in e.value.remedy


def test_each_verdict_says_how_its_frame_was_taken(spool: Spool) -> None:
    capture = Capture(plc="press", trigger=12, number=340, camera_time=5.25)
    frame = msgspec.structs.replace(new("a"), part="A-17", recipe=3, capture=capture)
    receipt = spool.accept(frame, b"an image")
    kept = spool.frame(receipt.seq)
    assert kept is not None
    assert (kept.part, kept.recipe, kept.capture) == ("A-17", 3, capture)
    spool.decide(receipt.seq, "provisional", verdict(receipt.id))
    spool.decide(receipt.seq, "final", verdict(receipt.id, 1))
    for told in spool.verdicts(receipt.seq).values():
        assert (told.part, told.recipe, told.capture) == ("A-17", 3, capture)
