"""The sections of a settings file that join a station to a simulated machine."""

from __future__ import annotations

from collections.abc import Mapping

from saec.station.cameras.camera_mishaps import CameraMishaps
from saec.station.plc.signal_mapping import READ_TYPES, WRITE_TYPES
from saec.station.simulated.machine.machine_settings import Way

PORTS: Mapping[Way, int] = {"modbus": 5020, "opcua": 4840, "s7": 1102}
"""Ports that need no rights; a PLC's own are 502, 4840 and 102."""

_LINE = "LINE"
"""Stands for the name of a line."""

_CHECKS: Mapping[Way, str] = {"modbus": "h50", "s7": "DB10.DBD44"}
"""Where the check value of a simulated PLC lies."""


def plc_section(way: Way, port: int, line: str = _LINE, source: str = "camera") -> str:
    """The section [[plc]] of a PLC on this machine."""
    place = (
        f'address = "opc.tcp://127.0.0.1:{port}"' if way == "opcua" else f'host = "127.0.0.1"\nport = {port}'
    )
    lines = ["[[plc]]", f'kind = "{way}"', 'name = "plc"', f'line = "{line}"', f'source = "{source}"', place]
    if way in _CHECKS:
        lines += ["", "[plc.reads]", f'check = "{_CHECKS[way]}"']
    else:
        for table, begin, names in (("reads", "plc", READ_TYPES), ("writes", "station", WRITE_TYPES)):
            lines += ["", f"[plc.{table}]"]
            lines += [f'{name} = "ns=2;s={begin}_{name}"' for name in names if name != "check"]
    return "\n".join(lines) + "\n"


def coupler_sections(name: str, port: int = 5021, line: str = _LINE) -> str:
    """The sections of a coupler on this machine, with a reject gate and an input."""
    coupler = ["[[coupler]]", 'kind = "modbus"', f'name = "{name}"', 'host = "127.0.0.1"', f"port = {port}"]
    gate = [
        "[[output]]",
        'name = "gate"',
        f'coupler = "{name}"',
        'address = "c0"',
        'on = ["defect", "error"]',
    ]
    gate += [f'line = "{line}"', "delay_s = 1.2"]
    belt = ["[[input]]", 'name = "belt"', f'coupler = "{name}"', 'address = "d0"', 'use = "running"']
    return "\n".join([*coupler, "", *gate, "", *belt]) + "\n"


def source_section(
    path: str, line: str = _LINE, mishaps: CameraMishaps | None = None, order: str = "name"
) -> str:
    """The section [[source]] of a camera that plays a folder."""
    lines = ["[[source]]", 'kind = "simulated"', 'name = "camera"', f'line = "{line}"', f"path = '{path}'"]
    lines.append(f'order = "{order}"')
    if mishaps is not None and mishaps != CameraMishaps():
        lines += ["", "[source.mishaps]"]
        lines += [f"{name} = {getattr(mishaps, name)}" for name in mishaps.__struct_fields__]
    return "\n".join(lines) + "\n"
