"""A simulated PLC over OPC UA: with a server of its own, or as a client of the station's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from asyncua import ua

from saec.errors import LinkError, MachineError
from saec.station.plc.opcua.opcua_server import OpcUaIdentity
from saec.station.plc.opcua.opcua_server_way import NAMESPACE
from saec.station.plc.opcua.opcua_session import OpcUaNode, OpcUaSession
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.signal_mapping import READ_TYPES, WRITE_TYPES, station_signals
from saec.station.plc.signal_types import SignalValue
from saec.station.plc.signals import PlcSignals, StationSignals
from saec.station.simulated.opcua_nodes import OpcUaNodes
from saec.station.simulated.plc_peer import plc_values
from saec.texts import read_secret

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
        MachineError: a node id is another one, or the settings ask for security.
    """

    def __init__(self, settings: OpcUaPlc, *, port: int | None = None) -> None:
        self._told, self._station = _names(settings.read_nodes()), _names(settings.write_nodes())
        place = settings.host_and_port()
        told = {name: _TYPES[READ_TYPES[signal]] for signal, name in self._told.items()}
        station = {name: _TYPES[WRITE_TYPES[signal]] for signal, name in self._station.items()}
        own = 0 if place is None else place[1]
        self.nodes = OpcUaNodes(
            {**told, **station}, port=own if port is None else port, identity=_identity(settings)
        )

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


class OpcUaPlcClient:
    """A PLC that is a client of the station's own server.

    It writes its values before the bits that make them valid, and connects again by itself.

    Args:
        settings: the station's [[plc]], whose role is "server".

    Raises:
        MachineError: the settings ask for security.
    """

    def __init__(self, settings: OpcUaPlc) -> None:
        _check_security(settings)
        self._session = OpcUaSession(settings)
        self._told: dict[str, OpcUaNode] | None = None
        self._station: dict[str, OpcUaNode] = {}
        self._written: dict[str, SignalValue] = {}
        self._silent = False

    def read(self) -> StationSignals | None:
        if not self._is_connected():
            return None
        try:
            values = self._session.read(list(self._station.values()))
        except (LinkError, MachineError):
            self._lose()
            return None
        return station_signals(dict(zip(self._station, values, strict=True)))

    def write(self, signals: PlcSignals) -> None:
        told = self._told if self._is_connected() else None
        if told is None:
            return
        values = {name: value for name, value in plc_values(signals).items() if name in told}
        changed = {name: value for name, value in values.items() if self._written.get(name) != value}
        bits = {name: value for name, value in changed.items() if isinstance(value, bool)}
        others = {name: value for name, value in changed.items() if name not in bits}
        try:
            for group in (others, bits):
                if group:
                    self._session.write([(told[name], value) for name, value in group.items()])
            self._written = values
        except (LinkError, MachineError):
            self._lose()

    def silence(self, silent: bool) -> None:
        self._silent = silent

    def close(self) -> None:
        self._lose()

    def _is_connected(self) -> bool:
        if self._silent or self._told is not None:
            return not self._silent
        try:
            self._session.open()
            told = self._found("reads", READ_TYPES)
            self._station = self._found("writes", WRITE_TYPES)
        except (LinkError, MachineError):
            self._lose()
            return False
        self._told = told
        return True

    def _found(self, key: str, names: Iterable[str]) -> dict[str, OpcUaNode]:
        shown = [name for name in names if name != "check"]
        nodes = self._session.nodes([f"nsu={NAMESPACE};s={key}.{name}" for name in shown])
        return dict(zip(shown, nodes, strict=True))

    def _lose(self) -> None:
        self._told, self._written = None, {}
        self._session.close()


def _identity(settings: OpcUaPlc) -> OpcUaIdentity:
    """A server that lets in the user of the settings, or everybody where there is none."""
    _check_security(settings)
    password = "" if settings.password_file is None else read_secret(settings.password_file)
    users = None if settings.user is None else {settings.user: password}
    return OpcUaIdentity(name="simulated PLC", uri="urn:saec:simulated-server", users=users)


def _check_security(settings: OpcUaPlc) -> None:
    if settings.security != "none":
        what = "a simulated PLC has no certificate"
        raise MachineError(what, 'set security = "none" while you simulate, and leave out the files')


def _names(nodes: Mapping[str, str]) -> dict[str, str]:
    for signal, text in nodes.items():
        if not text.startswith(_SPACE):
            what = f"the simulated PLC has no node {text} for the signal {signal}"
            raise MachineError(what, f"name its nodes {_SPACE}NAME")
    return {signal: text.removeprefix(_SPACE) for signal, text in nodes.items()}
