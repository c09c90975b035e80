"""What stands around Ray on this machine: its token, its folder, where one is found. Ray is not started."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from saec.errors import ConfigError
from saec.service.replicas import ray_cluster
from saec.service.replicas.ray_cluster import own_folder, own_token


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_token_is_made_once_and_nobody_else_can_read_it(home: Path) -> None:
    path = own_token()
    assert path == home / ".ray" / "auth_token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text()
    assert len(token) == 64
    assert own_token() == path
    assert path.read_text() == token


def test_a_token_that_others_can_read_is_told(home: Path) -> None:
    path = own_token()
    assert path is not None
    path.chmod(0o644)
    with capture_logs() as logs:
        own_token()
    assert "chmod 600" in logs[0]["problem"]


def test_a_token_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "state" / "token"))
    assert own_token() == home / "state" / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    assert own_token() is None


def test_its_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert own_folder() == home / ".ray" / "saec"
    monkeypatch.setenv("RAY_TMPDIR", str(home / "x"))
    assert own_folder() == home / "x"


def test_a_ray_that_has_been_killed_is_not_found() -> None:
    own_folder().mkdir(parents=True)
    note = own_folder() / ray_cluster._ADDRESS
    assert ray_cluster._own_address() == ""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        note.write_text(address)
        assert ray_cluster._own_address() == address
    assert ray_cluster._own_address() == ""


def test_no_ray_at_an_address_is_told_before_ray_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with socket.create_server(("127.0.0.1", 0)) as bound:
        dead = f"127.0.0.1:{bound.getsockname()[1]}"
    with pytest.raises(ConfigError, match=f"no Ray runs at {dead}"), ray_cluster.joined_ray(dead):
        pass
