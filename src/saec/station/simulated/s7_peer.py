"""A simulated PLC over Siemens S7: data blocks that the station reads and writes."""

from __future__ import annotations

from saec.station.plc.s7.s7_settings import S7Plc
from saec.station.plc.signal_mapping import station_signals
from saec.station.plc.signals import PlcSignals, StationSignals
from saec.station.simulated.plc_peer import plc_values
from saec.station.simulated.s7_blocks import S7Blocks

_SPARE = 16
"""Bytes of a block behind its last signal."""


class S7PlcMemory:
    """A PLC with data blocks, which the station reads and writes with PUT/GET.

    Args:
        settings: the station's [[plc]]; the signals lie where its mapping says.
        port: where it listens on 127.0.0.1; None takes the settings' port, 0 a free one.

    Attributes:
        blocks: what lies there.
    """

    def __init__(self, settings: S7Plc, *, port: int | None = None) -> None:
        self._told, self._station = settings.read_addresses(), settings.write_addresses()
        sizes: dict[int, int] = {}
        for address in (*self._told.values(), *self._station.values()):
            sizes[address.block] = max(sizes.get(address.block, 0), address.end + _SPARE)
        self.blocks = S7Blocks(sizes, port=settings.port if port is None else port)
        both = (*self._told.values(), *self._station.values())
        self.blocks.write({one.text: "" for one in both if one.headed})  # a STRING always has its lengths

    @property
    def port(self) -> int:
        return self.blocks.port

    def read(self) -> StationSignals:
        held = {block: self.blocks.get(block) for block in {one.block for one in self._station.values()}}
        values = {
            name: one.value_in(held[one.block][one.start : one.end]) for name, one in self._station.items()
        }
        return station_signals(values)

    def write(self, signals: PlcSignals) -> None:
        values = plc_values(signals)
        self.blocks.write({one.text: values[name] for name, one in self._told.items()})

    def silence(self, silent: bool) -> None:
        self.blocks.wire.silence(silent)

    def close(self) -> None:
        self.blocks.close()
