"""The edge answers at once, the cloud when it can, the deadline always; one final verdict a frame."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saec import edge
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.profile import LineProfile
from saec.schedule.calibration.drift import DriftMonitor
from saec.settings import Spending
from saec.types import CloudOpinion, CloudQuery, EdgeOpinion, EdgeRecord, Image, Pending, Route, Source, Spent
from tests.run_fakes import CALIBRATION, FUSED, FakeDetector
from tests.station.station_fakes import DEFECT, GOOD, UNSURE, Bench, FakeLinkCloud, image_path, png, spooled


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@contextmanager
def running(
    folder: Path,
    cloud: FakeLinkCloud | None,
    deadline: float = 30.0,
    budget: float | None = None,
    spending: Spending | None = None,
) -> Iterator[Bench]:
    bench = Bench(folder, cloud, deadline, budget, spending)
    bench.start()
    try:
        yield bench
        assert bench.failures == []
    finally:
        bench.stop()


def done(bench: Bench, *seqs: int) -> bool:
    return all("final" in bench.spool.verdicts(seq) for seq in seqs)


def test_the_edge_decides_what_it_is_sure_of_and_the_cloud_the_rest(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        good, defect = bench.accept(png(GOOD)), bench.accept(png(DEFECT))
        bench.wait(lambda: done(bench, good, defect))
        assert bench.runner.status()["asked"] == 0
        asked = [bench.accept(png(UNSURE, green=g)) for g in (250, 5)]
        bench.wait(lambda: done(bench, good, defect, *asked))
        assert bench.labels(good) == {"final": (0, "edge")}
        assert bench.labels(defect) == {"final": (1, "edge")}
        assert [bench.labels(seq) for seq in asked] == [{"final": (1, "cloud")}, {"final": (0, "cloud")}]
        assert all(d.act for d in bench.spool.outbox.waiting("sink"))
        assert 1 <= bench.runner.status()["asked"] <= 2
        assert bench.spool.alarms() == []


def test_the_spool_holds_what_a_question_took_and_where_the_frame_is_hottest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = Spent(("whole 112", "crop 224"), 80, 80, 160, 4321)

    class Crops(FakeLinkCloud):
        def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
            self.places = [query.hottest for query in queries]
            return [replace(opinion, spent=took) for opinion in super().judge(queries)]

    class Spot(FakeDetector):
        def _look(self, image: Image) -> EdgeOpinion:
            opinion = super()._look(image)
            assert opinion.map is not None
            opinion.map[2, 1] += 1
            return opinion

    monkeypatch.setattr(edge, "open_detector", lambda profile: Spot())
    cloud = Crops()
    with running(tmp_path, cloud, spending=Spending(rule="crop")) as bench:
        seq = bench.accept(png(UNSURE, green=250))
        bench.wait(lambda: done(bench, seq))
        assert bench.spool.verdicts(seq)["final"].cloud.spent == took
        assert cloud.places == [(2, 4, 4, 6)]


def test_a_frame_that_an_older_station_left_waiting_is_read() -> None:
    pending = Pending(
        source=Source(id="a", path="a"),
        sha256="",
        time=0.0,
        edge=EdgeRecord(0.5, 0),
        route=Route("cloud", "unsure"),
    )
    old = {k: v for k, v in msgspec.to_builtins(pending).items() if k != "hottest"}
    assert msgspec.json.decode(msgspec.json.encode(old), type=Pending) == pending


def test_without_a_cloud_the_edge_is_final(tmp_path: Path) -> None:
    with running(tmp_path, None) as bench:
        seq = bench.accept(png(UNSURE))
        bench.wait(lambda: done(bench, seq))
        assert bench.labels(seq)["final"][1] == "edge"


def test_a_cloud_that_is_late_finalises_and_never_acts(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.gate = threading.Event()
    deadline = 2.0
    with running(tmp_path, cloud, deadline=deadline) as bench:
        seq = bench.accept(png(UNSURE - 5, green=250))
        bench.wait(lambda: bool(bench.spool.verdicts(seq)))
        provisional = bench.spool.verdicts(seq)["provisional"]
        assert (provisional.decided_by, provisional.reason) == ("edge-fallback", "deadline")
        assert bench.spool.frame(seq).state == "asked"
        cloud.gate.set()
        bench.wait(lambda: done(bench, seq))
        final = bench.spool.verdicts(seq)["final"]
        assert (final.decided_by, final.label) == ("cloud", 1)
        assert [(d.state, d.act) for d in bench.spool.outbox.waiting("sink")] == [
            ("provisional", provisional.ms["answer"] <= 1e3 * deadline),  # it acts if it was in time
            ("final", False),
        ]
        kinds = [alarm.kind for alarm in bench.spool.alarms()]
        assert kinds == (["disagreement"] if provisional.label == 0 else [])


def test_a_cut_link_delays_no_verdict_and_all_answers_come_when_it_is_back(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    with running(tmp_path, cloud, deadline=0.3) as bench:
        seqs = [bench.accept(png(UNSURE, green=250 if i % 2 else 5)) for i in range(12)]
        bench.wait(lambda: all(bench.spool.verdicts(seq) for seq in seqs))
        assert not any("final" in bench.spool.verdicts(seq) for seq in seqs)
        cloud.up = True
        bench.wait(lambda: done(bench, *seqs))
        assert [bench.labels(seq)["final"] for seq in seqs] == [(i % 2, "cloud") for i in range(12)]
        states = [d.state for d in bench.spool.outbox.waiting("sink")]
        assert (states.count("provisional"), states.count("final")) == (12, 12)
        assert not any(d.act for d in bench.spool.outbox.waiting("sink") if d.state == "final")


def test_after_a_crash_nothing_is_lost_and_nothing_judged_twice(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    first = Bench(tmp_path, cloud)
    seqs = [first.accept(png(UNSURE, green=250)), first.accept(png(GOOD)), first.accept(png(UNSURE, green=5))]
    for frame in first.spool.frames("accepted", most=2):
        first.runner._edge.judge(frame, time.perf_counter())
    first.spool.close()
    cloud.up = True
    with running(tmp_path, cloud) as bench:
        bench.wait(lambda: done(bench, *seqs))
        assert bench.labels(seqs[0]) == {
            "provisional": (bench.labels(seqs[0])["provisional"][0], "edge-fallback"),
            "final": (1, "cloud"),
        }
        assert bench.labels(seqs[1]) == {"final": (0, "edge")}
        assert bench.labels(seqs[2])["final"] == (0, "cloud")
        acted = {d.verdict.id for d in bench.spool.outbox.waiting("sink") if d.act}
        assert bench.spool.frame(seqs[0]).id not in acted


def test_a_disk_that_is_full_for_a_while_costs_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = FakeLinkCloud()
    cloud.gate = threading.Event()
    with running(tmp_path, cloud, deadline=0.3) as bench:
        decide = bench.spool.decide
        refused: list[Any] = []

        def full(*args: object, **more: object) -> bool:
            if len(refused) < 3:
                refused.append(args)
                raise sqlite3.OperationalError("database or disk is full")
            return decide(*args, **more)  # type: ignore[arg-type]

        def no_room(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(bench.spool, "decide", full)
        monkeypatch.setattr(bench.runner._edge._tools.pictures, "keep", no_room)
        seqs = [bench.accept(png(UNSURE)) for _ in range(3)]
        bench.wait(lambda: all("provisional" in bench.spool.verdicts(seq) for seq in seqs))
        assert len(refused) == 3
        cloud.gate.set()
        bench.wait(lambda: done(bench, *seqs))


def test_frames_that_cannot_be_judged_have_an_error_verdict_and_one_alarm_a_spell(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        bad = [bench.accept(b"no image"), bench.accept(b"none either"), bench.accept(png(GOOD, blue=255))]
        good = bench.accept(png(GOOD))
        bench.wait(lambda: done(bench, *bad, good))
        assert [bench.spool.verdicts(seq)["final"].state for seq in bad] == ["error"] * 3
        assert bench.labels(good) == {"final": (0, "edge")}
        assert [alarm.kind for alarm in bench.spool.alarms()] == ["edge"]


@pytest.mark.parametrize("lost", ["row", "file"])
def test_a_frame_whose_image_is_lost_has_an_error_verdict(tmp_path: Path, lost: str) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        seq = bench.accept(png(GOOD), tell=False)
        path = image_path(bench.spool, seq)
        if lost == "row":  # as after the repair of a damaged database
            with bench.spool._transaction() as db:
                db.execute("UPDATE frames SET image = '' WHERE seq = ?", (seq,))
        path.unlink()
        bench.runner.accepted(seq, 0.0)
        good = bench.accept(png(GOOD))
        bench.wait(lambda: done(bench, seq, good))
        assert bench.spool.verdicts(seq)["final"].state == "error"
        assert bench.labels(good) == {"final": (0, "edge")}
    assert bench.failures == []


def test_a_frame_in_a_damaged_page_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        read, damaged = bench.spool.frame, []

        def frame(seq: int) -> object:
            if seq == 1:
                damaged.append(seq)
                error = sqlite3.DatabaseError("database disk image is malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            return read(seq)

        monkeypatch.setattr(bench.spool, "frame", frame)
        assert bench.accept(png(GOOD)) == 1
        good = bench.accept(png(GOOD))
        bench.wait(lambda: done(bench, good))
        assert damaged == [1]
    assert bench.failures == []


def test_a_frame_that_the_cloud_cannot_answer_is_not_asked_for_ever(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud(), deadline=0.3) as bench:
        seq = bench.accept(png(UNSURE, green=13))
        bench.wait(lambda: done(bench, seq))
        final = bench.spool.verdicts(seq)["final"]
        assert (final.decided_by, final.reason, final.state) == ("edge-fallback", "cloud-error", "final")
        assert "cloud-failed" in [alarm.kind for alarm in bench.spool.alarms()]


def test_words_come_after_the_verdict(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        seq = bench.accept(png(UNSURE, green=250))
        bench.wait(lambda: bench.spool.words(seq) is not None)
        assert bench.spool.words(seq).kind == "spot"


def test_a_promotion_takes_the_next_frame_and_frames_in_flight_finish_on_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = FakeLinkCloud()
    cloud.gate = threading.Event()
    with running(tmp_path, cloud) as bench:
        old = bench.accept(png(UNSURE, green=250))
        bench.wait(lambda: bool(cloud.asked))
        LineProfile.open(bench.profile).recalibrated(CALIBRATION)
        bench.versions.promote(bench.versions.add(bench.profile))
        bench.wait(lambda: bench.runner.status()["version"] == 2)
        cloud.gate.set()
        new = bench.accept(png(GOOD))
        bench.wait(lambda: done(bench, old, new))
        assert (bench.spool.frame(old).version, bench.spool.frame(new).version) == ("1", "2")
        bench.versions.shadow(1)
        bench.wait(lambda: bench.runner.status()["shadow"] is not None)
        bench.accept(png(GOOD))
        bench.wait(lambda: "shadow:cell:v1:same" in bench.spool.counters())


def test_a_cloud_with_other_weights_loses_its_say_and_an_alarm_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        monkeypatch.setattr(loading, "standing", lambda *_: Standing("advisory", "another model"))
        bench.runner.reopen()
        bench.wait(lambda: [a.kind for a in bench.spool.alarms()] == ["cloud-untrusted"])
        seq = bench.accept(png(UNSURE, green=250))
        bench.wait(lambda: done(bench, seq))
        assert bench.labels(seq)["final"][1] == "edge"
        monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
        bench.runner.reopen()
        bench.wait(lambda: bench.runner.status()["cloud"] == "fused")
        assert len(bench.spool.alarms()) == 1


def test_a_version_that_does_not_open_leaves_the_old_one_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, None) as bench:
        profile = LineProfile.open(bench.profile)
        profile.recalibrated(CALIBRATION)
        number = bench.versions.add(bench.profile)
        (bench.versions.path(number) / "line.json").write_text("{")
        bench.versions.promote(number)
        bench.wait(lambda: [a.kind for a in bench.spool.alarms()] == ["version-failed"])
        seq = bench.accept(png(GOOD))
        bench.wait(lambda: done(bench, seq))
        assert bench.spool.frame(seq).version == "1"


def test_a_budget_holds_the_share_that_is_sent(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    with running(tmp_path, cloud, budget=0.1) as bench:
        seqs = [bench.accept(png(UNSURE, green=i)) for i in range(60)]
        bench.wait(lambda: done(bench, *seqs))
        sent = [seq for seq in seqs if bench.spool.verdicts(seq)["final"].route.decision == "cloud"]
        assert len(sent) <= 60 * 0.1 + 20
        assert len(sent) < 60


class Contrary(FakeDetector):
    """Says the opposite of the other, and fails on a frame of 77 blue."""

    def inspect(self, images: list[Image]) -> list[EdgeOpinion]:
        if images[0][0, 0, 2] == 77:
            raise RuntimeError("it cannot")
        return [
            msgspec.structs.replace(opinion, label=1 - opinion.label) for opinion in super().inspect(images)
        ]


def test_a_shadow_that_differs_or_fails_is_counted_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, None) as bench:
        LineProfile.open(bench.profile).recalibrated(CALIBRATION)
        monkeypatch.setattr(edge, "open_detector", lambda profile: Contrary())
        bench.versions.shadow(bench.versions.add(bench.profile))
        bench.wait(lambda: bench.runner.status()["shadow"] is not None)
        seqs = [bench.accept(png(GOOD)), bench.accept(png(GOOD, blue=77))]
        bench.wait(lambda: done(bench, *seqs))
        counted = {"shadow:cell:v2:other", "shadow:cell:v2:error"}
        bench.wait(lambda: counted <= bench.spool.counters().keys())
        assert [bench.labels(seq) for seq in seqs] == [{"final": (0, "edge")}] * 2
        assert bench.spool.alarms() == []


def test_a_frame_that_is_told_twice_is_judged_once(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        seq = bench.accept(png(GOOD))
        bench.wait(lambda: done(bench, seq))
        bench.runner.accepted(seq, time.perf_counter())
        later = bench.accept(png(DEFECT))
        bench.wait(lambda: done(bench, later))
        assert len(bench.spool.outbox.waiting("sink")) == 2


def test_scores_that_drift_raise_one_alarm(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    drift = DriftMonitor([1.0 + i / 100 for i in range(100)], every=1000)
    versions = bench.runner._versions
    versions._warm.put("cell", replace(versions.current, drift=drift), 0)
    bench.start()
    seqs = [bench.accept(png(DEFECT)) for _ in range(40)]
    bench.wait(lambda: done(bench, *seqs))
    assert [(alarm.kind, alarm.about, alarm.count) for alarm in bench.spool.alarms()] == [
        ("drift", "cell", 1)
    ]
    bench.stop()


def test_words_that_the_cloud_cannot_find_cost_no_verdict(tmp_path: Path) -> None:
    with running(tmp_path, FakeLinkCloud()) as bench:
        silent, told = (bench.accept(png(UNSURE, green=green)) for green in (200, 250))
        bench.wait(lambda: done(bench, silent, told) and bench.spool.words(told) is not None)
        assert bench.labels(silent)["final"] == (1, "cloud")
        assert bench.spool.words(silent) is None


def test_a_frame_that_waited_for_the_cloud_for_too_long_has_the_edges_label(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    with running(tmp_path, cloud, deadline=0.1) as bench:
        seq = bench.accept(png(UNSURE, green=250))
        bench.wait(lambda: "provisional" in bench.spool.verdicts(seq))
        bench.runner.expire(spooled(bench.spool, seq))
        final = bench.spool.verdicts(seq)["final"]
        assert (final.decided_by, final.reason, final.error.kind) == (
            "edge-fallback",
            "cloud-error",
            "TimeoutError",
        )
        assert "cloud-failed" not in [alarm.kind for alarm in bench.spool.alarms()]


def test_a_frame_whose_image_goes_while_it_waits_for_the_cloud_has_the_edges_label(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    bench = Bench(tmp_path, cloud, deadline=0.1)
    bench.start()
    seq = bench.accept(png(UNSURE, green=250))
    bench.wait(lambda: "provisional" in bench.spool.verdicts(seq))
    bench.stop()
    cloud.up = True
    bench = Bench(tmp_path, cloud)
    image_path(bench.spool, seq).unlink()
    bench.start()
    bench.wait(lambda: done(bench, seq))
    final = bench.spool.verdicts(seq)["final"]
    assert (final.decided_by, final.reason) == ("edge-fallback", "cloud-error")
    assert "cloud-failed" in [alarm.kind for alarm in bench.spool.alarms()]
    bench.stop()


def test_a_damaged_record_waits_for_the_repair_and_the_others_go_on(tmp_path: Path) -> None:
    cloud = FakeLinkCloud()
    cloud.up = False
    bench = Bench(tmp_path, cloud, deadline=0.1)
    bench.start()
    damaged, sound = (bench.accept(png(UNSURE, green=250)) for _ in range(2))
    bench.wait(lambda: all("provisional" in bench.spool.verdicts(seq) for seq in (damaged, sound)))
    with bench.spool._transaction() as db:
        db.execute("UPDATE frames SET edge = x'7b' WHERE seq = ?", (damaged,))
    bench.stop()
    cloud.up = True
    bench = Bench(tmp_path, cloud)
    bench.start()
    bench.wait(lambda: done(bench, sound))
    assert "saec station repair" in bench.spool.damage.reason
    assert "final" not in bench.spool.verdicts(damaged)
    bench.stop()
