"""Dead letters in the hands of a person: what the command shows and does, beside a station that runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from saec import edge
from saec.cli import root
from saec.errors import ConfigError
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.sinks import WebhookSink
from saec.web.admission.tokens import Tokens
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.sink_fakes import Receiver
from tests.station.station_fakes import GOOD, NO_GUARD, FakeLinkCloud, Running, png

TOML = """
[station]
data = "data"
[[line]]
name = "cell"
profile = "profile"
[[sink]]
kind = "webhook"
name = "mes"
url = "{url}"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def running(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
    make_line(tmp_path / "profile")
    (tmp_path / "station.toml").write_text(TOML.format(url=receiver.url))
    settings = StationSettings(
        station=StationSection(data=tmp_path / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=tmp_path / "profile", deadline_s=20.0, guard=NO_GUARD)],
        sink=[WebhookSink(name="mes", url=receiver.url, attempts=2, late_s=0.01)],
    )
    with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
        yield running


def wait(ready: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(3000):
        if ready():
            return
        tick.wait(0.01)
    raise AssertionError("it did not come")


def letters(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(root, ["station", "letters", "--config", str(folder / "station.toml"), *words])


def test_a_dead_letter_is_seen_sent_again_and_dropped(
    running: Running, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.status = lambda key: 422 if key.startswith(("cell-0000000001/", "cell-0000000002/")) else 200
    for i in range(4):
        running.post(png(GOOD + i))

    def status() -> dict[str, Any]:
        sink: dict[str, Any] = running.client.get("/v1/status").json()["sinks"]["mes"]
        return sink

    wait(lambda: status()["dead"] == 2 and status()["waiting"] == 0)
    assert status()["state"] == "up"
    assert [json.loads(json.dumps(body))["verdict"]["id"] for *_, body in receiver.got] == [
        "cell-0000000003",
        "cell-0000000004",
    ]
    ready = running.client.get("/ready")
    assert (ready.status_code, ready.json()["sinks"]["mes"]["dead"]) == (200, 2)
    assert "answered" not in ready.text  # it is open to everybody
    metrics = running.client.get("/metrics").text
    assert 'saec_sink_dead_letters{sink="mes"} 2.0' in metrics
    assert 'saec_sink{sink="mes",state="up"} 1.0' in metrics
    assert 'saec_sink_waiting{sink="mes"} 0.0' in metrics
    alarms = [a for a in running.client.get("/v1/alarms").json() if a["kind"] == "sink-refused"]
    assert alarms[0]["frames"] == ["cell-0000000001", "cell-0000000002"]
    assert "answered 422" in alarms[0]["text"]

    shown = letters(tmp_path).output
    assert "cell-0000000001" in shown
    assert "cell-0000000002" in shown
    assert "final" in shown
    assert isinstance(letters(tmp_path, "resend").exception, ConfigError)
    assert isinstance(letters(tmp_path, "drop", "cell-0000000009").exception, ConfigError)
    assert isinstance(letters(tmp_path, "--all", "drop", "cell-0000000001").exception, ConfigError)
    assert isinstance(letters(tmp_path, "--sink", "plc").exception, ConfigError)
    receiver.status = lambda key: 200
    assert letters(tmp_path, "resend", "cell-0000000001").output == "1 are offered again\n"
    wait(lambda: len(receiver.got) == 3)
    assert letters(tmp_path, "--sink", "mes", "--all", "drop").output == "1 were dropped\n"
    assert letters(tmp_path).output == "no dead letters\n"
    assert 'saec_sink_dropped_total{sink="mes"} 1.0' in running.client.get("/metrics").text
    assert [key for key, *_ in receiver.got][-1] == "cell-0000000001/final"


def test_what_holds_the_others_up_is_set_aside_by_hand(
    running: Running, receiver: Receiver, tmp_path: Path
) -> None:
    assert letters(tmp_path, "--sink", "mes", "aside").output == "nothing waits for mes\n"
    assert isinstance(letters(tmp_path, "aside").exception, ConfigError)
    receiver.status = lambda key: 500 if key.startswith("cell-0000000001/") else 200
    for i in range(2):
        running.post(png(GOOD + i))
    wait(lambda: running.client.get("/v1/status").json()["sinks"]["mes"]["state"] == "away")
    assert receiver.got == []
    wait(lambda: running.client.get("/ready").status_code == 503)
    (problem,) = running.client.get("/ready").json()["problems"]
    assert problem.startswith("sink mes has taken no verdict for")
    aside = letters(tmp_path, "--sink", "mes", "aside").output
    assert aside == "the final verdict on cell-0000000001 is a dead letter of mes\n"
    wait(lambda: [key for key, *_ in receiver.got] == ["cell-0000000002/final"])
    wait(lambda: running.client.get("/ready").status_code == 200)
