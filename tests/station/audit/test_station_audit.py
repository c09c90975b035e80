"""A station makes its key, records its first version, and sends the head of the audit with each verdict."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.audit.audit_heads import known_heads
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_verify import verify_log
from saec.station.audit.signing_keys import SigningKeys
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import change_version
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import FileSink
from saec.web.admission.tokens import Tokens
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import GOOD, NO_GUARD, FakeLinkCloud, Running, png


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StationSettings:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    make_line(tmp_path / "profile")
    return StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)],
        sink=[FileSink(name="log", path=tmp_path / "out")],
    )


def sent(folder: Path) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


def test_the_heads_that_leave_find_a_record_that_was_cut(settings: StationSettings, tmp_path: Path) -> None:
    out, log = tmp_path / "out", AuditLog(tmp_path / "data")
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        running.post(png(GOOD))
        eventually(lambda: len(sent(out)) == 1)
    assert [(row.actor, row.what) for row in log.rows()] == [
        ("station", "keys.make"),
        ("station", "line.add"),
    ]
    assert sent(out)[0]["audit"] == {"n": log.head().n, "hash": log.head().hash}
    assert SigningKeys(tmp_path / "data", log).active() is not None
    (path,) = out.glob("*.jsonl")
    assert verify_log(log, known_heads(str(path))).fault is None
    db = sqlite3.connect(log.path)
    db.execute("DELETE FROM actions WHERE n = 2")
    db.commit()
    db.close()
    assert verify_log(log).fault is None
    fault = verify_log(log, known_heads(str(path))).fault
    assert fault is not None
    assert fault.n == 2


def test_a_second_start_makes_no_second_key(settings: StationSettings, tmp_path: Path) -> None:
    for _ in range(2):
        with Running(settings, FakeLinkCloud(), Tokens(None)):
            pass
    assert len(AuditLog(tmp_path / "data").rows(what="keys.")) == 1


def test_without_a_record_that_can_be_read_the_line_judges_and_says_so(
    settings: StationSettings, tmp_path: Path
) -> None:
    with Running(settings, FakeLinkCloud(), Tokens(None)):
        pass
    log = AuditLog(tmp_path / "data")
    for path in tmp_path.glob("data/audit.sqlite*"):
        path.unlink()
    log.path.write_bytes(b"no database" * 1000)
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        assert running.post(png(GOOD)).json()["verdict"]["label"] == 0
        eventually(lambda: len(sent(tmp_path / "out")) == 1)
        assert sent(tmp_path / "out")[0]["audit"] is None
        assert "audit" in [alarm.kind for alarm in running.station.spool.alarms()]


def test_an_append_that_waits_holds_no_verdict(settings: StationSettings, tmp_path: Path) -> None:
    """Another program is in the middle of an append, for as long as it likes."""
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        held = sqlite3.connect(running.station.audit.path, isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        assert running.post(png(GOOD)).json()["verdict"]["label"] == 0
        eventually(lambda: len(sent(tmp_path / "out")) == 1)
        held.execute("ROLLBACK")
        held.close()
        store = VersionStore(tmp_path / "data" / "lines" / "cell")
        change_version(store, running.station.audit, "anna", "engineer", "line.shadow", 1)
    assert AuditLog(tmp_path / "data").rows()[0].what == "line.shadow"
