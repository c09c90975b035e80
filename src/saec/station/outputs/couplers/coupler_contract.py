"""What a coupler must be: something that reads inputs and sets outputs, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from saec.station.outputs.debounced_input import InputChange


class InputReading(NamedTuple):
    """What an input is.

    Attributes:
        value: 0 or 1, high is 1; an encoder's counter.
        changes: how it came there since the last reading, oldest first, as far as the coupler knows. Of an
            encoder none.
    """

    value: int
    changes: Sequence[InputChange] = ()


class Coupler(Protocol):
    """The inputs and outputs of one device. Each wait for it is bounded. Levels are voltages: high is True.

    A call raises LinkError where it does not answer, and MachineError where it refuses. It is then closed
    and opened again.
    """

    def open(self, levels: Mapping[str, bool]) -> None:
        """Reach it, and set all outputs, by name, before anything else."""
        ...

    def read(self) -> Mapping[str, InputReading]:
        """All inputs by name, of one moment as far as the device can."""
        ...

    def write(self, levels: Mapping[str, bool]) -> None:
        """Set all outputs by name."""
        ...

    def feed(self) -> None:
        """Tell its watchdog, where it has one, that the station lives."""
        ...

    def close(self) -> None:
        """Let it go; nothing is set."""
        ...
