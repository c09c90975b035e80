"""The rates over HTTP, in the metrics and in the shell are those of the review."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from saec import edge
from saec.cli.station import command
from saec.frame import judges as loading
from saec.frame.judges import Standing
from saec.station.setup.station_section import StationSection
from saec.station.setup.station_settings import LineSettings, StationSettings
from saec.station.storage.records import SpoolLimits
from saec.web.admission.tokens import Tokens
from tests.run_fakes import FUSED, FakeDetector, make_line
from tests.station.quality.review_fakes import BEGIN, HOUR, offer, review
from tests.station.station_fakes import FakeLinkCloud, Running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("rates")
    make_line(folder / "profile")
    settings = StationSettings(
        station=StationSection(data=folder / "data", listen="127.0.0.1:0"),
        line=[LineSettings(name="cell", profile=folder / "profile")],
        spool=SpoolLimits(free_gb=0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge, "open_detector", lambda profile: FakeDetector())
        patch.setattr(loading, "standing", lambda *_: Standing("fused", "", FUSED))
        with Running(settings, FakeLinkCloud(), Tokens(None)) as running:
            now = time.time() // HOUR * HOUR
            for hour, first in ((BEGIN, 1), (now, 100)):
                offer(folder / "data", 0, 900, 60, hour=hour)
                review(folder / "data", first, [0] * 50, [[0]] * 49 + [[1]], hour=hour)
            yield running


def test_a_window_is_answered_with_its_intervals(running: Running) -> None:
    answer = running.client.get(f"/v1/lines/cell/rates?since={BEGIN}&until={BEGIN + HOUR}&within=0.02")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    passed = found["rates"]["defects_among_passed"]
    assert passed["value"] == 1 / 50
    assert passed["low"] < 0.02 < passed["high"]
    assert found["rates"]["passed"]["waiting"] == 10
    assert found["needed"]["defects_among_passed"]["passed"] > 50


def test_a_line_or_a_window_that_there_is_not_is_refused(running: Running) -> None:
    assert running.client.get("/v1/lines/none/rates").status_code == 404
    assert running.client.get("/v1/lines/cell/rates?since=20&until=10").status_code == 400
    assert running.client.get("/v1/lines/cell/rates?within=0").status_code == 422


def test_the_present_shift_is_in_the_metrics(running: Running) -> None:
    text = running.client.get("/metrics").text
    assert 'saec_quality_rate{end="value",line="cell",rate="defects_among_passed"} 0.02' in text
    assert 'saec_quality_reviews{line="cell",side="passed",state="waiting"} 10.0' in text


def test_the_shell_says_it_in_sentences(running: Running, tmp_path: Path) -> None:
    data = running.station.settings.station.data
    config = tmp_path / "station.toml"
    config.write_text(
        f'[station]\ndata = "{data}"\n[[line]]\nname = "cell"\nprofile = "{data.parent / "profile"}"\n'
        "cloud = false\n"
    )
    shown = CliRunner().invoke(command, ["rates", "--config", str(config), "cell", "--hours", "1"])
    assert shown.exit_code == 0, shown.output
    assert "passed: " in shown.output
    assert "defects among passed frames: 2.00%" in shown.output
    assert "people" in shown.output or "readers: no frame has two answers" in shown.output
