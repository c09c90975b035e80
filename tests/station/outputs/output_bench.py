"""A coupler that a test plays, with a clock of its own, and the worker that serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saec.errors import LinkError
from saec.station.outputs.coupler_worker import CouplerWorker
from saec.station.outputs.couplers.coupler_contract import InputReading
from saec.station.outputs.couplers.coupler_settings import AnyCoupler, GpioCoupler, ModbusCoupler
from saec.station.outputs.debounced_input import InputChange
from saec.station.outputs.output_channel import ActedVerdict, ComingPart
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.outputs.station_outputs import OutputHooks, StationOutputs
from saec.station.plc.worker.plc_notes import PlcNotes
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.records import SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.triggers.trigger_board import TriggerBoard

MODBUS = ModbusCoupler(name="io", host="127.0.0.1", timeout_s=5.0)


class PlayedCoupler:
    """A coupler whose inputs a test sets, and that can be lost; it notes every level that is written."""

    def __init__(self, clock: PlayedClock) -> None:
        self.clock, self.away = clock, False
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, bool] = {}
        self.written: list[tuple[float, dict[str, bool]]] = []
        self.fed = 0

    def open(self, levels: Mapping[str, bool]) -> None:
        self.write(levels)

    def read(self) -> dict[str, InputReading]:
        self._there()
        return {
            name: InputReading(value, [InputChange(self.clock.now, bool(value))])
            for name, value in self.inputs.items()
        }

    def write(self, levels: Mapping[str, bool]) -> None:
        self._there()
        self.outputs = dict(levels)
        self.written.append((self.clock.now, dict(levels)))

    def feed(self) -> None:
        self._there()
        self.fed += 1

    def close(self) -> None:
        """Outputs keep what they are."""

    def _there(self) -> None:
        if self.away:
            raise LinkError("the coupler is away", "plug it in")


class PlayedClock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class OutputBench:
    """The worker of one coupler that a test plays.

    Args:
        folder: for the spool and what is pending.
        outputs, inputs: the sections.
        coupler: the coupler's section.
        parts: the rules of the line's parts.
    """

    def __init__(
        self,
        folder: Path,
        outputs: Sequence[OutputSettings],
        inputs: Sequence[InputSettings] = (),
        coupler: AnyCoupler = MODBUS,
        parts: PartRules | None = None,
    ) -> None:
        rules = {} if parts is None else {"cell": parts}
        self.spool = Spool(folder / "data", limits=SpoolLimits(free_gb=0), parts=rules)
        self.board, self.alarms = TriggerBoard(), list[tuple[str, str]]()
        self.notes = PlcNotes(lambda kind, text, about: self.alarms.append((kind, text)))
        self.hangs, self.ready = False, True
        hooks = OutputHooks(
            triggers=self.board,
            spool=self.spool,
            notes=self.notes,
            station=self,
            recipe=lambda line: None,
            deadlines={"cell": 1.0},
            parts=list(rules),
        )
        self.all = StationOutputs([coupler], outputs, inputs, folder / "outputs", hooks)
        self.clock = PlayedClock()
        self.coupler = PlayedCoupler(self.clock)
        self.worker: CouplerWorker = self.all.workers["io"]
        self.worker._coupler, self.worker._clock = self.coupler, self.clock
        self.worker.tell_lost()
        self.all.look()

    def close(self) -> None:
        self.spool.close()

    def stuck(self) -> list[str]:
        return ["edge"] if self.hangs else []

    def problems(self) -> list[str]:
        return [] if self.ready else ["frames wait"]

    def part(self, key: Any, source: str = "camera") -> None:
        self.worker.tell(ComingPart(key, "cell", source, self.clock.now))

    def verdict(self, key: Any, says: str) -> None:
        self.worker.tell(ActedVerdict(key, "cell", says))

    def turn(self, seconds: float = 0.0, **inputs: int) -> dict[str, bool]:
        """Time passes and inputs change; then the worker turns once. What the outputs are."""
        self.clock.now += seconds
        self.coupler.inputs |= inputs
        self.worker.turn()
        return self.coupler.outputs

    def counts(self, output: str = "gate") -> dict[str, int]:
        counts = self.worker.status()["outputs"][output]["counts"]
        return {name: n for name, n in counts.items() if n}

    def told(self) -> list[str]:
        """Kinds of the alarms since the last call."""
        self.notes.write()
        kinds = [kind for kind, _ in self.alarms]
        self.alarms.clear()
        return kinds


def gate(**given: Any) -> OutputSettings:
    """The output "gate", on for defects and errors of the line "cell"."""
    fields = {"name": "gate", "coupler": "io", "address": "c0", "on": ["defect", "error"], "line": "cell"}
    return OutputSettings(**{**fields, **given})


GPIO = GpioCoupler(name="io")
