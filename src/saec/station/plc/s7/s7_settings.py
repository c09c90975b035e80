"""A [[plc]] that is reached by Siemens S7, with PUT/GET."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from saec.errors import MachineError
from saec.station.plc.plc_settings import PlcSettings, Wake
from saec.station.plc.s7.s7_addresses import S7Address, parse_s7_address
from saec.station.plc.signal_mapping import BITS, READ_TYPES, WRITE_TYPES, mapped, mapping_faults
from saec.station.plc.signals import PlcWay
from saec.station.section_types import FieldFault

S7_READS = {
    "trigger": "DBX0.0",
    "acknowledge": "DBX0.1",
    "reset": "DBX0.2",
    "heartbeat": "DBW2",
    "recipe": "DBW4",
    "number": "DBD6",
    "part": "DBB10:STRING[32]",
}
"""Where the PLC's signals lie in its block where the mapping names nothing."""

S7_WRITES = {
    "ready": "DBX50.0",
    "busy": "DBX50.1",
    "result_valid": "DBX50.2",
    "fault": "DBX50.3",
    "heartbeat": "DBW52",
    "code": "DBW54",
    "label": "DBW56",
    "confidence": "DBW58",
    "kind": "DBW60",
    "number": "DBD62",
    "recipe": "DBW66",
    "part": "DBB68:STRING[32]",
}
"""Where the station's signals lie, likewise."""


class S7Plc(PlcSettings, frozen=True, kw_only=True, tag_field="kind", tag="s7"):
    """A [[plc]] of kind "s7": data blocks of a Siemens S7, which needs the extra ``saec[s7]``.

    Attributes:
        host: The CPU's name or address.
        port: Its port.
        rack: The CPU's rack.
        slot: The CPU's slot: 1 for an S7-1200 or S7-1500, 2 for an S7-300.
        block: The number of the data block with the signals that no address is named for.
    """

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 102
    rack: Annotated[int, msgspec.Meta(ge=0, le=7)] = 0
    slot: Annotated[int, msgspec.Meta(ge=0, le=31)] = 1
    block: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 10

    def make_way(self, wake: Wake) -> PlcWay:
        from saec.station.plc.s7.s7_way import S7Way

        return S7Way(self)

    def read_addresses(self) -> dict[str, S7Address]:
        """Where the PLC's signals lie, by name."""
        return {name: parse_s7_address(text) for name, text in self._texts()[0].items()}

    def write_addresses(self) -> dict[str, S7Address]:
        """Where the station's signals lie, by name."""
        return {name: parse_s7_address(text) for name, text in self._texts()[1].items()}

    def heartbeat_range(self) -> int:
        found = self.read_addresses().get("heartbeat")
        return 0 if found is None or found.kind.size < 2 else found.kind.values

    def faults(self) -> Iterator[FieldFault]:
        yield from super().faults()
        if not self.host:
            yield "host", "host is empty", "give the CPU's name or address"
        reads, writes = self._texts()
        yield from mapping_faults(reads, writes)
        faults = [
            *_address_faults("reads", reads, READ_TYPES),
            *_address_faults("writes", writes, WRITE_TYPES),
        ]
        yield from faults
        if not faults:
            yield from self._shared()
            yield from self._scattered()

    def read_places(self) -> dict[str, str]:
        return self._texts()[0]

    def _texts(self) -> tuple[dict[str, str], dict[str, str]]:
        """The addresses of both sides by name; the defaults lie in ``block``."""
        return mapped(self.reads, self._in_block(S7_READS)), mapped(self.writes, self._in_block(S7_WRITES))

    def _in_block(self, places: Mapping[str, str]) -> dict[str, str]:
        return {name: f"DB{self.block}.{place}" for name, place in places.items()}

    def _shared(self) -> Iterator[FieldFault]:
        """Two signals that share a bit or a byte."""
        used: dict[tuple[int, int, int], str] = {}
        for key, addresses in (("reads", self.read_addresses()), ("writes", self.write_addresses())):
            for name, one in addresses.items():
                bits = [one.bit] if one.kind.name == "bool" else range(8)
                places = [(one.block, byte, bit) for byte in range(one.start, one.end) for bit in bits]
                told = f"{key}.{name}"
                other = next((used[place] for place in places if place in used), None)
                used.update(dict.fromkeys(places, told))
                if other is not None:
                    yield (
                        key,
                        f"{other} and {told} share byte {one.start} of DB{one.block}",
                        "move one of them",
                    )

    def _scattered(self) -> Iterator[FieldFault]:
        """Bits of the station that cannot change at once, or whose byte is not the station's own."""
        reads, writes = self.read_addresses(), self.write_addresses()
        places = {(one.block, one.start) for name, one in writes.items() if name in BITS}
        if len(places) > 1:
            what = f"{', '.join(BITS)} do not lie in one byte"
            yield "writes", what, "lay them into one, so that they change at once"
        others = {**reads, **{name: one for name, one in writes.items() if name not in BITS}}
        for name, one in others.items():
            if (one.block, one.start) in places:
                what = f"{name} lies in the byte of the station's bits, which is written as a whole"
                yield "writes", what, "give these bits a byte of their own"


def _address_faults(key: str, texts: Mapping[str, str], types: Mapping[str, str]) -> Iterator[FieldFault]:
    for name, text in texts.items():
        try:
            kind = parse_s7_address(text).kind
        except MachineError as e:
            yield key, f"{name}: {e.what}", e.remedy
            continue
        is_bit = kind.name == "bool"
        if types[name] == "bool" and not is_bit:
            yield key, f"{name} is a bit, and {text} is none", "give the address of a bit, as DB10.DBX0.1"
        elif is_bit and types[name] != "bool" and name != "heartbeat":
            yield key, f"{name} is no bit, and {text} is one", "give the address of a word, as DB10.DBW2"
        elif kind.is_text and name != "part":
            yield key, f"{name} is a number, and {text} is a text", "give the address of a word, as DB10.DBW2"
        elif name == "check" and kind.size != 4:
            yield key, f"check has 32 bits, and {text} has not", "give the address of a double word"
