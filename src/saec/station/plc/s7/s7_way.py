"""A PLC over Siemens S7: the station reads and writes its data blocks with PUT/GET."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from saec.errors import ExtraError, MachineError
from saec.station.plc.s7.s7_addresses import S7Address, bits_as_byte, bytes_to_write, spans_to_read
from saec.station.plc.signal_mapping import (
    BITS,
    ordered_changes,
    plc_signals,
    station_signals,
    station_values,
    values_and_bits,
)
from saec.station.plc.signal_types import CHECK_VALUE, SignalValue
from saec.station.plc.signals import PlcSignals, StationSignals

try:
    from saec.station.plc.s7.s7_session import S7Session
except ImportError as e:
    raise ExtraError("python-snap7", "s7") from e

if TYPE_CHECKING:
    from saec.station.plc.s7.s7_settings import S7Plc


class S7Way:
    """Reads the PLC's signals in as few requests as their places allow, and writes what changes.

    A request reads bytes of one block as they are at one moment. The station's bits lie in one byte, which is
    its own and is written as a whole, so that they change at once.
    """

    def __init__(self, settings: S7Plc) -> None:
        s = settings
        self._session = S7Session(s.host, s.port, rack=s.rack, slot=s.slot, timeout=s.timeout_s)
        self._reads, self._writes = s.read_addresses(), s.write_addresses()
        self._check = self._reads.pop("check", None)
        self._written: dict[str, SignalValue] | None = None

    def open(self) -> None:
        self.close()
        self._session.open()
        if self._check is not None:
            self._check_order(self._check)
        held = self._bytes(self._reads.values())
        for address in self._reads.values():
            if address.headed:
                address.letters(held[address])
        self._bytes(self._writes.values())

    def read(self) -> PlcSignals:
        return plc_signals(*self._values(self._reads))

    def standing(self) -> StationSignals | None:
        values, _ = self._values(self._writes)
        return station_signals(values)

    def write(self, signals: StationSignals) -> None:
        after = {name: v for name, v in station_values(signals).items() if name in self._writes}
        before, self._written = self._written, None  # unknown, should a request fail
        for group in values_and_bits(ordered_changes(before, after)):
            if any(bit in group for bit in BITS):
                self._session.write(*bits_as_byte({self._writes[bit]: bool(after[bit]) for bit in BITS}))
            else:
                self._send(group)
        self._written = after

    def refused(self) -> dict[str, int]:
        return {}  # a client refuses nobody

    def close(self) -> None:
        self._written = None
        self._session.close()

    def _send(self, group: Mapping[str, SignalValue]) -> None:
        others: dict[S7Address, SignalValue] = {}
        for name, value in group.items():
            address = self._writes[name]
            if address.kind.name == "bool":
                self._session.write_bit(address, bool(int(value) & 1))
            else:
                others[address] = value
        for span, data in bytes_to_write(others, self._session.most_written):
            self._session.write(span, data)

    def _values(self, addresses: Mapping[str, S7Address]) -> tuple[dict[str, SignalValue], str]:
        """The values of signals by name, and what of one cannot be right."""
        held = self._bytes(addresses.values())
        values: dict[str, SignalValue] = {}
        bad = ""
        for name, address in addresses.items():
            try:
                values[name] = address.value_in(held[address])
            except MachineError as e:
                bad = f"{name}: {e}"
        return values, bad

    def _bytes(self, addresses: Iterable[S7Address]) -> dict[S7Address, bytes]:
        wanted = list(addresses)
        spans = [(span, self._session.read(span)) for span in spans_to_read(wanted, self._session.most_read)]
        return {
            address: span.part_of(data, address)
            for address in wanted
            for span, data in spans
            if span.has(address)
        }

    def _check_order(self, address: S7Address) -> None:
        found = address.value_in(self._bytes([address])[address])
        if found != CHECK_VALUE:
            what = f"the check signal in {address.text} is {found} and not {CHECK_VALUE}"
            raise MachineError(
                what, f"have the PLC write {CHECK_VALUE} (16#01020304) there, and check the block"
            )
