"""A Siemens S7 PLC's data blocks, reached as with PUT/GET; snap7's own server answers."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from snap7.datatypes import S7WordLen
from snap7.server import Server
from snap7.type import SrvArea, SrvEvent

from saec.errors import MachineError
from saec.station.plc.s7.s7_addresses import parse_s7_address
from saec.station.plc.signal_types import SignalValue
from saec.station.simulated.wire import Wire

_WRITTEN = 0x00040000
"""snap7's code of the event that a client has written."""


class BlockWrite(NamedTuple):
    """What a client has written: bytes of a data block, as they were after it."""

    block: int
    start: int
    data: bytes


class _BitServer(Server):
    """snap7's server, which writes a whole byte where a client writes one bit."""

    def __init__(self) -> None:
        super().__init__(log=False)
        self.changing = threading.Lock()

    def _parse_address_specification(self, addr_spec: bytes) -> dict[str, Any]:
        return {**super()._parse_address_specification(addr_spec), "bit": addr_spec[-1] & 7}

    def _handle_write_area(self, request: dict[str, Any], client_address: tuple[str, int]) -> bytes:
        with self.changing:
            return super()._handle_write_area(request, client_address)

    def _parse_write_address(self, request: dict[str, Any]) -> Any:
        found = super()._parse_write_address(request)
        spec = request["parameters"]["address_spec"]
        if found is None or spec["word_len"] != S7WordLen.BIT:
            return found
        area, block, start, _, data = found
        byte = self.memory_areas[area, block][start] if (area, block) in self.memory_areas else 0
        return area, block, start, 1, bytearray([byte & ~(1 << spec["bit"]) | (data[0] & 1) << spec["bit"]])


class S7Blocks:
    """Data blocks that both sides see, in threads of their own.

    Args:
        blocks: sizes of the data blocks in bytes, by number.
        port: where it listens on 127.0.0.1; 0 takes a free one.

    Attributes:
        wire: what can be cut or fall silent.
        writes: what clients have written, oldest first.

    Example:
        >>> with S7Blocks({10: 64}) as plc:
        ...     plc.write({"DB10.DBW2": 7})
        ...     plc.read("DB10.DBW2")
        7
    """

    def __init__(self, blocks: dict[int, int], *, port: int = 0) -> None:
        logging.getLogger("snap7").setLevel(logging.CRITICAL)
        self.writes: list[BlockWrite] = []
        self._data = {number: bytearray(size) for number, size in blocks.items()}
        self._server = _BitServer()
        self._server.host = "127.0.0.1"
        for number, data in self._data.items():
            self._server.register_area(SrvArea.DB, number, data)
        self._server.set_events_callback(self._told)
        own = _free_port()
        self._server.start(own)
        self.wire = Wire(own, port=port)

    @property
    def port(self) -> int:
        return self.wire.port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, text: str) -> SignalValue:
        """The value at an address."""
        address = parse_s7_address(text)
        return address.value_in(bytes(self._block(address.block)[address.start : address.end]))

    def write(self, values: Mapping[str, SignalValue]) -> None:
        """Set values by their addresses; no client sees some of them alone where they are of one block."""
        with self._server.changing:
            changed: dict[int, bytearray] = {}
            for text, value in values.items():
                address = parse_s7_address(text)
                own = address.bytes_of(value)
                block = changed.setdefault(address.block, self._block(address.block).copy())
                if address.kind.name == "bool":
                    own = bytes([block[address.start] & ~(1 << address.bit) | own[0] << address.bit])
                block[address.start : address.end] = own
            for number, block in changed.items():
                self._data[number][:] = block

    def get(self, block: int) -> bytes:
        """All bytes of a block."""
        return bytes(self._block(block))

    def put(self, block: int, start: int, data: bytes) -> None:
        """Set bytes, whatever they mean."""
        self._block(block)[start : start + len(data)] = data

    def forget(self) -> None:
        """Every byte is 0 again, as after a cold restart without start values."""
        for data in self._data.values():
            data[:] = bytes(len(data))

    def close(self) -> None:
        self.wire.close()
        self._server.stop()

    def _block(self, number: int) -> bytearray:
        if number not in self._data:
            raise MachineError(f"there is no data block {number}", f"it has {sorted(self._data)}")
        return self._data[number]

    def _told(self, event: SrvEvent) -> None:
        if event.EvtCode == _WRITTEN and event.EvtParam2 in self._data:
            block, start, size = event.EvtParam2, event.EvtParam3, event.EvtParam4
            self.writes.append(BlockWrite(block, start, bytes(self._data[block][start : start + size])))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
