"""Addresses of Modbus: which table, which register or bit, and what lies there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from saec.errors import MachineError
from saec.station.plc.signal_types import SignalType, signal_type
from saec.station.section_types import FieldFault

Table = Literal["c", "d", "h", "i"]
"""Coils, discrete inputs, holding registers, input registers."""

_ADDRESS = re.compile(r"([cdhi])(\d{1,5})(?:\.(\d{1,2}))?(?::(\w+))?")
_REMEDY = "write h100 for a holding register, h100.3 for its bit 3, c7 for a coil, h100:uint32 for a type"

MOST_REGISTERS = 120
"""Registers that are read or written at once: all that one request may hold, and one moment's."""

MOST_BITS = 1900
"""Coils, likewise."""


class ModbusAddress(msgspec.Struct, frozen=True):
    """Where a signal lies.

    Attributes:
        table: whose addresses begin with 0.
        first: the register, the coil or the input.
        bit: which bit of a register, 0 is the lowest; None where the signal takes whole registers.
        kind: what lies there.
    """

    table: Table
    first: int
    bit: int | None
    kind: SignalType

    @property
    def count(self) -> int:
        """Registers that it takes, or bits of a table of bits."""
        return max(1, (self.kind.size + 1) // 2)

    @property
    def is_bit_table(self) -> bool:
        return self.table in ("c", "d")


def modbus_address(text: str, default: str) -> ModbusAddress:
    """An address as a mapping has it, such as "h100.3", "h104:uint32" or "c7".

    Args:
        default: name of the type where the text has none, and means a register.

    Raises:
        MachineError: it is none.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise MachineError(f"{text!r} is not an address of Modbus", _REMEDY)
    table, first, bit, named = found.groups()
    kind = signal_type(named or ("bool" if bit is not None or table in ("c", "d") else default))
    address = ModbusAddress(table, int(first), None if bit is None else int(bit), kind)  # type: ignore[arg-type]
    if address.first + address.count > 65536 or (address.bit or 0) > 15:
        raise MachineError(f"{text} is beyond what Modbus has", "use addresses to 65535 and bits to 15")
    if address.is_bit_table and (kind.name != "bool" or bit is not None):
        raise MachineError(f"{text}: a coil and an input hold one bit", "use a register, as h100")
    if not address.is_bit_table and (kind.name == "bool") != (bit is not None):
        what = f"{text}: a bit of a register, and nothing else, needs the number of the bit"
        raise MachineError(what, _REMEDY)
    return address


def modbus_addresses(texts: Mapping[str, str], types: Mapping[str, str]) -> dict[str, ModbusAddress]:
    """The addresses of signals by name.

    Raises:
        MachineError: one is none, or of a type that its signal cannot have.
    """
    found = {}
    for name, text in texts.items():
        found[name] = modbus_address(text, types[name])
        may_be = _may_be(name, types[name])
        if _family(found[name].kind) not in may_be:
            what = f"{text}: the signal {name} cannot be {found[name].kind.name}"
            raise MachineError(what, f"give it {' or '.join(may_be)}")
    return found


def _family(kind: SignalType) -> str:
    return "a text" if kind.is_text else "a number" if kind.size else "a bit"


def _may_be(name: str, default: str) -> tuple[str, ...]:
    if name == "part":
        return "a text", "a number"
    if name == "heartbeat":
        return "a number", "a bit"
    return ("a bit",) if default == "bool" else ("a number",)


def one_request(addresses: Mapping[str, ModbusAddress]) -> list[tuple[Table, int, int]]:
    """The table, the first address and the count of each request that reads signals; one for each table.

    Raises:
        MachineError: the signals of a table lie too far apart for one request.
    """
    found = []
    for table in sorted({one.table for one in addresses.values()}):
        ones = [one for one in addresses.values() if one.table == table]
        first = min(one.first for one in ones)
        count = max(one.first + one.count for one in ones) - first
        if count > (MOST_BITS if table in ("c", "d") else MOST_REGISTERS):
            what = f"the signals in {table}{first} to {table}{first + count - 1} do not fit one request"
            raise MachineError(what, "lay them closer together: what is read at once is of one moment")
        found.append((table, first, count))
    return found


def address_faults(
    key: str, texts: Mapping[str, str], types: Mapping[str, str], tables: str
) -> Iterator[FieldFault]:
    """What cannot be used of a mapping's addresses.

    Args:
        key: "reads" or "writes".
        tables: the letters of the tables that can be used there.
    """
    try:
        found = modbus_addresses(texts, types)
        one_request(found)
    except MachineError as e:
        yield key, e.what, e.remedy
        return
    for name, address in found.items():
        if address.table not in tables:
            what = f"{texts[name]}: the signal {name} cannot be in that table"
            yield key, what, f"use one of the tables {', '.join(tables)}"
