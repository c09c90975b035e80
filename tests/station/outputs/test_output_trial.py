"""`saec station outputs test` pulses one output, and leaves all in their fail-safe state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from saec.cli import root
from saec.errors import ConfigError, LinkError, SpoolError
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool
from tests.run_fakes import make_line


@pytest.fixture
def device() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as device:
        yield device


@pytest.fixture
def config(tmp_path: Path, device: ModbusRegisters) -> Path:
    make_line(tmp_path / "cell")
    path = tmp_path / "station.toml"
    path.write_text(
        f"""
[station]
data = "data"
[[line]]
name = "cell"
profile = "cell"
[[coupler]]
kind = "modbus"
name = "io"
host = "127.0.0.1"
port = {device.port}
[[output]]
name = "gate"
coupler = "io"
address = "c0"
on = ["defect", "error"]
line = "cell"
[[output]]
name = "brake"
coupler = "io"
address = "c1"
on = ["fault"]
safe = "on"
[[input]]
name = "runs"
coupler = "io"
address = "d0"
use = "running"
"""
    )
    return path


def tried(config: Path, name: str) -> Result:
    words = ["station", "outputs", "test", "--config", str(config), name, "--pulse-seconds", "0.001"]
    return CliRunner().invoke(root, words)


def test_the_output_goes_on_and_off_once_and_the_inputs_are_shown(
    config: Path, device: ModbusRegisters
) -> None:
    device.write(RegisterTable.DISCRETE_INPUTS, 0, [1])
    result = tried(config, "gate")
    assert result.exit_code == 0, result.output
    assert [write.values for write in device.writes] == [(0, 1), (1, 1), (0, 1), (0, 1)]
    for said in ("input runs is 1", "output gate is on for 0.001 s", "its fail-safe state: off"):
        assert said in result.output


def test_an_unknown_output_a_station_that_runs_and_a_coupler_that_is_away_are_said(
    config: Path, device: ModbusRegisters
) -> None:
    result = tried(config, "gat")
    assert isinstance(result.exception, ConfigError)
    assert "use one of gate, brake" in str(result.exception)
    spool = Spool(config.parent / "data", limits=SpoolLimits(free_gb=0))
    assert isinstance(tried(config, "gate").exception, SpoolError)
    spool.close()
    device.hang_up()
    assert isinstance(tried(config, "gate").exception, LinkError)
    assert device.writes == []
