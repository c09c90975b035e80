"""saec cloud in a process of its own, and the options of those who ask it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from saec.cli import main
from saec.cloud.checkpoints.checkpoint_folder import read_card
from saec.cloud.engines.qwen import QwenEngine
from saec.errors import ConfigError
from saec.frame.judges import Cloud
from saec.frame.requested_cloud import requested_cloud
from saec.service.served_model import ServedModel
from saec.service.service_settings import ServiceConfig
from saec.settings import CloudConfig
from saec.types import CloudQuery, Frame
from saec.web.http_settings import HttpSettings
from saec_research.small_model import FOLDER as SMALL
from tests.helpers_numeric import same_opinions
from tests.service.service_helpers import noise, running

Asked = list[tuple[ServiceConfig, HttpSettings, CloudConfig]]


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
            cloud = _asking(where)  # there is one model only, so it need not be named
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
    assert cloud.key == Cloud(CloudConfig(model="small")).key


def test_an_adapter_is_asked_as_its_base_wants_to_be(served: ServedModel) -> None:
    with running(served) as (where, _):
        cloud = _asking(f"{where}/v1", "screws")
        assert (cloud.engine.name, cloud.engine.side, cloud.engine.demonstration) == ("screws", 240, True)
        assert cloud.config.remote.weights_hash == served.entries["screws"].weights_hash
        assert cloud.config.remote.card == read_card(SMALL)


def test_the_library_names_a_service_by_its_address(served: ServedModel) -> None:
    with running(served) as (where, _):
        cloud = Cloud(f"{where}/v1", service_model="screws", references=0)
        assert repr(cloud) == f"<Cloud {where}/v1, references=0>"
        assert (cloud.engine.name, cloud.config.references) == ("screws", 0)
        with pytest.raises(ConfigError, match="no model nuts"):
            _ = Cloud(f"{where}/v1", service_model="nuts").config


def _asking(where: str, model: str | None = None) -> Cloud:
    """The cloud that a command gets which asks a service."""
    opened = requested_cloud(CloudConfig(model=where, service_model=model))
    assert opened is not None
    return opened


@pytest.fixture
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets the whole process's logs, which outlive it, to a stream that a test's end closes."""
    monkeypatch.setattr("saec.web.program.logs.configure_logs", lambda level: None)


@pytest.mark.usefixtures("logs_as_they_are")
def test_an_adapter_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("runs/screws", "=runs", "a/b=runs", "a="):
        assert main(["cloud", "--named-adapter", text]) == 2
        assert "NAME=PATH" in capsys.readouterr().err


@pytest.mark.usefixtures("logs_as_they_are")
def test_two_models_of_one_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["cloud", "--listen", "127.0.0.1:0", "--named-adapter", "small=x"]
    assert main(argv) == 2
    assert "two models have the name small" in capsys.readouterr().err


@pytest.mark.usefixtures("logs_as_they_are")
def test_an_adapter_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "--named-adapter", "screws=a", "--named-adapter", "screws=b"]) == 2
    assert "--named-adapter screws is given twice" in capsys.readouterr().err


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the command was asked to serve, in place of serving it."""
    found: Asked = []
    program = "saec.service.service_program"
    monkeypatch.setattr(f"{program}.load_engine", lambda service, model: model)
    monkeypatch.setattr(
        f"{program}.run_service", lambda service, http, load: found.append((service, http, load()))
    )
    monkeypatch.setattr("saec.cli.options.process_end.run_to_the_end", lambda run: run())
    return found


@pytest.mark.usefixtures("logs_as_they_are")
def test_options_beat_the_file_and_the_file_beats_the_defaults(asked: Asked, tmp_path: Path) -> None:
    assert main(["cloud"]) == 0
    assert asked.pop() == (ServiceConfig(), HttpSettings(), CloudConfig(model="small"))
    (tmp_path / "tokens").touch()
    (tmp_path / "saec.toml").write_text(
        "[service]\ntokens_file = 'tokens'\nqueue = 5\nbatch = 3\n"
        "[service.adapters]\nscrews = 'runs/screws'\n"
        "[http]\nhead_s = 3\nhosts = ['a', 'b']\n[cloud]\nside_px = 112\nmodel = 'none'\n"
    )
    given = ["--batch", "2", "--http-connections-per-address", "7", "--dtype", "float32"]
    assert main(["cloud", "--config", str(tmp_path / "saec.toml"), *given]) == 0
    service, http, model = asked.pop()
    assert service == ServiceConfig(
        tokens_file=tmp_path / "tokens", queue=5, batch=2, adapters={"screws": tmp_path / "runs" / "screws"}
    )
    assert http == HttpSettings(head_s=3.0, hosts=("a", "b"), connections_per_address=7)
    assert model == CloudConfig(model="small", side_px=112, dtype="float32")


@pytest.mark.parametrize(
    "wrong", [("--queue", "0"), ("--requests-per-s", "0"), ("--http-bodies-share", "2"), ("--cloud", "x")]
)
def test_what_is_out_of_range_is_refused(
    wrong: tuple[str, str], asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cloud", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
    assert not asked
