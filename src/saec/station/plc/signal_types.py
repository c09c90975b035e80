"""The types of signals in a PLC's memory: what bytes a value is, in which order, and what it may be."""

from __future__ import annotations

import re
import struct
from typing import Literal

import msgspec

from saec.errors import MachineError
from saec.texts import whole_number

Order = Literal["big", "little"]
SignalValue = bool | int | str

_FORMATS = {"uint8": ">B", "int8": ">b", "uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i"}
_TEXT = re.compile(r"string([1-9]\d{0,2})")

TYPES = ("bool", *_FORMATS, "stringN")
"""The names of types; N is a text's length in bytes, as string32."""

CHECK_VALUE = 0x01020304
"""What a PLC writes into a check signal: each order of words and bytes reads another number."""


class SignalType(msgspec.Struct, frozen=True):
    """A type by its name, such as "uint16" or "string32".

    Attributes:
        name: one of ``TYPES``.
        size: bytes that a value takes; 0 for a bool, which is one bit.
    """

    name: str
    size: int

    @property
    def is_text(self) -> bool:
        return self.name.startswith("string")

    @property
    def values(self) -> int:
        """Number of the values of a whole number; 0 for a bit and a text."""
        return 0 if self.is_text else (1 << (8 * self.size)) * (self.size > 0)


def signal_type(name: str) -> SignalType:
    """The type of a name.

    Raises:
        MachineError: there is no such type.
    """
    if name == "bool":
        return SignalType(name, 0)
    if name in _FORMATS:
        return SignalType(name, struct.calcsize(_FORMATS[name]))
    if found := _TEXT.fullmatch(name):
        return SignalType(name, int(found[1]))
    raise MachineError(f"{name!r} is not a type of a signal", f"use one of {', '.join(TYPES)}")


def part_number(part: str) -> int:
    """A part's id as a number, 0 where it has none.

    Raises:
        MachineError: it is no number.
    """
    number = whole_number(part or "0")
    if number is None:
        raise MachineError(f"the part {part!r} is no number", "give the signal part a type stringN")
    return number


def to_bytes(value: SignalValue, kind: SignalType) -> bytes:
    """A value of a type that is no bool, highest byte first; a text is filled up with zeros.

    Raises:
        MachineError: the type does not hold the value.
    """
    if kind.is_text:
        data = str(value).encode("utf-8")
        if len(data) > kind.size:
            what = f"the text {value!r} has {len(data)} bytes, and {kind.name} holds {kind.size}"
            raise MachineError(what, "give the signal a longer type")
        return data.ljust(kind.size, b"\0")
    try:
        return struct.pack(_FORMATS[kind.name], int(value))
    except (struct.error, ValueError) as e:
        raise MachineError(f"{kind.name} cannot hold {value!r}", "give the signal a wider type") from e


def from_bytes(data: bytes, kind: SignalType) -> SignalValue:
    """The value that bytes hold, highest byte first. A text ends at the first zero, and without spaces.

    Raises:
        MachineError: the bytes are no printable text.
    """
    if not kind.is_text:
        return int(struct.unpack(_FORMATS[kind.name], data[: kind.size])[0])
    try:
        text = data[: kind.size].split(b"\0", 1)[0].decode("utf-8").strip()
    except UnicodeDecodeError as e:
        raise MachineError(_no_text(data), "write UTF-8 or ASCII, and check the order of bytes") from e
    if not text.isprintable():
        raise MachineError(_no_text(data), "write printable characters, and end the text with a zero")
    return text


def _no_text(data: bytes) -> str:
    return f"the bytes {data[:16].hex(' ')} are no printable text"


def to_words(data: bytes, kind: SignalType, words: Order, order: Order) -> list[int]:
    """Bytes of a value as registers of 16 bits.

    Args:
        words: "big" puts the high word of a number of 32 bits first.
        order: "little" swaps the bytes in each register of a text or of a number of 32 bits. A number of 16
            bits is as the protocol says.
    """
    data += b"\0" * (len(data) % 2) if kind.is_text else b""
    if len(data) == 1:
        data = b"\0" + data
    found = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return _ordered(found, kind, words, order)


def from_words(registers: list[int], kind: SignalType, words: Order, order: Order) -> bytes:
    """The opposite of ``to_words``."""
    data = b"".join(word.to_bytes(2, "big") for word in _ordered(registers, kind, words, order))
    return data[1:] if kind.size == 1 and not kind.is_text else data[: kind.size]


def _ordered(registers: list[int], kind: SignalType, words: Order, order: Order) -> list[int]:
    if order == "little" and (kind.is_text or kind.size > 2):
        registers = [(word >> 8) | ((word & 0xFF) << 8) for word in registers]
    return registers[::-1] if words == "little" and not kind.is_text else registers


def order_of_check(registers: list[int]) -> tuple[Order, Order] | None:
    """The order of words and that of bytes in which two registers are ``CHECK_VALUE``; None for none."""
    kind = signal_type("uint32")
    orders: tuple[Order, Order] = ("big", "little")
    for words in orders:
        for order in orders:
            if from_bytes(from_words(registers, kind, words, order), kind) == CHECK_VALUE:
                return words, order
    return None
