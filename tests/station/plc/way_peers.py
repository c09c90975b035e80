"""The PLC's side of each way, with the same signals: a server in this process, and how it is reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec
from asyncua import ua

from saec.station.plc.modbus_addresses import ModbusAddress
from saec.station.plc.modbus_settings import MODBUS_READS, ModbusPlc
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.s7.s7_settings import S7Plc
from saec.station.plc.signal_mapping import READ_TYPES, WRITE_TYPES, PlcAddresses, StationAddresses
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable
from saec.station.simulated.opcua_nodes import OpcUaNodes
from saec.station.simulated.s7_blocks import S7Blocks

Values = dict[str, Any]

TIMEOUT = 0.2
"""Seconds until a dead session is found out."""


class WayPeer(Protocol):
    """A PLC that is reached by some way.

    Attributes:
        settings: how it is reached.
        wrong: settings that cannot be right, by what is wrong with them.
    """

    @property
    def settings(self) -> PlcSettings: ...

    @property
    def wrong(self) -> Mapping[str, PlcSettings]: ...

    def tell(self, **values: Any) -> None:
        """Set signals of the PLC, all at once."""

    def station(self) -> Values:
        """The station's signals, as the PLC reads them."""

    def seen(self) -> Iterator[Values]:
        """The station's signals after each request that wrote some of them, oldest first."""

    def silence(self, silent: bool = True) -> None: ...

    def hang_up(self) -> None: ...

    def listen(self) -> None: ...

    def close(self) -> None: ...


class ModbusPeer:
    """Registers of a PLC that Modbus reaches."""

    def __init__(self) -> None:
        self._plc = ModbusRegisters()
        self.settings = ModbusPlc(
            name="cell",
            line="bolts",
            source="cam",
            host="127.0.0.1",
            port=self._plc.port,
            timeout_s=TIMEOUT,
            reads=PlcAddresses(challenge="h0.3"),
            writes=StationAddresses(challenge="h126"),
        )
        self.wrong = {
            "address": _with(self.settings, reads=PlcAddresses(**_far())),
            "order of words": _with(self.settings, reads=PlcAddresses(check="h20")),
        }
        self._plc.write(RegisterTable.HOLDING, 20, [0x0304, 0x0102])
        self._plc.write(RegisterTable.HOLDING, 1, [1])
        self._shadow = [0] * 1024

    def tell(self, **values: Any) -> None:
        words = self._plc.read(RegisterTable.HOLDING, 0, 26)
        for name, value in values.items():
            address = self.settings.read_addresses()[name]
            if address.bit is not None:
                rest = words[address.first] & ~(1 << address.bit)
                words[address.first] = rest | int(value) << address.bit
                continue
            data = _bytes(value, address)
            words[address.first : address.first + address.count] = _words(data)
        self._plc.write(RegisterTable.HOLDING, 0, words)

    def station(self) -> Values:
        return self._decoded(self._plc.read(RegisterTable.HOLDING, 0, 200))

    def seen(self) -> Iterator[Values]:
        for write in self._plc.writes:
            self._shadow[write.address : write.address + len(write.values)] = write.values
            yield self._decoded(self._shadow)
        self._plc.writes.clear()

    def silence(self, silent: bool = True) -> None:
        self._plc.silence(silent)

    def hang_up(self) -> None:
        self._plc.hang_up()

    def listen(self) -> None:
        self._plc.listen()

    def close(self) -> None:
        self._plc.close()

    def _decoded(self, words: list[int]) -> Values:
        found: Values = {}
        for name, address in self.settings.write_addresses().items():
            data = b"".join(
                w.to_bytes(2, "big") for w in words[address.first : address.first + address.count]
            )
            if address.bit is not None:
                found[name] = bool(words[address.first] >> address.bit & 1)
            else:
                text = address.kind.is_text
                found[name] = data.rstrip(b"\0").decode() if text else int.from_bytes(data, "big")
        return found


