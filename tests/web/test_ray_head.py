"""A Ray that does not run is told before Ray itself tries. Ray is neither imported nor started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from saec.errors import ConfigError
from saec.web.ray_head import ONE_MACHINE, ray_head


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Ray, which holds its note."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # so that it is taken back afterwards, whoever sets it
        monkeypatch.delenv(name)
    for name in ONE_MACHINE:
        monkeypatch.setenv(name, "1")
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray"


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return f"127.0.0.1:{bound.getsockname()[1]}"


def test_a_ray_that_is_not_there_is_told_at_once() -> None:
    dead = _free_address()
    with pytest.raises(ConfigError, match=f"no Ray runs at {dead}: nothing listens there") as told:
        ray_head(dead)
    assert "ray start --head" in told.value.remedy


@pytest.mark.parametrize("wrong", ["nowhere", "host:port", "host:99999", ":6379"])
def test_what_is_no_address_is_told(wrong: str) -> None:
    with pytest.raises(ConfigError, match="is not the address of a Ray"):
        ray_head(wrong)


def test_a_ray_on_the_loopback_is_joined_there() -> None:
    """Ray would otherwise connect to another address of this machine, where that Ray does not listen."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        assert ray_head(address) == address
    assert os.environ.items() >= ONE_MACHINE.items()
    assert ray_head("ray://127.0.0.1:1") == "ray://127.0.0.1:1"


def test_the_head_that_ray_has_noted_is_found(folder: Path) -> None:
    assert ray_head("auto") == "auto"
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        (folder / "ray_current_cluster").write_text(address)
        assert ray_head("auto") == address
    with pytest.raises(ConfigError, match=f"{address}, which .*ray_current_cluster names: nothing listens"):
        ray_head("auto")


def test_the_head_of_the_environment_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = _free_address()
    (folder / "ray_current_cluster").write_text("10.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", dead)
    with pytest.raises(ConfigError, match=f"no Ray runs at {dead}, which RAY_ADDRESS names"):
        ray_head("auto")


def test_a_token_of_this_user_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray start` asks for it where it finds one; ``ray.init`` would not send it."""
    ray_head("auto")
    assert "RAY_AUTH_MODE" not in os.environ
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    ray_head("auto")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_head("auto")
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_the_switch_is_the_one_that_ray_reads() -> None:
    pytest.importorskip("ray")
    program = "import ray; print(ray.util.get_node_ip_address())"
    command, environ = [sys.executable, "-c", program], {**os.environ, **ONE_MACHINE}
    assert subprocess.run(command, env=environ, check=True, capture_output=True).stdout == b"127.0.0.1\n"
