"""A station is told by its file; options of `saec station` beat the section [station]."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from saec.cli import root
from saec.errors import ConfigError
from saec.station.setup.station_settings import StationSettings
from tests.run_fakes import make_line

NEEDING = ("", "letters", "repair", "quarantine", "versions x", "rollback x", "promote x 1", "support s.zip")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    make_line(tmp_path / "cell")
    path = tmp_path / "station.toml"
    path.write_text(
        '[station]\nname = "cell-3"\nlisten = "127.0.0.1:8123"\n[[line]]\nname = "cell"\nprofile = "cell"\n'
    )
    return path


@pytest.mark.parametrize("command", NEEDING)
def test_without_a_file_the_example_is_named(command: str) -> None:
    result = CliRunner().invoke(root, ["station", *command.split()])
    assert result.exit_code == 2
    assert "Missing option '--config'" in result.output
    assert "saec station example" in result.output


def started(config: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> StationSettings:
    """The settings with which a station is run."""
    seen: list[StationSettings] = []
    monkeypatch.setattr("saec.station.station_program.run_station", seen.append)
    monkeypatch.setattr("saec.cli.options.process_end.run_to_the_end", lambda run: run())
    monkeypatch.setattr("saec.web.program.logs.configure_logs", lambda level: None)
    result = CliRunner().invoke(root, ["station", "--config", str(config), *options])
    assert result.exception is None, result.output
    (settings,) = seen
    return settings


def test_an_option_beats_the_file_and_the_file_beats_the_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = started(config, monkeypatch, "--listen", "127.0.0.1:9000", "--privacy").station
    assert (given.listen, given.privacy) == ("127.0.0.1:9000", True)
    assert (given.name, given.data) == ("cell-3", config.parent / "station-data")
    assert started(config, monkeypatch).station.listen == "127.0.0.1:8123"


def test_an_option_is_checked_with_the_file(config: Path) -> None:
    result = CliRunner().invoke(root, ["station", "--config", str(config), "--listen", "0.0.0.0:80"])
    assert isinstance(result.exception, ConfigError)
    assert "token" in result.exception.what


def test_a_misspelt_section_is_named(config: Path) -> None:
    config.write_text(config.read_text() + "[retension]\nimage_days = 3\n")
    result = CliRunner().invoke(root, ["station", "--config", str(config)])
    assert isinstance(result.exception, ConfigError)
    assert "line 7: no section [retension]" in result.exception.what
    assert result.exception.remedy == "did you mean retention?"


def test_config_check_says_what_a_station_s_file_names(config: Path) -> None:
    result = CliRunner().invoke(root, ["config", "check", "--config", str(config)])
    assert result.exception is None, result.output
    assert f"line cell: {config.parent / 'cell'}, calibration 1" in result.output
    assert "cloud: none" in result.output
    assert "page: http://127.0.0.1:8123/" in result.output


def test_a_support_file_is_written_nowhere_unasked(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    result = CliRunner().invoke(root, ["station", "support", "--config", str(config)])
    assert result.exit_code == 2
    assert "TARGET" in result.output
    assert set(tmp_path.iterdir()) == before
