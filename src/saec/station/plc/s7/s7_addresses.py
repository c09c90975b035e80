"""Addresses in the data blocks of a Siemens S7 PLC, and values as their bytes there; S7 is big endian.

An address is written as STEP 7 shows it: DB10.DBX0.1 is a bit, DB10.DBB4 a byte, DB10.DBW2 a word of two
bytes, DB10.DBD8 a double word of four. A type may follow a colon: DB10.DBW2:INT, DB10.DBB20:STRING[16].
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from saec.errors import MachineError
from saec.station.plc.signal_types import (
    SignalType,
    SignalValue,
    from_bytes,
    part_number,
    signal_type,
    to_bytes,
)

_ADDRESS = re.compile(
    r"DB(?P<block>\d{1,5})\.DB(?P<letter>[XBWD])(?P<start>\d{1,5})(?:\.(?P<bit>[0-7]))?"
    r"(?::(?P<type>[A-Z]+)(?:\[(?P<length>\d{1,3})\])?)?"
)
_TYPES: Mapping[str, Mapping[str, str]] = {
    "X": {"BOOL": "bool"},
    "B": {"USINT": "uint8", "BYTE": "uint8", "SINT": "int8", "STRING": "string", "CHAR": "string"},
    "W": {"UINT": "uint16", "WORD": "uint16", "INT": "int16"},
    "D": {"UDINT": "uint32", "DWORD": "uint32", "DINT": "int32"},
}
"""S7's types by the letter of an address; the first one is meant where an address names none."""

_MOST_TEXT = 254
"""Characters that a STRING holds at most."""

_HEAD = 2
"""Bytes before the characters of a STRING: how many it can hold, and how many it holds."""


class S7Address(NamedTuple):
    """Where a signal lies.

    Attributes:
        text: the address as the settings have it.
        block: number of the data block.
        start: its first byte there.
        bit: number of the bit in the byte; 0 for what is no bit.
        kind: type of its values.
        headed: it is a STRING, whose lengths stand before its characters.
    """

    text: str
    block: int
    start: int
    bit: int
    kind: SignalType
    headed: bool

    @property
    def size(self) -> int:
        """Bytes that hold it; a bit lies in one."""
        return max(1, self.kind.size) + _HEAD * self.headed

    @property
    def end(self) -> int:
        return self.start + self.size

    def value_in(self, data: bytes) -> SignalValue:
        """The value that its bytes hold.

        Args:
            data: ``size`` bytes.

        Raises:
            MachineError: a text that is none.
        """
        if self.kind.name == "bool":
            return bool(data[0] >> self.bit & 1)
        letters = self.letters(data) if self.headed else data
        try:
            return from_bytes(letters, self.kind)
        except MachineError as e:
            raise MachineError(f"{self.text}: {e.what}", e.remedy) from e

    def bytes_of(self, value: SignalValue) -> bytes:
        """The bytes that hold a value; of a bit one byte, 0 or 1, as a number is odd.

        Raises:
            MachineError: its type does not hold the value.
        """
        if self.kind.name == "bool":
            return bytes([bool(int(value) & 1)])
        try:
            if isinstance(value, str) and not self.kind.is_text:
                value = part_number(value)
            data = to_bytes(value, self.kind)
        except MachineError as e:
            raise MachineError(f"{self.text}: {e.what}", e.remedy) from e
        return bytes([self.kind.size, len(data.rstrip(b"\0"))]) + data if self.headed else data

    def letters(self, data: bytes) -> bytes:
        """The characters of a STRING, without its lengths.

        Raises:
            MachineError: what is there is no STRING of this length.
        """
        most, length = data[:_HEAD]
        if most != self.kind.size or length > most:
            what = f"{self.text}: there is no STRING[{self.kind.size}]: its lengths are {most} and {length}"
            raise MachineError(what, "correct the address, or the length in the settings")
        return data[_HEAD : _HEAD + length]


def parse_s7_address(text: str) -> S7Address:
    """An address from its text.

    Raises:
        MachineError: why it is none.
    """
    found = _ADDRESS.fullmatch(text.strip().upper().lstrip("%"))
    if found is None:
        remedy = "write it as DB10.DBX0.1, DB10.DBW2, DB10.DBD4:DINT or DB10.DBB20:STRING[16]"
        raise MachineError(f"{text!r} is not an address of S7", remedy)
    letter, bit, length = found["letter"], found["bit"], found["length"]
    types = _TYPES[letter]
    name = found["type"] or next(iter(types))
    if name not in types:
        raise MachineError(f"{text}: {name} is no type of DB{letter}", f"use {', '.join(types)}")
    if (bit is None) is (letter == "X"):
        raise MachineError(f"{text}: a bit alone has a number in its byte", "write it as DB10.DBX0.1")
    kind = types[name]
    if (kind == "string") is (length is None) or (length and not 1 <= int(length) <= _MOST_TEXT):
        raise MachineError(f"{text}: a text alone has a length", f"write STRING[1] to STRING[{_MOST_TEXT}]")
    of_type = signal_type(kind + (length or ""))
    return S7Address(text, int(found["block"]), int(found["start"]), int(bit or 0), of_type, name == "STRING")


class S7Span(NamedTuple):
    """Bytes that are read or written at once: ``size`` of them, from ``start`` of a data block."""

    block: int
    start: int
    size: int

    def part_of(self, data: bytes, address: S7Address) -> bytes:
        """The bytes of an address in this span, whose bytes are ``data``."""
        return data[address.start - self.start : address.end - self.start]

    def has(self, address: S7Address) -> bool:
        """Whether an address lies in it."""
        inside = self.start <= address.start and address.end <= self.start + self.size
        return self.block == address.block and inside


def spans_to_read(addresses: Sequence[S7Address], most: int) -> list[S7Span]:
    """The fewest requests that read all addresses; gaps between them are read along.

    Args:
        addresses: where the signals lie.
        most: bytes that one request can read.
    """
    spans: list[S7Span] = []
    for address in sorted(addresses, key=lambda a: (a.block, a.start)):
        last = spans[-1] if spans else None
        if last is not None and last.block == address.block and address.end - last.start <= most:
            spans[-1] = last._replace(size=max(last.size, address.end - last.start))
        else:
            spans.append(S7Span(address.block, address.start, address.size))
    return spans


def bytes_to_write(values: Mapping[S7Address, SignalValue], most: int) -> Iterator[tuple[S7Span, bytes]]:
    """What to write for values that are no bits: those that touch each other go together.

    Args:
        values: what to write, and where.
        most: bytes that one request can write.

    Raises:
        MachineError: a type does not hold its value.
    """
    span, data = S7Span(0, 0, 0), b""
    for address in sorted(values, key=lambda a: (a.block, a.start)):
        own = address.bytes_of(values[address])
        touches = (span.block, span.start + span.size) == (address.block, address.start)
        if data and not (touches and len(data) + len(own) <= most):
            yield span, data
            data = b""
        if not data:
            span = S7Span(address.block, address.start, 0)
        span, data = span._replace(size=span.size + len(own)), data + own
    if data:
        yield span, data


def bits_as_byte(values: Mapping[S7Address, bool]) -> tuple[S7Span, bytes]:
    """The byte that holds bits which lie in one byte, with its place; its other bits are 0."""
    place = next(iter(values))
    byte = sum(value << address.bit for address, value in values.items())
    return S7Span(place.block, place.start, 1), bytes([byte])
