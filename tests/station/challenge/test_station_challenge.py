"""Golden parts through a whole station: what passes, what fails, what follows, and what is interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.profile import LineProfile
from saec.station.audit.audit_log import AuditLog
from saec.station.challenge_records import ChallengeRecord
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import change_version
from saec.station.storage.results.challenge_table import CUT_SHORT
from saec.web.admission.tokens import Tokens
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.challenge.golden_bench import DEFECT, GOOD, challenge_settings, last_run, pin
from tests.station.station_fakes import UNSURE, FakeLinkCloud, Running, png


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


def running(folder: Path, cloud: FakeLinkCloud | None = None, **challenge: object) -> Running:
    return Running(challenge_settings(folder, **challenge), cloud or FakeLinkCloud(), Tokens(None))


def run_now(bench: Running, **wish: object) -> ChallengeRecord:
    before = bench.station.spool.challenges("cell", 1)
    answer = bench.client.post("/v1/lines/cell/challenge", json=wish)
    assert answer.status_code == 202, answer.text
    return last_run(bench, before[0].n if before else 0)


def test_a_set_that_is_judged_right_passes_with_exact_bounds_and_counts_nowhere(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        pin(tmp_path / "data")
        run = run_now(bench, reason="shift begins")
        assert (run.state, run.reasons, run.why) == ("passed", (), "asked")
        assert (run.missed, run.defects, run.false_rejects, run.goods) == (0, 2, 0, 3)
        assert run.escape is not None
        assert run.escape[0] == 0.0
        assert run.escape[1] == pytest.approx(1 - 0.025 ** (1 / 2))  # Clopper-Pearson of 0 in 2
        assert run.overkill is not None
        assert run.overkill[1] == pytest.approx(1 - 0.025 ** (1 / 3))
        assert [one.outcome for one in run.parts] == ["right"] * 5
        station = bench.station
        assert station.spool.last_change() == 0, "no verdict that is searched or counted"
        names = [name for name in station.spool.counters() if name.startswith("verdict:")]
        assert names == []
        frame = station.spool.frame(run.last)
        assert frame is not None
        assert frame.challenge == f"{run.n} g4"
        assert station.spool.acted(run.last) is None
        (verdict,) = station.spool.verdicts(run.last).values()
        assert verdict.challenge == frame.challenge
        status = bench.client.get("/v1/lines/cell/challenge").json()
        assert (status["standing"], status["golden"], status["runs"][0]["n"]) == ("passed", 5, run.n)
        assert 'saec_challenge{line="cell",standing="passed"} 1.0' in bench.client.get("/metrics").text
    lines = [json.loads(text) for path in (tmp_path / "out").iterdir() for text in path.open()]
    assert [(one["state"], one["key"]) for one in lines] == [("challenge", f"cell/challenge/{run.n}")]
    assert "verdict" not in lines[0]
    assert lines[0]["challenge"]["state"] == "passed"
    done = [row.what for row in AuditLog(tmp_path / "data").rows() if row.what.startswith("challenge")]
    assert done == ["challenge.run", "challenge.pin"]


def test_a_missed_defect_fails_and_stops_nothing_by_default(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        pin(tmp_path / "data", defects=(30,))
        run = run_now(bench)
        assert (run.state, run.missed, run.stop) == ("failed", 1, False)
        assert run.reasons == ("1 defect judged good: g3",)
        (alarm,) = [one for one in bench.station.spool.alarms() if one.kind == "challenge"]
        assert "g3" in alarm.text
        assert alarm.about == "cell"
        assert bench.post(png(GOOD)).json()["verdict"]["label"] == 0
        assert bench.station.challenges.result("cell") == "failed"


def test_a_false_reject_fails_unless_it_is_allowed(tmp_path: Path) -> None:
    with running(tmp_path, false_rejects=1) as bench:
        pin(tmp_path / "data", goods=(20, 235))
        assert run_now(bench).state == "passed"
        pin(tmp_path / "data", goods=(234,), defects=())
        run = run_now(bench)
        assert (run.state, run.false_rejects) == ("failed", 2)


def test_a_stopped_line_stores_frames_and_says_why_until_a_run_passes(tmp_path: Path) -> None:
    with running(tmp_path, stop=True) as bench:
        golden = pin(tmp_path / "data", defects=(30,))
        run = run_now(bench)
        assert run.stop
        eventually(lambda: bench.station.challenges.stopped("cell") != "")
        verdict = bench.post(png(DEFECT)).json()["verdict"]
        assert (verdict["label"], verdict["reason"]) == (None, "stopped-error")
        assert f"challenge {run.n}" in verdict["error"]["message"]
        assert bench.client.get("/ready").status_code == 503
        assert any(f"challenge {run.n}" in problem for problem in bench.station.problems())
    with running(tmp_path, stop=True) as bench:  # over a restart it stays stopped
        assert bench.post(png(GOOD)).json()["verdict"]["label"] is None
        golden.unpin(AuditLog(tmp_path / "data"), "anna", "engineer", ["g3"])
        assert run_now(bench).state == "passed"
        assert bench.post(png(GOOD, 1)).json()["verdict"]["label"] == 0


def test_an_override_needs_a_reason_and_holds_over_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, stop=True) as bench:
        pin(tmp_path / "data", defects=(30,))
        run = run_now(bench)
        eventually(lambda: bench.station.challenges.stopped("cell") != "")
        where = "/v1/lines/cell/challenge/override"
        assert bench.client.post(where, json={"run": run.n, "reason": " "}).status_code == 400
        assert bench.client.post(where, json={"run": run.n, "reason": "lamp changed"}).status_code == 200
        assert bench.post(png(GOOD)).json()["verdict"]["label"] == 0
    with running(tmp_path, stop=True) as bench:
        assert bench.post(png(GOOD, 1)).json()["verdict"]["label"] == 0
        assert run_now(bench).stop
        eventually(lambda: bench.station.challenges.stopped("cell") != "")
    row = next(r for r in AuditLog(tmp_path / "data").rows() if r.what == "challenge.override")
    assert (row.about, row.reason) == ("cell", "lamp changed")


def test_a_run_that_a_crash_cut_short_is_interrupted_and_never_passed(tmp_path: Path) -> None:
    bench = running(tmp_path)
    record = ChallengeRecord(line="cell", way="pictures", why="asked", who="anna", begun=1.0)
    opened = bench.station.spool.runs.open(record)
    with bench:
        run = last_run(bench)
        assert (run.n, run.state, run.reasons) == (opened.n, "interrupted", (CUT_SHORT,))
        (alarm,) = [a for a in bench.station.spool.alarms() if a.kind == "challenge-interrupted"]
        assert alarm.about == "cell"
        assert bench.station.challenges.result("cell") == "none"


def test_without_the_cloud_a_part_that_needs_it_interrupts_the_run(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    with running(tmp_path, cloud) as bench:
        pin(tmp_path / "data", goods=(20, UNSURE), defects=())
        run = run_now(bench)
        assert run.state == "interrupted"
        assert run.parts[1].outcome == "no-cloud"


def test_a_changed_picture_of_the_set_interrupts_the_run(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        golden = pin(tmp_path / "data")
        golden.path(golden.parts()[1]).write_bytes(png(21))
        run = run_now(bench)
        assert run.state == "interrupted"
        assert "was changed since it was pinned" in run.reasons[-1]


def test_an_empty_set_is_interrupted(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        assert run_now(bench).reasons == ("no golden part is pinned to the line",)


def test_golden_parts_before_the_camera_are_the_next_frames_by_part_id_or_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        pin(tmp_path / "data")
        assert bench.client.post("/v1/lines/cell/challenge", json={"way": "camera"}).status_code == 202
        eventually(lambda: bench.station.challenges.lines["cell"].awaits_parts)
        order = [("P3", 240), ("X9", 25), ("P0", 20), ("P1", 22), ("P4", 236), ("P2", 24)]
        for part, red in order:
            answer = bench.post(png(red), wait=0, part_id=part)
            assert answer.status_code == 201
        run = last_run(bench)
        assert (run.state, run.way, len(run.parts)) == ("passed", "camera", 5)
        assert bench.station.spool.last_change() == 1, "the part between them is a part like any other"
        assert {check.name for check in run.conditions} >= {"brightness", "sharpness", "likeness"}


def test_parts_that_do_not_come_interrupt_a_run_at_the_camera(tmp_path: Path) -> None:
    with running(tmp_path, camera_s=0.3) as bench:
        pin(tmp_path / "data")
        bench.client.post("/v1/lines/cell/challenge", json={"way": "camera"})
        run = last_run(bench)
        assert run.state == "interrupted"
        assert "5 golden parts did not come" in run.reasons[-1]


def test_a_promotion_is_followed_by_a_run(tmp_path: Path) -> None:
    with running(tmp_path) as bench:
        pin(tmp_path / "data")
        eventually(lambda: bench.station.spool.mark("challenge-version:cell") == 1)
        store = VersionStore(tmp_path / "data" / "lines" / "cell")
        store.add(_other_profile(tmp_path))
        audit = AuditLog(tmp_path / "data")
        change_version(store, audit, "anna", "engineer", "line.promote", 2, reason="trial")
        run = last_run(bench)
        assert (run.why, run.state) == ("promotion", "passed")


def test_frames_make_a_run_due(tmp_path: Path) -> None:
    with running(tmp_path, every_frames=2) as bench:
        pin(tmp_path / "data")
        bench.post(png(GOOD))
        bench.post(png(GOOD, 1))
        assert last_run(bench).why == "schedule"


def test_a_run_that_is_due_and_cannot_be_made_raises_an_alarm(tmp_path: Path) -> None:
    with running(tmp_path, every_frames=1, due_s=0.001) as bench:
        bench.post(png(GOOD))
        eventually(lambda: any(a.kind == "challenge-due" for a in bench.station.spool.alarms()))


def _other_profile(folder: Path) -> Path:
    made = folder / "other"
    first = LineProfile.open(folder / "profile", verify=False)
    line = make_line(made).line
    LineProfile.create(made, msgspec.structs.replace(line, created="later"), first.calibration)
    return made
