"""Signals as registers and coils, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from saec.errors import MachineError
from saec.station.plc.modbus_addresses import ModbusAddress, Table
from saec.station.plc.signal_types import (
    Order,
    SignalValue,
    from_bytes,
    from_words,
    part_number,
    to_bytes,
    to_words,
)

Cell = tuple[Table, int]
"""A register or a bit: its table and its address."""


class CellRun(NamedTuple):
    """Cells side by side, for one request.

    Attributes:
        table, first: where the first one lies.
        values: registers of 16 bits, or 0 and 1 for bits.
    """

    table: Table
    first: int
    values: list[int]


class RegisterCodec:
    """Turns the signals of one side into cells and back.

    Args:
        addresses: where each signal lies.
        words, order: the order of words and of bytes, see ``signal_types.to_words``.
    """

    def __init__(self, addresses: Mapping[str, ModbusAddress], words: Order, order: Order) -> None:
        self._addresses, self._words, self._order = dict(addresses), words, order

    def decode(self, cells: Mapping[Cell, int]) -> tuple[dict[str, SignalValue], str]:
        """The values of the signals, and what of one cannot be right, "" when all can.

        Args:
            cells: the signals', and any others.
        """
        values: dict[str, SignalValue] = {}
        bad = ""
        for name, one in self._addresses.items():
            held = [cells[one.table, one.first + i] for i in range(one.count)]
            if one.kind.name == "bool":
                values[name] = bool(held[0] if one.bit is None else (held[0] >> one.bit) & 1)
                continue
            try:
                values[name] = from_bytes(from_words(held, one.kind, self._words, self._order), one.kind)
            except MachineError as e:
                bad = f"{name}: {e}"
        return values, bad

    def cells(self, values: Mapping[str, SignalValue]) -> dict[Cell, int]:
        """The cells of all signals; bits of a register that are no signal are 0.

        Raises:
            MachineError: a value does not fit the type of its signal.
        """
        found: dict[Cell, int] = {}
        for name, one in self._addresses.items():
            value = values[name]
            if one.kind.name == "bool":
                place = one.table, one.first
                found[place] = found.get(place, 0) | (bool(value) << (one.bit or 0))
                continue
            if name == "part" and not one.kind.is_text:
                value = part_number(str(value))
            try:
                words = to_words(to_bytes(value, one.kind), one.kind, self._words, self._order)
            except MachineError as e:
                raise MachineError(f"the signal {name}: {e.what}", e.remedy) from e
            found.update({(one.table, one.first + i): word for i, word in enumerate(words)})
        return found

    def places(self, names: Iterable[str]) -> set[Cell]:
        """The cells in which signals lie."""
        ones = [self._addresses[name] for name in names if name in self._addresses]
        return {(one.table, one.first + i) for one in ones for i in range(one.count)}


def runs(cells: Mapping[Cell, int], wanted: Iterable[Cell], most: int) -> list[CellRun]:
    """The wanted cells as few runs: what is known between two of them is in the run as well.

    Args:
        most: cells of the longest run.
    """
    found: list[CellRun] = []
    for table, address in sorted(wanted):
        if found and found[-1].table == table:
            last = found[-1]
            between = range(last.first + len(last.values), address + 1)
            if address - last.first < most and all((table, a) in cells for a in between):
                last.values.extend(cells[table, a] for a in between)
                continue
        found.append(CellRun(table, address, [cells[table, address]]))
    return found
