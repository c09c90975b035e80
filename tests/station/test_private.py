"""What lies in the data folder is the station's alone; what people read and write keeps their rights."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from saec.station.setup.settings_file import read_settings
from saec.station.setup.settings_warnings import warnings
from saec.station.storage import private_files as private
from saec.station.storage.private_files import FilePermissions, make_folder, restrict_permissions
from saec.web.admission.secret_files import readable_by_others
from tests.pairs import make_pair
from tests.station.setup.test_settings import GOOD as SETTINGS
from tests.station.station_fakes import GOOD, png
from tests.station.test_alive import events, station


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The rights of a user who shares with a group."""
    monkeypatch.setattr(FilePermissions, "umask", None)
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_files_are_made_for_oneself_and_what_is_for_others_as_they_want_it(tmp_path: Path) -> None:
    FilePermissions.close()
    FilePermissions.close()  # keeps the first
    (tmp_path / "own").write_bytes(b"")
    make_folder(tmp_path / "for" / "others")
    (tmp_path / "shown").write_bytes(b"")
    FilePermissions.open_up(tmp_path / "shown")
    assert mode(tmp_path / "own") == 0o600
    assert mode(tmp_path / "shown") == 0o640
    assert mode(tmp_path / "for") == mode(tmp_path / "for" / "others") == 0o750


@pytest.mark.usefixtures("umask")
def test_what_is_there_is_closed_and_what_is_for_others_stays_reachable(tmp_path: Path) -> None:
    os.umask(0o022)
    data = tmp_path / "data"
    for name in ("images/00/a.png", "spool.sqlite", "verdicts/day.jsonl", "lines/cell/state.json"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(b"x")
    (tmp_path / "mine").write_bytes(b"x")
    (data / "link").symlink_to(tmp_path / "mine")
    (data / "lines" / "link").symlink_to(tmp_path / "mine")
    restrict_permissions(data, [data / "verdicts"])
    assert mode(data / "images" / "00" / "a.png") == mode(data / "spool.sqlite") == 0o600
    assert mode(data / "images") == mode(data / "lines" / "cell") == 0o700
    assert mode(data / "verdicts" / "day.jsonl") == mode(tmp_path / "mine") == 0o644
    assert mode(data) == 0o755  # on the way to the verdicts
    restrict_permissions(data, [])
    assert mode(data) == mode(data / "verdicts") == 0o700


def test_a_folder_that_was_closed_is_not_gone_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "images").mkdir(parents=True)
    restrict_permissions(tmp_path / "data", [])
    monkeypatch.setattr(private, "make_private", lambda entry: pytest.fail(f"{entry} again"))
    restrict_permissions(tmp_path / "data", [])


def test_rights_that_cannot_be_changed_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "data" / "images").mkdir(parents=True)
    monkeypatch.setattr(private, "_close", refuse)
    restrict_permissions(tmp_path / "data", [])


def test_a_running_station_leaves_nothing_open(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "data" / "images").mkdir(parents=True)
    (folder / "data").chmod(0o755)
    with station(folder, 0) as process:
        where = next(e for e in events(process) if e["event"] == "listening")["address"]
        answer = httpx.post(
            f"{where}v1/lines/cell/frames?wait=30",
            content=png(GOOD),
            headers={"Content-Type": "image/png"},
            timeout=60,
            trust_env=False,
        )
        assert answer.json()["verdict"]["label"] == 0
        process.send_signal(signal.SIGHUP)
        assert httpx.get(f"{where}health", trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    found = [path for path in (folder / "data").rglob("*") if not path.is_symlink()]
    assert {path.name for path in found} >= {"spool.sqlite", "images", "state.json"}
    assert [path for path in (folder / "data", *found) if mode(path) & 0o077] == []
    (log,) = (folder / "out").glob("*.jsonl")
    before = os.umask(0)
    os.umask(before)
    assert mode(log) == 0o666 & ~before


@pytest.mark.parametrize(("rights", "told"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)])
def test_a_secret_that_others_may_read_or_change_is_named(tmp_path: Path, rights: int, told: bool) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"")
    path.chmod(rights)
    found = list(readable_by_others([None, path, tmp_path / "none"]))
    assert bool(found) is told
    assert all(str(path) in text for text in found)


def test_warnings_of_settings_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "bottle").mkdir()
    (tmp_path / "bottle" / "line.json").write_text("{}")
    cert, key = make_pair(tmp_path, days=-1)
    key.chmod(0o644)
    path = tmp_path / "station.toml"
    path.write_text(SETTINGS + f'\n[http]\ntls_cert = "{cert}"\ntls_key = "{key}"\n')
    first, second = warnings(read_settings(path))
    assert f"chmod 600 {key}" in first
    assert "expired on" in second