class S7Peer:
    """Data block 10 of a PLC that S7 reaches."""

    def __init__(self) -> None:
        self._plc = S7Blocks({10: 110})
        self.settings = S7Plc(
            name="cell",
            line="bolts",
            source="cam",
            host="127.0.0.1",
            port=self._plc.port,
            timeout_s=TIMEOUT,
            reads=PlcAddresses(challenge="DB10.DBX0.3"),
            writes=StationAddresses(challenge="DB10.DBW104"),
        )
        self.wrong = {
            "block": _with(self.settings, block=99),
            "address": _with(self.settings, writes=StationAddresses(kind="DB10.DBW110")),
            "text": _with(self.settings, reads=PlcAddresses(part="DB10.DBB10:STRING[20]")),
            "check value": _with(self.settings, reads=PlcAddresses(check="DB10.DBD46")),
        }
        self._reads, self._writes = self.settings.read_addresses(), self.settings.write_addresses()
        self._plc.write({self._reads["part"].text: "", self._writes["part"].text: ""})
        self.tell(heartbeat=1)
        self._shadow = bytearray(self._plc.get(10))

    def tell(self, **values: Any) -> None:
        self._plc.write({self._reads[name].text: value for name, value in values.items()})

    def station(self) -> Values:
        return self._decoded(self._plc.get(10))

    def seen(self) -> Iterator[Values]:
        for write in self._plc.writes:
            self._shadow[write.start : write.start + len(write.data)] = write.data
            yield self._decoded(bytes(self._shadow))
        self._plc.writes.clear()

    def silence(self, silent: bool = True) -> None:
        self._plc.wire.silence(silent)

    def hang_up(self) -> None:
        self._plc.wire.hang_up()

    def listen(self) -> None:
        self._plc.wire.listen()

    def close(self) -> None:
        self._plc.close()

    def _decoded(self, data: bytes) -> Values:
        found: Values = {}
        for name, place in self._writes.items():
            own = data[place.start : place.end]
            if place.kind.name == "bool":
                found[name] = bool(own[0] >> place.bit & 1)
            else:
                found[name] = own[2 : 2 + own[1]].decode() if name == "part" else int.from_bytes(own, "big")
        return found


class OpcUaPeer:
    """Variables of a PLC's OPC UA server."""

    def __init__(self) -> None:
        self._first = _first_values()
        odd = {"number16": (ua.VariantType.UInt16, 0), "locked_label": (ua.VariantType.UInt16, 0)}
        self._plc = OpcUaNodes({**self._first, **odd})
        reads = {name: f"ns=2;s=plc_{name}" for name in READ_TYPES if name != "check"}
        writes = {name: f"ns=2;s=station_{name}" for name in WRITE_TYPES if name != "check"}
        self.settings = OpcUaPlc(
            name="cell",
            line="bolts",
            source="cam",
            address=self._plc.address,
            timeout_s=TIMEOUT,
            reads=PlcAddresses(**reads),
            writes=StationAddresses(**writes),
        )
        self.wrong = {
            "node": _with(self.settings, reads=PlcAddresses(**{**reads, "trigger": "ns=2;s=none"})),
            "namespace": _with(self.settings, reads=PlcAddresses(**{**reads, "trigger": "nsu=urn:x;s=none"})),
            "type": _with(self.settings, reads=PlcAddresses(**{**reads, "trigger": "ns=2;s=number16"})),
            "right": _with(
                self.settings, writes=StationAddresses(**{**writes, "label": "ns=2;s=locked_label"})
            ),
            "check value": _with(self.settings, reads=PlcAddresses(**reads, check="ns=2;s=plc_number")),
        }
        self._shadow = {name.removeprefix("station_"): first for name, (_, first) in self._first.items()}

    def restart(self) -> None:
        """The same server for another test."""
        self._plc.wire.silence(False)
        self._plc.wire.hang_up()
        self._plc.wire.listen()
        self._plc.forget()
        self._plc.writes.clear()
        self._shadow = {name.removeprefix("station_"): first for name, (_, first) in self._first.items()}

    def tell(self, **values: Any) -> None:
        self._plc.write({f"plc_{name}": value for name, value in values.items()})

    def station(self) -> Values:
        return {name: self._plc.read(f"station_{name}") for name in WRITE_TYPES if name != "check"}

    def seen(self) -> Iterator[Values]:
        for write in self._plc.writes:
            self._shadow |= {name.removeprefix("station_"): value for name, value in write.values.items()}
            yield dict(self._shadow)
        self._plc.writes.clear()

    def silence(self, silent: bool = True) -> None:
        self._plc.wire.silence(silent)

    def hang_up(self) -> None:
        self._plc.wire.hang_up()

    def listen(self) -> None:
        self._plc.wire.listen()

    def close(self) -> None:
        self._plc.close()


def _first_values() -> dict[str, tuple[Any, Any]]:
    types = {
        "bool": (ua.VariantType.Boolean, False),
        "uint16": (ua.VariantType.UInt16, 0),
        "uint32": (ua.VariantType.UInt32, 0),
        "string32": (ua.VariantType.String, ""),
    }
    plc = {f"plc_{name}": types[kind] for name, kind in READ_TYPES.items()}
    station = {f"station_{name}": types[kind] for name, kind in WRITE_TYPES.items()}
    return {**plc, **station}


def _far() -> dict[str, str]:
    """Addresses for Modbus that the registers do not have."""
    bits = {"trigger": "h2000.0", "acknowledge": "h2000.1"}
    return {**dict.fromkeys(MODBUS_READS, ""), **bits}


def _with(settings: Any, **changed: Any) -> Any:

    return msgspec.structs.replace(settings, **changed)


def _bytes(value: Any, address: ModbusAddress) -> bytes:
    if address.kind.is_text:
        return str(value).encode().ljust(2 * address.count, b"\0")
    return int(value).to_bytes(2 * address.count, "big")


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
