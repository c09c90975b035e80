"""A whole station meets files that cost too much, and a person releases one of them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from saec import edge
from saec.cli.station.quarantine import quarantine
from saec.data.images.killable_decoder import Decoder
from saec.errors import SpoolFullError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station import station as station_module
from saec.station.audit.audit_log import AuditLog
from saec.station.maintenance.quarantine_release import QuarantineReleases, ask_release
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.crash_attempts import MOST_ATTEMPTS
from saec.station.storage.records import NewFrame, SpooledFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from saec.web.admission.tokens import Tokens
from tests import bombs
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.station_fakes import DEFECT, GOOD, NO_GUARD, FakeLinkCloud, Running, png, spooled


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    monkeypatch.setattr(station_module, "Decoder", partial(Decoder, seconds=0.1))
    make_line(tmp_path / "profile")
    line = LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)
    other = LineSettings(name="hall", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)
    settings = StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[line, other],
        spool=SpoolLimits(free_gb=0),
    )
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        yield running


def test_a_bomb_costs_its_line_little_and_the_other_nothing(running: Running) -> None:
    bomb = running.post(bombs.jpeg_of_scans(4096, 88), wait=0, content_type="image/jpeg").json()["id"]
    good = [running.post(png(GOOD), line=line, idempotency_key="1") for line in ("hall", "cell")]
    assert [answer.json()["verdict"]["label"] for answer in good] == [0, 0]
    record = until_final(running, bomb)
    assert record["verdicts"]["final"]["error"]["kind"] == "QuarantinedError"
    assert "processor time" in record["verdicts"]["final"]["error"]["message"]
    assert [a["kind"] for a in running.client.get("/v1/alarms").json()] == ["quarantined"]
    assert running.post(png(DEFECT)).json()["verdict"]["label"] == 1
    assert running.client.get("/ready").status_code == 200


def test_what_a_header_says_is_refused_at_once(running: Running) -> None:
    for data in (bombs.jpeg_of_scans(64, 400), bombs.hdr(16384, 16384), bombs.tiff_of_pages(2000)):
        verdict = running.post(data).json()["verdict"]
        assert (verdict["state"], verdict["error"]["kind"]) == ("error", "ImageError")


def test_a_frame_is_released_and_judged_again(running: Running, tmp_path: Path) -> None:
    spool = running.station.spool
    id = running.post(png(DEFECT)).json()["id"]
    for _ in range(MOST_ATTEMPTS):
        spool.attempts.add(int(id[-10:]), "it took too long", counted=True)
    (tmp_path / "station.toml").write_text(
        f'[station]\ndata = "{tmp_path}/data"\n[[line]]\nname = "cell"\nprofile = "{tmp_path}/profile"\n'
    )
    config = ["--config", str(tmp_path / "station.toml")]
    listed = CliRunner().invoke(quarantine, config)
    assert id in listed.output
    assert "it took too long" in listed.output
    assert CliRunner().invoke(quarantine, [*config, "--release", "cell-0000009999"]).exit_code != 0
    released = CliRunner().invoke(quarantine, [*config, "--release", id])
    assert released.exit_code == 0, released.output
    newest = running.client.get("/v1/frames?limit=1").json()[0]
    while newest["source"] != "quarantine":
        newest = running.client.get("/v1/frames?limit=1").json()[0]
    record = until_final(running, newest["id"])
    assert record["verdicts"]["final"]["label"] == 1
    assert "nothing is in quarantine" in CliRunner().invoke(quarantine, config).output
    assert [id for id in listed.output.split() if id == newest["id"]] == []


def test_a_frame_that_cannot_be_taken_for_want_of_handles_is_refused_for_now(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as m:
        m.setattr(running.station.spool, "accept", none)
        answer = running.post(png(GOOD))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "Too many open files" in answer.json()["error"]["message"]
    assert running.post(png(GOOD)).json()["verdict"]["label"] == 0


def until_final(running: Running, id: str) -> dict:  # type: ignore[type-arg]
    """The record of a frame, once it has its final verdict."""
    record = running.client.get(f"/v1/frames/{id}").json()
    while "final" not in record["verdicts"]:
        record = running.client.get(f"/v1/frames/{id}").json()
    return record


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Spool, SpooledFrame]]:
    """A spool whose only frame is in quarantine and asked to be released."""
    spool = Spool(tmp_path, ("log",), SpoolLimits(free_gb=0))
    seq = spool.accept(NewFrame(line="cell", source="s", key="a", suffix=".png", captured=1.0), png(GOOD)).seq
    for _ in range(MOST_ATTEMPTS):
        spool.attempts.add(seq, "it took too long", counted=True)
    spool.decide(
        seq, "final", VerdictRecord(id="a", path="", sha256="", line="cell", time=1.0, state="error")
    )
    frame = spooled(spool, seq)
    ask_release(tmp_path, AuditLog(tmp_path), "shell:anna", "shell", frame.id)
    yield spool, frame
    spool.close()


def test_a_release_that_the_spool_has_no_room_for_is_tried_again(
    held: tuple[Spool, SpooledFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, frame = held
    taken: list[tuple[str, int]] = []
    releases = QuarantineReleases(spool, lambda *what: taken.append(what))

    def full(*_: object) -> None:
        raise SpoolFullError("full", "free space")

    with monkeypatch.context() as m:
        m.setattr(spool, "accept", full)
        releases.look()
    assert (taken, spool.quarantine()[0][0].id) == ([], frame.id)
    releases.look()
    assert [line for line, _ in taken] == ["cell"]
    assert spool.quarantine() == []
    releases.look()  # nothing is asked any more
    assert len(taken) == 1


def test_a_release_of_a_frame_whose_image_has_gone_is_forgotten(held: tuple[Spool, SpooledFrame]) -> None:
    spool, frame = held
    spool.path(frame).unlink()
    taken: list[tuple[str, int]] = []
    QuarantineReleases(spool, lambda *what: taken.append(what)).look()
    assert taken == []
    assert list((spool.folder / "release").iterdir()) == []
