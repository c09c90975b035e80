"""What a [[plc]] section may say, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saec.errors import ConfigError
from saec.station.plc import ModbusPlc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.setup.settings_file import read_settings

WHOLE = """
[[line]]
name = "bottle"
profile = "bottle"

[[line]]
name = "nut"
profile = "bottle"

[[source]]
kind = "folder"
name = "in"
line = "bottle"
path = "in"

[[plc]]
kind = "modbus"
name = "press"
line = "bottle"
source = "in"
host = "192.0.2.1"
"""


def read(folder: Path, text: str) -> Any:
    (folder / "bottle").mkdir(exist_ok=True)
    (folder / "bottle" / "line.json").write_text("{}")
    (folder / "station.toml").write_text(text)
    return read_settings(folder / "station.toml")


def test_a_section_needs_a_name_a_line_a_source_and_an_address(tmp_path: Path) -> None:
    (plc,) = read(tmp_path, WHOLE).plc
    assert (plc.role, plc.port, plc.heartbeat_range()) == ("client", 502, 65536)
    assert plc.read_addresses()["part"].count == 16
    told = read(tmp_path, f'{WHOLE}[plc.reads]\nheartbeat = "h1.0"\npart = "h20:uint32"\nnumber = ""\n').plc[
        0
    ]
    assert told.heartbeat_range() == 0
    assert "number" not in told.read_addresses()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('line = "bottle"\nsource', 'line = "nut"\nsource', "are judged by the line bottle"),
        ('line = "bottle"\nsource', 'line = "cap"\nsource', "no \\[\\[line\\]\\] named cap"),
        ('source = "in"', 'source = "out"', "no \\[\\[source\\]\\] named out"),
        ('host = "192.0.2.1"', 'host = ""', "host is empty"),
        ('host = "192.0.2.1"', 'host = "a"\ndeadline_s = 0.5\npicture_s = 0.1', "is below that of the line"),
        ('host = "192.0.2.1"', 'host = "a"\npicture_s = 3', "is above deadline_s"),
        ('host = "192.0.2.1"', 'host = "a"\nmedium = 0.99', "is above high"),
        ('kind = "modbus"', 'kind = "profinet"', "kind"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        read(tmp_path, WHOLE.replace(old, new))


@pytest.mark.parametrize("trigger", ["off", "sensor", "software", "hardware"])
def test_a_camera_that_runs_by_itself_takes_no_pictures_for_a_plc(tmp_path: Path, trigger: str) -> None:
    camera = f'kind = "industrial"\nbackend = "aravis"\ntrigger = "{trigger}"'
    text = WHOLE.replace('kind = "folder"', camera).replace('path = "in"\n', "")
    if trigger in ("software", "hardware"):
        assert read(tmp_path, text).plc[0].source == "in"
    else:
        with pytest.raises(ConfigError, match=f'the source in has trigger "{trigger}"'):
            read(tmp_path, text)


INPUT = """
[[coupler]]
kind = "modbus"
name = "io"
host = "192.0.2.2"

[[input]]
name = "eye"
coupler = "io"
address = "d0"
use = "trigger"
line = "bottle"
source = "in"
"""


@pytest.mark.parametrize("section", ["plc", "input"])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("camera", 'address = "0"'),
        ("video", 'path = "in.mp4"'),
        ("industrial", 'backend = "aravis"'),
        ("simulated", 'path = "in"\nper_s = 2'),
    ],
)
def test_a_picture_that_may_be_older_than_the_trigger_is_no_answer(
    tmp_path: Path, section: str, kind: str, fields: str
) -> None:
    whole = WHOLE if section == "plc" else WHOLE[: WHOLE.index("[[plc]]")] + INPUT
    assert read(tmp_path, whole)
    source = whole.replace('kind = "folder"', f'kind = "{kind}"').replace('path = "in"', fields)
    with pytest.raises(ConfigError, match=r"the source in (is of kind|has)") as told:
        read(tmp_path, source)
    assert "http:CLIENT" in str(told.value)


def test_a_source_serves_one_plc(tmp_path: Path) -> None:
    second = WHOLE[WHOLE.index("[[plc]]") :].replace("press", "second")
    with pytest.raises(ConfigError, match="takes the pictures of the PLC press"):
        read(tmp_path, WHOLE + second)


def faults(**given: Any) -> list[tuple[str, str]]:
    plc = ModbusPlc(name="press", line="l", source="s", host="h", **given)
    return [(key, what) for key, what, _ in plc.faults()]


@pytest.mark.parametrize(
    ("given", "key", "what"),
    [
        ({"reads": PlcAddresses(trigger="x1")}, "reads", "not an address of Modbus"),
        ({"reads": PlcAddresses(trigger="h1")}, "reads", "needs the number of the bit"),
        ({"reads": PlcAddresses(trigger="h0.16")}, "reads", "beyond what Modbus has"),
        ({"reads": PlcAddresses(trigger="c1:uint16")}, "reads", "hold one bit"),
        ({"reads": PlcAddresses(trigger="")}, "reads", "trigger has no address"),
        ({"reads": PlcAddresses(part="h10:float")}, "reads", "not a type of a signal"),
        ({"reads": PlcAddresses(recipe="h2:string8")}, "reads", "cannot be string8"),
        ({"reads": PlcAddresses(part="h900")}, "reads", "do not fit one request"),
        ({"reads": PlcAddresses(number="h10:uint32")}, "reads", "share h10"),
        ({"writes": StationAddresses(label="h102")}, "writes", "one address"),
        ({"writes": StationAddresses(ready="h101.5")}, "writes", "share h101"),
        ({"writes": StationAddresses(label="i3")}, "writes", "cannot be in that table"),
        ({"role": "server", "reads": PlcAddresses(trigger="c1")}, "reads", "cannot be in that table"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_named(given: dict[str, Any], key: str, what: str) -> None:
    found = faults(**given)
    assert found
    assert any(k == key and what in told for k, told in found), found


def test_the_defaults_have_no_fault() -> None:
    assert faults() == faults(role="server") == []
