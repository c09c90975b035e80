"""Actions are appended by several programs, kept in order, and read again as they were."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from saec.station.audit.audit_log import AuditLog, HeadWatch
from saec.station.audit.audit_rows import GENESIS, Action, AuditError
from saec.station.audit.audit_verify import verify_log
from saec.station.storage.records import AuditHead


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def action(what: str = "line.promote", **fields: object) -> Action:
    return Action(**{"actor": "anna", "role": "engineer", "what": what, "about": "bottle", **fields})  # type: ignore[arg-type]


def test_a_row_is_what_was_done(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "data", Clock())
    assert log.head() == AuditHead(0, GENESIS)
    assert log.rows() == []
    row = log.append(action(before={"current": 1}, after={"current": 2}, reason="fewer false rejects"))
    assert (row.n, row.time, row.previous) == (1, 1000.0, GENESIS)
    assert log.rows() == [row]
    assert log.head() == AuditHead(1, row.hash)
    assert str(log.head()) == f"1:{row.hash}"
    assert log.append(action()).previous == row.hash


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.append(action())
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["audit.sqlite"]


def test_rows_are_found_newest_first(tmp_path: Path) -> None:
    clock = Clock()
    log = AuditLog(tmp_path, clock)
    for n, (actor, what) in enumerate(
        [("anna", "line.add"), ("bo", "line.promote"), ("anna", "lines"), ("anna", "person.add")]
    ):
        clock.now = 1000.0 + n
        log.append(action(what, actor=actor, about=f"x{n}"))
    assert [row.n for row in log.rows()] == [4, 3, 2, 1]
    assert [row.n for row in log.rows(before_n=3, most=1)] == [2]
    assert [row.n for row in log.rows(actor="anna")] == [4, 3, 1]
    assert [row.n for row in log.rows(what="line.")] == [2, 1]
    assert [row.n for row in log.rows(what="lines")] == [3]
    assert [row.n for row in log.rows(about="x3")] == [4]
    assert [row.n for row in log.rows(since=1001.0, until=1003.0)] == [3, 2]
    assert log.span(1001.0, 1003.0) == (2, 3)
    assert log.span(5000.0, None) == (1, 0)
    assert [raw[0] for raw in log.walk(2, 3)] == [2, 3]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: object()}])
def test_what_is_no_json_is_refused_and_nothing_is_written(tmp_path: Path, value: object) -> None:
    log = AuditLog(tmp_path)
    log.append(action())
    with pytest.raises(ValueError):
        log.append(action(after=value))
    assert log.head().n == 1
    log.append(action())
    assert verify_log(log).fault is None


def test_names_of_any_kind_are_held(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.append(action(actor="王\0小", reason="\udcff half", after={"ü": [1e22, -0.0, 2**70, "\ud800"]}))
    assert verify_log(log).fault is None
    assert log.rows()[0].reason == "? half"


def test_threads_and_processes_append_one_after_the_other(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from saec.station.audit.audit_log import AuditLog\n"
        "from saec.station.audit.audit_rows import Action\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "for n in range(25): log.append(Action(actor=sys.argv[2], role='', what='x'))\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, tmp_path, f"p{n}"]) for n in range(3)]
    log = AuditLog(tmp_path)
    threads = [
        threading.Thread(target=lambda: [log.append(action("y")) for _ in range(25)]) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(120) for other in others] == [0, 0, 0]
    found = verify_log(log)
    assert (found.head.n, found.fault) == (125, None)
    assert {name for name in (path.name for path in tmp_path.iterdir()) if "partial" in name} == set()


def test_a_change_is_recorded_before_it_is_made_and_its_failure_after(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    with log.recorded(action()) as row:
        assert log.head().n == row.n
    with pytest.raises(ZeroDivisionError), log.recorded(action(reason="because")):
        _ = 1 / 0
    failed, begun, _ = log.rows()
    assert (begun.what, failed.what, failed.about) == ("line.promote", "line.promote.failed", "bottle")
    assert failed.before == {"row": begun.n, "error": "ZeroDivisionError: division by zero"}
    assert verify_log(log).fault is None


def test_a_change_is_not_begun_where_it_cannot_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "audit.sqlite").write_bytes(b"no database" * 1000)
    begun = []
    with pytest.raises(AuditError, match="cannot be read or written"), AuditLog(tmp_path).recorded(action()):
        begun.append(1)
    assert begun == []


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.append(action())
    db = sqlite3.connect(log.path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(AuditError, match="format 9"):
        log.append(action())


def test_the_head_that_is_sent_along_is_read_once_a_second_and_never_fails(tmp_path: Path) -> None:
    log, steady = AuditLog(tmp_path), Clock()
    told: list[str] = []
    watch = HeadWatch(log, told.append, steady)
    assert watch.now() == AuditHead(0, GENESIS)
    first = log.append(action())
    assert watch.now() == AuditHead(0, GENESIS)
    steady.now += 1.0
    assert watch.now() == AuditHead(1, first.hash)
    for path in tmp_path.iterdir():
        path.unlink()
    log.path.write_bytes(b"no database" * 1000)
    steady.now += 1.0
    assert told == []
    assert watch.now() == AuditHead(1, first.hash)
    steady.now += 1.0
    assert watch.now() == AuditHead(1, first.hash)
    assert len(told) == 1
    assert HeadWatch(log, told.append, steady).now() is None
