"""saec cloud in a process of its own, and the options of those who ask it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from saec.cli import main
from saec.cli.options.cloud_model import cloud_options, open_cloud
from saec.cloud.checkpoints.checkpoint_folder import read_card
from saec.cloud.engines.qwen import QwenEngine
from saec.errors import ConfigError
from saec.frame.judges import Cloud
from saec.service.served_model import ServedModel
from saec.settings import CloudConfig
from saec.types import CloudQuery, Frame
from saec_research.small_model import FOLDER as SMALL
from tests.helpers_numeric import same_opinions
from tests.service.service_helpers import noise, running

PLAIN: dict[str, Any] = {
    "adapter": None,
    "references": 1,
    "batch": 4,
    "prompt": None,
    "views": None,
    "cloud_side": None,
    "cloud_tokens": None,
    "dtype": "auto",
    "device": "auto",
}


@pytest.mark.timeout(300)  # another process loads torch
def test_a_service_of_its_own_and_a_command_that_asks_it(engine: QwenEngine, tmp_path: Path) -> None:
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    systemd.settimeout(60)
    environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    argv = [sys.executable, "-m", "saec", "cloud", "--listen", "127.0.0.1:0", "--device", "cpu"]
    with systemd, subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environ) as service:
        try:
            assert service.stderr is not None
            entries = (json.loads(line) for line in service.stderr if line.startswith("{"))
            where = next(e["address"] for e in entries if e["event"] == "listening")
            cloud = _asking("--cloud", where)  # there is one model only, so it need not be named
            asked = [CloudQuery(Frame("frame", noise(0)), (noise(1),))]
            (there,), (here,) = cloud.engine.judge(asked), engine.judge(asked)
            assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
            service.send_signal(signal.SIGTERM)
            while (words := systemd.recv(100)) != b"STOPPING=1":
                assert words == b"WATCHDOG=1"
            assert [e["event"] for e in entries][-1] == "service stopped"
            assert service.wait(60) == 0
        finally:
            service.kill()
    same_opinions(engine, there.p_defect, here.p_defect)
    assert cloud.config.remote.weights_hash == engine.weights_hash
    # The trust that a line gives the model in this process holds for the service's: the weights are the same.
    assert cloud.key.startswith(f"small@{engine.weights_hash[:12]} ")
    assert cloud.key == Cloud(CloudConfig()).key


def test_an_adapter_is_asked_as_its_base_wants_to_be(served: ServedModel) -> None:
    with running(served) as (where, _):
        cloud = _asking("--cloud", f"{where}/v1", "--cloud-model", "screws")
        assert (cloud.engine.name, cloud.engine.side, cloud.engine.demonstration) == ("screws", 240, True)
        assert cloud.config.remote.weights_hash == served.entries["screws"].weights_hash
        assert cloud.config.remote.card == read_card(SMALL)


def _asking(*argv: str) -> Cloud:
    """The cloud that a command with the cloud's options opens."""

    @click.command()
    @cloud_options
    def command(**cloud: Any) -> Cloud | None:
        return open_cloud(**cloud)

    opened = command.main(list(argv), standalone_mode=False)
    assert isinstance(opened, Cloud)
    return opened


@pytest.mark.parametrize("option", ["cloud_model", "token_file", "ca_file"])
def test_options_of_a_service_are_for_a_service(option: str) -> None:
    for model in ("small", "none"):
        with pytest.raises(ConfigError, match=option.replace("_", "-")):
            open_cloud(model=model, **(PLAIN | {option: "x"}))


def test_a_token_does_not_travel_in_the_clear(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        open_cloud(model="http://192.0.2.1:8100/v1", **PLAIN, token_file=tmp_path / "token")


@pytest.fixture
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets the whole process's logs, which outlive it, to a stream that a test's end closes."""
    monkeypatch.setattr("saec.web.program.logs.configure_logs", lambda level: None)


@pytest.mark.usefixtures("logs_as_they_are")
def test_an_adapter_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("runs/screws", "=runs", "a/b=runs", "a="):
        assert main(["cloud", "--adapter", text]) == 2
        assert "NAME=PATH" in capsys.readouterr().err


@pytest.mark.usefixtures("logs_as_they_are")
def test_two_models_of_one_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["cloud", "--listen", "127.0.0.1:0", "--adapter", "small=x"]
    assert main(argv) == 2
    assert "two models have the name small" in capsys.readouterr().err


def test_attention_is_said_where_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from saec.cli.options import cloud_model as asking
    from saec.settings import RemoteConfig

    monkeypatch.setattr(asking, "reach", lambda *given: ("m", RemoteConfig(url="http://127.0.0.1:1/v1")))
    given: dict[str, Any] = {
        "adapter": None,
        "references": 0,
        "batch": 1,
        "prompt": None,
        "views": None,
        "cloud_side": None,
    }
    others: dict[str, Any] = {"cloud_tokens": None, "dtype": "auto", "device": "auto"}
    with pytest.raises(ConfigError, match="--attention eager with the service"):
        open_cloud("http://127.0.0.1:1/v1", **given, **others, attention="eager")
    assert open_cloud("http://127.0.0.1:1/v1", **given, **others) is not None
