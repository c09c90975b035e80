"""A recorded verdict can be made again from what was kept, and a change of the record is found."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from saec import edge
from saec.errors import LineError, SpoolError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.maintenance.frame_replay import replay_frame
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from tests.run_fakes import FUSED, FakeDetector
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, UNSURE, Bench, FakeLinkCloud, image_path, png


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return judged(tmp_path)


def judged(tmp_path: Path) -> Bench:
    """A line that has judged one frame of each sort."""
    bench = Bench(tmp_path, FakeLinkCloud())
    bench.start()
    for data in (png(GOOD), png(DEFECT), png(UNSURE, green=250), b"no image", png(UNSURE, green=13)):
        bench.accept(data)
    bench.wait(lambda: len(bench.spool.frames("done")) == 5)
    return bench


def settings(bench: Bench) -> StationSettings:
    line = LineSettings(name="cell", profile=bench.profile, guard=NO_GUARD)
    return StationSettings(station=StationSection(data=bench.folder / "data"), line=[line])


def test_every_kind_of_verdict_can_be_made_again_beside_the_running_station(bench: Bench) -> None:
    for seq in range(1, 6):
        checks = replay_frame(settings(bench), f"cell-{seq:010d}", cloud_for=lambda _: bench.clouds)
        assert len(checks) >= 2
        assert [check for check in checks if check.same is not True] == []
    bench.stop()


def test_a_changed_image_or_record_is_found(bench: Bench) -> None:
    bench.stop()
    held = Bench(bench.folder, FakeLinkCloud())
    path = image_path(held.spool, 1)
    held.spool.close()
    path.write_bytes(png(GOOD + 1))
    db = sqlite3.connect(bench.folder / "data" / "spool.sqlite")
    db.execute("UPDATE verdicts SET verdict = replace(verdict, '\"label\":1', '\"label\":0') WHERE seq = 2")
    db.commit()
    db.close()
    image, *rest = replay_frame(settings(bench), "cell-0000000001", cloud_for=lambda _: bench.clouds)
    assert image.same is False
    assert any(check.same is False for check in rest)
    changed = replay_frame(settings(bench), "cell-0000000002", cloud_for=lambda _: bench.clouds)
    assert {check.what for check in changed if check.same is False} == {"final: edge's label"}


@pytest.mark.parametrize(
    ("recorded", "changed", "found"),
    [
        ('"kind":"dent"', '"kind":"scratch"', {"kind"}),
        ('"kind_confidence":0.75', '"kind_confidence":0.9', {"confidence in the kind"}),
        ('"kind":{"name":"dent"', '"kind":{"name":"scratch"', {"edge's kind", "kind"}),
        ('"kind":{"name":"dent","confidence":0.75}', '"kind":null', {"edge's kind", "kind"}),
    ],
)
def test_a_changed_kind_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: str, changed: str, found: set[str]
) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(kinds=("dent",)))
    bench = judged(tmp_path)
    bench.stop()
    sound = replay_frame(settings(bench), "cell-0000000002", cloud_for=lambda _: bench.clouds)
    assert {check.what for check in sound} >= {"final: edge's kind", "final: kind"}
    assert all(check.same for check in sound)
    db = sqlite3.connect(bench.folder / "data" / "spool.sqlite")
    (before,) = db.execute("SELECT verdict FROM verdicts WHERE seq = 2").fetchone()
    assert recorded in bytes(before).decode()
    db.execute("UPDATE verdicts SET verdict = replace(verdict, ?, ?) WHERE seq = 2", (recorded, changed))
    db.commit()
    db.close()
    checks = replay_frame(settings(bench), "cell-0000000002", cloud_for=lambda _: bench.clouds)
    assert {check.what for check in checks if check.same is False} == {f"final: {what}" for what in found}


def test_what_is_not_there_is_named(bench: Bench, tmp_path: Path) -> None:
    for id in ("cell-0000000099", "other-0000000001", "x", "cell-" + "9" * 30):
        with pytest.raises(SpoolError, match="no frame"):
            replay_frame(settings(bench), id)
    bench.spool.eviction.drop_images([3])
    with pytest.raises(SpoolError, match="was deleted"):
        replay_frame(settings(bench), "cell-0000000003")
    bench.stop()
    empty = StationSettings(station=StationSection(data=tmp_path / "nowhere"), line=[])
    with pytest.raises(SpoolError, match="has run"):
        replay_frame(empty, "cell-0000000001")


def test_a_frame_of_a_line_that_the_settings_lack_is_named(bench: Bench) -> None:
    bench.stop()
    other = LineSettings(name="hall", profile=bench.profile, guard=NO_GUARD)
    renamed = StationSettings(station=StationSection(data=bench.folder / "data"), line=[other])
    with pytest.raises(LineError, match=r"no product line cell") as e:
        replay_frame(renamed, "cell-0000000001")
    assert "judged with" in e.value.remedy


def test_a_frame_without_a_verdict_is_to_be_waited_for(bench: Bench) -> None:
    bench.stop()
    later = Bench(bench.folder, FakeLinkCloud())
    later.n = 5
    seq = later.accept(png(GOOD), tell=False)
    later.spool.close()
    with pytest.raises(SpoolError, match="no verdict yet"):
        replay_frame(settings(bench), f"cell-{seq:010d}")


def test_a_record_that_says_an_error_of_a_frame_that_can_be_judged_is_found(bench: Bench) -> None:
    """The file was no image when the station read it, and is one now."""
    bench.stop()
    held = Bench(bench.folder, FakeLinkCloud())
    image_path(held.spool, 4).write_bytes(png(GOOD))
    held.spool.close()
    found = replay_frame(settings(bench), "cell-0000000004")
    assert {check.what for check in found if check.same is False} == {"image", "final: error"}
