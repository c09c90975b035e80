"""A PLC over OPC UA: the station is a client of the PLC's own server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError, MachineError
from saec.station.plc.opcua.opcua_texts import texts_checked
from saec.station.plc.signal_mapping import (
    READ_TYPES,
    WRITE_TYPES,
    ordered_changes,
    plc_signals,
    station_signals,
    station_values,
    values_and_bits,
)
from saec.station.plc.signal_types import CHECK_VALUE, SignalValue
from saec.station.plc.signals import PlcSignals, StationSignals

try:
    from saec.station.plc.opcua.opcua_session import OpcUaNode, OpcUaSession
except ImportError as e:
    raise ExtraError(e.name or "asyncua", "opcua") from e

if TYPE_CHECKING:
    from saec.station.plc.opcua.opcua_settings import OpcUaPlc


class OpcUaWay:
    """Reads the PLC's signals by one request, and writes what changes by two: the values, then the bits.

    What is written at once may become seen in any order, so values and bits go apart.
    """

    def __init__(self, settings: OpcUaPlc) -> None:
        self._session = OpcUaSession(settings)
        self._told_reads, self._told_writes = settings.read_nodes(), settings.write_nodes()
        self._reads: dict[str, OpcUaNode] = {}
        self._writes: dict[str, OpcUaNode] = {}
        self._check: OpcUaNode | None = None
        self._written: dict[str, SignalValue] | None = None

    def open(self) -> None:
        self.close()
        self._session.open()
        self._reads = self._found(self._told_reads, READ_TYPES)
        self._writes = self._found(self._told_writes, WRITE_TYPES)
        may_write = self._session.may_write(list(self._writes.values()))
        for (name, node), may in zip(self._writes.items(), may_write, strict=True):
            if not may:
                what = f"the signal {name}: this user may not write {node.text}"
                raise MachineError(what, "give the user of the settings that right at the server")
        self._check = self._reads.pop("check", None)
        if self._check is not None:
            self._check_value(self._check)

    def read(self) -> PlcSignals:
        return plc_signals(*texts_checked(self._values(self._reads)))

    def standing(self) -> StationSignals | None:
        values, _ = texts_checked(self._values(self._writes))
        return station_signals(values)

    def write(self, signals: StationSignals) -> None:
        after = {name: v for name, v in station_values(signals).items() if name in self._writes}
        before, self._written = self._written, None  # unknown, should a request fail
        for group in values_and_bits(ordered_changes(before, after)):
            nodes = [self._writes[name] for name in group]
            told = zip(nodes, group.values(), strict=True)
            self._session.write([(node, node.value_of(value)) for node, value in told])
        self._written = after

    def refused(self) -> dict[str, int]:
        return {}  # a client refuses nobody

    def close(self) -> None:
        self._written = None
        self._session.close()

    def _found(self, told: Mapping[str, str], types: Mapping[str, str]) -> dict[str, OpcUaNode]:
        """The nodes of signals by name, whose types fit the signals."""
        found = dict(zip(told, self._session.nodes(list(told.values())), strict=True))
        for name, node in found.items():
            if node.holds not in _allowed(name, types[name]):
                kinds = " or ".join(_KINDS[kind] for kind in _allowed(name, types[name]))
                what = f"the signal {name}: {node.text} is of the type {node.type.name}"
                raise MachineError(what, f"name a variable that is {kinds}")
        return found

    def _values(self, nodes: Mapping[str, OpcUaNode]) -> dict[str, Any]:
        return dict(zip(nodes, self._session.read(list(nodes.values())), strict=True))

    def _check_value(self, node: OpcUaNode) -> None:
        found = self._session.read([node])[0]
        if found != CHECK_VALUE:
            what = f"the check signal in {node.text} is {found} and not {CHECK_VALUE}"
            raise MachineError(what, f"have the PLC write {CHECK_VALUE} (16#01020304) there")


_KINDS: Mapping[type[SignalValue], str] = {bool: "a Boolean", int: "a whole number", str: "a String"}


def _allowed(name: str, kind: str) -> Sequence[type[SignalValue]]:
    """What the values of a signal may be."""
    if name == "heartbeat":
        return (int, bool)
    if kind == "bool":
        return (bool,)
    return (str, int) if name == "part" else (int,)
