"""Evidence from a station that runs: what was asked for, each frame judged again, one signature."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saec import edge
from saec.errors import SpoolError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.audit.audit_heads import known_heads
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action, AuditError
from saec.station.audit.audit_verify import verify_log
from saec.station.audit.evidence import check_evidence
from saec.station.audit.signing_keys import SigningKeys
from saec.station.maintenance import evidence_export
from saec.station.maintenance.evidence_export import EvidenceQuery, export_evidence
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from tests.run_fakes import FUSED, FakeDetector
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, UNSURE, Bench, FakeLinkCloud, png


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A line that has judged one frame of each sort, and its keys."""
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    bench = Bench(tmp_path, FakeLinkCloud())
    bench.start()
    for data in (png(GOOD), png(DEFECT), png(UNSURE, green=250), b"no image"):
        bench.accept(data)
    bench.wait(lambda: len(bench.spool.frames("done")) == 4)
    SigningKeys(tmp_path / "data", AuditLog(tmp_path / "data")).ensure("station", "station")
    yield bench
    bench.stop()


def settings(bench: Bench) -> StationSettings:
    line = LineSettings(name="cell", profile=bench.profile, guard=NO_GUARD)
    return StationSettings(station=StationSection(data=bench.folder / "data"), line=[line])


def exported(bench: Bench, name: str = "e.zip", *, replay: bool = True, **query: Any) -> dict[str, Any]:
    """The parts of a file that was made and found sound."""
    target = bench.folder / name
    made = export_evidence(
        settings(bench),
        EvidenceQuery(**query),
        target,
        "anna",
        "admin",
        "claim 7",
        replay=replay,
        cloud_for=lambda _: bench.clouds,
    )
    key = next(key for key in made.keys if key.id == made.key)
    found = check_evidence(target, [key.public])
    assert (found.fault, found.manifest) == ("", made)
    with zipfile.ZipFile(target) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    return {
        "frames": [json.loads(line) for line in parts["frames.jsonl"].splitlines()],
        "actions": [json.loads(line) for line in parts["actions.jsonl"].splitlines()],
        "versions": json.loads(parts["versions.json"]),
        "manifest": json.loads(parts["manifest.json"]),
    }


def test_each_frame_is_there_and_judged_again_beside_the_running_station(bench: Bench) -> None:
    parts = exported(bench)
    assert [frame["id"] for frame in parts["frames"]] == [f"cell-{n:010d}" for n in range(1, 5)]
    assert parts["manifest"]["replays"] == {"same": 4}
    assert all(check["same"] for frame in parts["frames"] for check in frame["replay"]["checks"])
    assert parts["frames"][0]["verdicts"]["final"]["label"] == 0
    (version,) = parts["versions"]["cell"]["versions"]
    assert version["content"] == version["content_now"]
    assert version["judged"] is True
    assert [row["what"] for row in parts["actions"]] == ["keys.make", "evidence.export"]
    assert parts["actions"][-1]["reason"] == "claim 7"
    assert parts["manifest"]["head"]["n"] == 2


def test_the_chain_is_held_against_it_later(bench: Bench) -> None:
    exported(bench)
    log = AuditLog(bench.folder / "data")
    known = known_heads(str(bench.folder / "e.zip"))
    assert verify_log(log, known).fault is None
    db = sqlite3.connect(log.path)
    db.execute("DELETE FROM actions WHERE n = 2")
    db.commit()
    db.close()
    assert verify_log(log).fault is None
    assert verify_log(log, known).fault is not None


def test_a_changed_record_or_image_is_told(bench: Bench) -> None:
    db = sqlite3.connect(bench.folder / "data" / "spool.sqlite")
    db.execute("UPDATE verdicts SET verdict = replace(verdict, '\"label\":1', '\"label\":0') WHERE seq = 2")
    db.commit()
    db.close()
    bench.spool.eviction.drop_images([3])
    parts = exported(bench)
    assert [frame["replay"]["result"] for frame in parts["frames"]] == [
        *("same", "differs", "none", "same"),
    ]


def test_what_is_asked_for_is_there_and_no_more(bench: Bench) -> None:
    first = bench.spool.frames("done")[0]
    name = first.key.removeprefix(f"{first.source}/")
    assert [f["id"] for f in exported(bench, "a.zip", frames=("cell-0000000002",))["frames"]] == [
        "cell-0000000002"
    ]
    assert exported(bench, "b.zip", line="other")["frames"] == []
    assert exported(bench, "c.zip", since=first.accepted + 1e6)["frames"] == []
    assert exported(bench, "c2.zip", since=first.accepted + 1e6)["actions"] == []
    assert exported(bench, "d.zip", until=first.accepted)["frames"] == []
    assert len(exported(bench, "e2.zip", since=first.accepted)["frames"]) == 4
    assert exported(bench, "f.zip", lot="no such lot %_")["frames"] == []
    if name:
        assert first.id in [f["id"] for f in exported(bench, "g.zip", lot=name.upper())["frames"]]


def test_without_replays_nothing_is_opened(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: 1 / 0)
    parts = exported(bench, replay=False)
    assert parts["manifest"]["replays"] == {"none": 4}


def test_frames_come_in_pieces(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_export, "_AT_ONCE", 2)
    assert len(exported(bench, replay=False)["frames"]) == 4


def test_a_span_holds_the_rows_of_its_time(bench: Bench) -> None:
    log = AuditLog(bench.folder / "data", lambda: 5.0)
    log.append(Action(actor="a", role="r", what="early"))
    parts = exported(bench, until=6.0)
    assert [row["what"] for row in parts["actions"]] == ["early"]


def test_what_cannot_be_is_refused_and_leaves_no_file(bench: Bench) -> None:
    with pytest.raises(SpoolError, match="no frame"):
        exported(bench, frames=("cell-0000000099",))
    data = bench.folder / "data"
    keys = SigningKeys(data, AuditLog(data))
    active = keys.active()
    assert active is not None
    keys.revoke("anna", "admin", active.id, "stolen")
    with pytest.raises(AuditError, match="no key that signs"):
        exported(bench, replay=False)
    assert not list(bench.folder.glob("e.zip*"))
