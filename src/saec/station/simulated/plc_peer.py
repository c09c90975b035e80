"""How a simulated PLC is joined to the wire: its signals as a station finds them."""

from __future__ import annotations

from typing import Protocol

from saec.station.plc.signal_types import CHECK_VALUE, SignalValue
from saec.station.plc.signals import PlcSignals, StationSignals


class PlcPeer(Protocol):
    """The wire of a simulated PLC. One thread uses it."""

    def read(self) -> StationSignals | None:
        """What the station tells; None while there is no station, or no link to one."""
        ...

    def write(self, signals: PlcSignals) -> None:
        """What the PLC tells from now on, all of it at once where the protocol has such a thing."""
        ...

    def silence(self, silent: bool) -> None:
        """Whether nothing passes, while sessions stay open."""
        ...

    def close(self) -> None: ...


def plc_values(signals: PlcSignals) -> dict[str, SignalValue]:
    """The values of a PLC's signals by name, and the check value."""
    return {
        "trigger": signals.trigger,
        "acknowledge": signals.acknowledge,
        "reset": signals.reset,
        "heartbeat": signals.heartbeat or 0,
        "part": signals.part,
        "recipe": signals.recipe or 0,
        "number": signals.number or 0,
        "challenge": signals.challenge,
        "check": CHECK_VALUE,
    }
