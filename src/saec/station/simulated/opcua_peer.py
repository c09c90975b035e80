"""A simulated PLC over OPC UA: variables of a server that the station reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncua import ua

from saec.errors import MachineError
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.signal_mapping import READ_TYPES, WRITE_TYPES, station_signals
from saec.station.plc.signals import PlcSignals, StationSignals
from saec.station.simulated.opcua_nodes import OpcUaNodes
from saec.station.simulated.plc_peer import plc_values

_SPACE = "ns=2;s="
"""How the node ids of a simulated PLC begin."""

_TYPES: Mapping[str, tuple[ua.VariantType, Any]] = {
    "bool": (ua.VariantType.Boolean, False),
    "uint16": (ua.VariantType.UInt16, 0),
    "uint32": (ua.VariantType.UInt32, 0),
    "string32": (ua.VariantType.String, ""),
}


class OpcUaPlcMemory:
    """A PLC with an OPC UA server, whose variables the station reads and writes.

    Args:
        settings: the station's [[plc]]; its node ids are "ns=2;s=NAME".
        port: where it listens on 127.0.0.1; None takes that of the settings' address, 0 a free one.

    Attributes:
        nodes: its variables.

    Raises:
        MachineError: a node id is another one.
    """

    def __init__(self, settings: OpcUaPlc, *, port: int | None = None) -> None:
        self._told, self._station = _names(settings.read_nodes()), _names(settings.write_nodes())
        place = settings.host_and_port()
        told = {name: _TYPES[READ_TYPES[signal]] for signal, name in self._told.items()}
        station = {name: _TYPES[WRITE_TYPES[signal]] for signal, name in self._station.items()}
        own = 0 if place is None else place[1]
        self.nodes = OpcUaNodes({**told, **station}, port=own if port is None else port)

    @property
    def address(self) -> str:
        return self.nodes.address

    def read(self) -> StationSignals:
        values = self.nodes.read_all(list(self._station.values()))
        return station_signals(dict(zip(self._station, values, strict=True)))

    def write(self, signals: PlcSignals) -> None:
        values = plc_values(signals)
        self.nodes.write({name: values[signal] for signal, name in self._told.items()})

    def silence(self, silent: bool) -> None:
        self.nodes.wire.silence(silent)

    def close(self) -> None:
        self.nodes.close()


def _names(nodes: Mapping[str, str]) -> dict[str, str]:
    for signal, text in nodes.items():
        if not text.startswith(_SPACE):
            what = f"the simulated PLC has no node {text} for the signal {signal}"
            raise MachineError(what, f"name its nodes {_SPACE}NAME")
    return {signal: text.removeprefix(_SPACE) for signal, text in nodes.items()}
