"""`saec station simulate`: what it prints without a station, and a handshake from one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saec.cli import main
from tests.run_fakes import make_line


def test_without_a_settings_file_it_prints_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["station", "simulate", "--way", "s7", "--late", "0.2"]) == 0
    told = capsys.readouterr().out
    assert 'kind = "simulated"' in told
    assert "late = 0.2" in told
    assert 'kind = "s7"' in told


def test_mishaps_of_a_camera_that_is_the_station_s_own_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "station.toml"
    config.write_text("[station]\n")
    assert main(["station", "simulate", "--config", str(config), "--missed", "0.1"]) == 2
    told = capsys.readouterr().err
    assert "the camera is the station's own" in told
    assert f"[source.mishaps] of {config}" in told


def test_a_coupler_is_printed_and_only_one_of_the_settings_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_line(tmp_path / "cell")
    assert main(["station", "simulate", "--coupler", "io"]) == 0
    sections = capsys.readouterr().out.replace("LINE", "cell")
    config = tmp_path / "station.toml"
    config.write_text(f'[[line]]\nname = "cell"\nprofile = "cell"\n\n{sections}')
    argv = ["station", "simulate", "--config", str(config), "--coupler"]
    assert main([*argv, "other"]) != 0
    assert "the settings have: io" in capsys.readouterr().err
    config.write_text(config.read_text() + '\n[[coupler]]\nkind = "gpio"\nname = "pins"\n')
    assert main([*argv, "pins"]) != 0
    assert "the coupler pins is no Modbus coupler" in capsys.readouterr().err


@pytest.mark.acceptance  # fits a line, and starts a station
def test_one_command_shows_a_handshake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, figures = tmp_path / "st", tmp_path / "figures.json"
    for way in ("modbus", "opcua", "s7"):
        argv = ["station", "simulate", "--with-station", "--out", str(out), "--parts", "10", "--way", way]
        assert main([*argv, "--json", str(figures)]) == 0
        told = json.loads(figures.read_text())
        late = sum(told["faults"].values())  # on a busy machine an answer may miss its deadline
        assert (told["triggers"], told["results"] + late) == (10, 10)
        assert set(told["faults"]) <= {"NO_RESULT", "NO_PICTURE"}
        assert told["violations"] == {}
    assert "movements of the gate" in capsys.readouterr().out
