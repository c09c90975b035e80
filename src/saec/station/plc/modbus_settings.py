"""A [[plc]] that is reached by Modbus TCP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from saec.errors import MachineError
from saec.station.plc.modbus_addresses import ModbusAddress, address_faults, modbus_addresses
from saec.station.plc.plc_settings import USUAL_ROLE, PlcSettings, Role, Wake
from saec.station.plc.server_peers import PeerLimit, client_faults
from saec.station.plc.signal_mapping import BITS, READ_TYPES, WRITE_TYPES, mapped, mapping_faults
from saec.station.plc.signal_types import Order
from saec.station.plc.signals import PlcWay
from saec.station.section_types import FieldFault

MODBUS_READS = {
    "trigger": "h0.0",
    "acknowledge": "h0.1",
    "reset": "h0.2",
    "heartbeat": "h1",
    "recipe": "h2",
    "number": "h4",
    "part": "h10",
}
"""Where the PLC's signals lie where the mapping names nothing."""

MODBUS_WRITES = {
    "ready": "h100.0",
    "busy": "h100.1",
    "result_valid": "h100.2",
    "fault": "h100.3",
    "heartbeat": "h101",
    "code": "h102",
    "label": "h103",
    "confidence": "h104",
    "kind": "h105",
    "number": "h106",
    "recipe": "h108",
    "part": "h109",
}
"""Where the station's signals lie, likewise."""


class ModbusPlc(PlcSettings, frozen=True, kw_only=True, tag_field="kind", tag="modbus"):
    """A [[plc]] of kind "modbus": Modbus TCP, which needs the extra ``saec[modbus]``.

    Attributes:
        role: "client": the station reads and writes the PLC's registers. "server": the PLC reads and writes
            the station's.
        host: The PLC's name or address. For a server the address to listen on.
        port: Its port.
        unit: The number of the device, as behind a gateway.
        word_order: "big": the high word of a number of 32 bits comes first.
        byte_order: "little" swaps the bytes in each register of a text or of a number of 32 bits.
        peers: Connections at once to the station's own server.
        clients: IP addresses that may connect to the station's own server. Empty lets all connect.
    """

    role: Role = USUAL_ROLE
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 502
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    word_order: Order = "big"
    byte_order: Order = "big"
    peers: PeerLimit = 16
    clients: list[str] = msgspec.field(default_factory=list)

    def make_way(self, wake: Wake) -> PlcWay:
        from saec.station.plc.modbus_client import ModbusClientWay
        from saec.station.plc.modbus_server import ModbusServerWay

        return ModbusClientWay(self) if self.role == "client" else ModbusServerWay(self, wake)

    def read_addresses(self) -> dict[str, ModbusAddress]:
        """Where the PLC's signals lie, by name."""
        return modbus_addresses(mapped(self.reads, MODBUS_READS), READ_TYPES)

    def write_addresses(self) -> dict[str, ModbusAddress]:
        """Where the station's signals lie, by name."""
        return modbus_addresses(mapped(self.writes, MODBUS_WRITES), WRITE_TYPES)

    def read_places(self) -> dict[str, str]:
        return mapped(self.reads, MODBUS_READS)

    def heartbeat_range(self) -> int:
        found = self.read_addresses().get("heartbeat")
        return 0 if found is None or found.kind.size < 2 else found.kind.values

    def faults(self) -> Iterator[FieldFault]:
        yield from super().faults()
        reads, writes = mapped(self.reads, MODBUS_READS), mapped(self.writes, MODBUS_WRITES)
        yield from mapping_faults(reads, writes)
        client = self.role == "client"
        faults = [
            *address_faults("reads", reads, READ_TYPES, "cdhi" if client else "h"),
            *address_faults("writes", writes, WRITE_TYPES, "ch" if client else "hi"),
        ]
        yield from faults
        if not faults:
            yield from self._shared()
            if client:
                yield from self._bits_apart()
        yield from client_faults(self.clients, serves=not client)
        if not self.host:
            yield "host", "host is empty", "give the PLC's name or address"

    def _shared(self) -> Iterator[FieldFault]:
        """A register that both sides would write, or that holds a value and bits."""
        try:
            used: dict[tuple[str, int], str] = {}
            for key, addresses in (("reads", self.read_addresses()), ("writes", self.write_addresses())):
                for name, one in addresses.items():
                    told = f"{key} bits" if one.bit is not None else f"{key}.{name}"
                    for register in range(one.first, one.first + one.count):
                        if (other := used.setdefault((one.table, register), told)) != told:
                            what = f"{other} and {told} share {one.table}{register}"
                            yield key, what, "give each a register of its own"
        except MachineError:  # said already
            return

    def _bits_apart(self) -> Iterator[FieldFault]:
        """Bits that one request cannot change: a PLC would see Fault while Busy still stands."""
        writes = self.write_addresses()
        bits = {(writes[name].table, writes[name].first) for name in BITS if name in writes}
        own = {(a.table, a.first + i) for a in writes.values() for i in range(a.count)}
        (table, first), (other, last) = min(bits), max(bits)
        if table != other or any((table, place) not in own for place in range(first, last + 1)):
            what = f"{', '.join(BITS)} cannot be written by one request"
            yield "writes", what, "put them into one register, or into coils side by side"
