"""A line that begins without a version: nothing is guessed; its first version is taken over as it comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec import edge
from saec.errors import ConfigError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.audit.audit_log import AuditLog
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.audited_versions import add_version
from saec.station.setup.settings_file import read_settings
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.startup_check import check_station
from saec.station.storage.records import Retention, SpoolLimits
from saec.web.admission.tokens import Tokens
from tests.processes import eventually
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, FakeLinkCloud, Running, png


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))


@pytest.fixture
def settings(tmp_path: Path) -> StationSettings:
    return StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", deadline_s=20.0, guard=NO_GUARD)],
        spool=SpoolLimits(free_gb=0),
        retention=Retention(images="all"),
    )


def refused(running: Running, blue: int) -> None:
    """The line gives a frame no label, and says why."""
    told = running.post(png(GOOD, blue=blue)).json()
    assert told["verdict"]["label"] is None
    assert "this line has no version yet" in told["verdict"]["error"]["message"]
    assert (
        "make one with `saec fit`, and add it with `saec station add`" in told["verdict"]["error"]["message"]
    )
    assert running.client.get(f"/v1/frames/{told['id']}/image").content == png(GOOD, blue=blue)


def test_frames_are_kept_and_refused_until_the_first_version_is_there(
    settings: StationSettings, tmp_path: Path
) -> None:
    cloud, store = FakeLinkCloud(), VersionStore(tmp_path / "data" / "lines" / "cell")
    for start in range(2):  # a restart changes nothing
        with Running(settings, cloud, Tokens(None)) as running:
            refused(running, 1 + start)
            refused(running, 3 + start)
            ready = running.client.get("/ready")
            assert ready.status_code == 503
            assert "this line has no version yet" in ready.text
            alarms = [one.kind for one in running.station.spool.alarms()]
            assert "no-version" in alarms
            line = running.client.get("/v1/status").json()["lines"]["cell"]
            assert (line["version"], line["threshold"], line["drift"]) == (None, None, "")
            assert 'saec_version{line="cell"} 0.0' in running.client.get("/metrics").text
            assert not store.begun
    make_line(tmp_path / "profile")
    with Running(settings, cloud, Tokens(None)) as running:
        refused(running, 11)
        add_version(store, AuditLog(tmp_path / "data"), "ann", "engineer", tmp_path / "profile")
        eventually(lambda: running.station.runners["cell"].has_version)
        assert [running.post(png(red)).json()["verdict"]["label"] for red in (GOOD, DEFECT)] == [0, 1]
        assert running.client.get("/ready").json()["problems"] == []
    with Running(settings, cloud, Tokens(None)) as running:
        assert running.post(png(DEFECT, green=3)).json()["verdict"]["label"] == 1


def test_a_first_version_that_does_not_open_judges_nothing(
    settings: StationSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_line(tmp_path / "profile")
    store = VersionStore(tmp_path / "data" / "lines" / "cell")
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        monkeypatch.setattr("saec.station.line.version_switch._RETRY", 0.05)
        found = edge.open_detector
        monkeypatch.setattr(edge, "open_detector", lambda profile: 1 / 0)
        store.add(tmp_path / "profile")
        spool = running.station.spool
        eventually(lambda: "version-failed" in [one.kind for one in spool.alarms()])
        refused(running, 12)
        monkeypatch.setattr(edge, "open_detector", found)
        eventually(lambda: running.station.runners["cell"].has_version)
        assert running.post(png(GOOD, green=5)).json()["verdict"]["label"] == 0


def test_the_check_says_it_as_a_note(tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('[station]\nlisten = "127.0.0.1:0"\n[[line]]\nname = "cell"\n')
    assert any("line cell: no version yet" in said for said in check_station(config))
    data = read_settings(config).station.data
    make_line(tmp_path / "profile")
    VersionStore(data / "lines" / "cell").add(tmp_path / "profile")
    assert "line cell: version 1 of its own" in check_station(config)


def test_a_profile_that_is_named_and_is_none_is_still_a_fault(tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('[[line]]\nname = "cell"\nprofile = "typo"\n')
    with pytest.raises(ConfigError, match="typo is not a line profile"):
        check_station(config)
