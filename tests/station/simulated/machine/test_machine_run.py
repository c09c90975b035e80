"""A run of the simulated machine: whom it plays, which parts come, and the table at the end."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from saec.decoding import convert, path_hook
from saec.errors import DataError, MachineError
from saec.station.cameras.camera_mishaps import CameraMishaps
from saec.station.plc.plc_settings import PlcSettings
from saec.station.setup.station_settings import StationSettings
from saec.station.simulated.machine.machine_run import chosen_plc, parts_before, run_machine, table_rows
from saec.station.simulated.machine.machine_settings import MachineSettings, Way
from saec.station.simulated.machine.shown_sections import PORTS, plc_section, source_section
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_program import PlcPart
from saec.station.simulated.plc_tally import PlcTally
from tests.station.simulated.bare_station import BareStation
from tests.station.simulated.test_modbus_peers import free_port
from tests.station.station_fakes import png


def read(text: str) -> StationSettings:
    return convert(tomllib.loads(text), StationSettings, hook=path_hook)


@pytest.mark.parametrize("way", get_args(Way))
def test_the_sections_that_are_shown_are_those_of_a_station(way: Way, tmp_path: Path) -> None:
    mishaps = CameraMishaps(late=0.1, late_s=2.0)
    text = source_section(str(tmp_path), "l", mishaps) + plc_section(way, PORTS[way], "l")
    settings = read(text)
    plc = chosen_plc(settings, None)
    assert isinstance(plc, PlcSettings)
    assert [*plc.faults()] == []
    assert (plc.source, plc.line) == (settings.source[0].name, settings.source[0].line)
    assert settings.source[0].mishaps == mishaps


def test_a_plc_that_is_not_there_is_named() -> None:
    with pytest.raises(MachineError, match="named press"):
        chosen_plc(read(plc_section("modbus", 5020)), "press")


def test_the_parts_are_those_of_the_pictures_where_they_have_some(tmp_path: Path) -> None:
    for name in ("A1", "A2"):
        (tmp_path / f"{name}.png").write_bytes(png(9))
    told = source_section(str(tmp_path)) + 'part_from = "name"\n'
    settings = read(told + plc_section("modbus", 5020))
    plc = chosen_plc(settings, None)
    assert [one.part for one in parts_before(settings, plc, 3)] == ["A1", "A2", "A1~2"]
    plain = read(plc_section("modbus", 5020))
    assert [*parts_before(plain, plc, 2)] == [PlcPart("P000001"), PlcPart("P000002")]


def test_repeated_parts_are_named_before_a_trigger_is_sent(tmp_path: Path) -> None:
    for name in ("good", "broken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "000.png").write_bytes(png(9))
    told = source_section(str(tmp_path)) + 'part_from = "name"\n'
    settings = read(told + plc_section("modbus", free_port()))
    with pytest.raises(DataError, match="both show the part 000"):
        run_machine(settings, MachineSettings(parts=2), MistakeShares(), lambda tally: None)


def played(**machine: Any) -> tuple[PlcTally, dict[str, str]]:
    """A run against a bare station, and its table."""
    settings = read(plc_section("modbus", free_port(), "l"))
    asked = MachineSettings(per_s=1000, **machine)
    with BareStation(chosen_plc(settings, None)):
        tally, station = run_machine(settings, asked, MistakeShares(), lambda tally: None)
    return tally, dict(table_rows(tally, station))


def test_a_run_ends_in_a_table() -> None:
    tally, rows = played(parts=6)
    assert (tally.triggers, tally.results) == (6, 6)
    assert rows["triggers"] == rows["results"] == "6"
    assert rows["movements of the gate"] == "2"
    assert rows["double actuations"] == rows["wrong parts"] == "0"
    assert "without any answer" not in rows


def test_only_modbus_has_another_order_of_words() -> None:
    settings = read(plc_section("s7", 1102))
    with pytest.raises(MachineError, match="one order of words"):
        run_machine(settings, MachineSettings(wrong_word_order=True), MistakeShares(), lambda tally: None)
