"""The digital in- and outputs of a station: what happens to parts goes to every coupler."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from saec.station.outputs.coupler_worker import CouplerChannels, CouplerWorker
from saec.station.outputs.couplers.coupler_settings import AnyCoupler
from saec.station.outputs.input_channels import (
    WHO,
    EncoderInput,
    InputChannel,
    RunningInput,
    TriggerHooks,
    TriggerInput,
)
from saec.station.outputs.line_position import ClockAxis, LineAxis
from saec.station.outputs.output_channel import ActedVerdict, ComingPart, OutputChannel, StationState
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.outputs.pending_parts import PendingParts
from saec.station.plc.worker.plc_notes import PlcNotes
from saec.station.plc.worker.trigger_numbers import TriggerNumbers
from saec.station.storage.records import NewFrame, PartVerdict
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import Trigger, TriggerBoard
from saec.types import DEFECT, GOOD, Capture, VerdictRecord

_LOOK = 0.2
"""Seconds between two looks at how the station is."""

_STALE = 5.0
"""Seconds after which a look is too old: whoever looks may be stuck."""


class WatchedStation(Protocol):
    """A station that tells how it is, and never waits for it."""

    def stuck(self) -> Sequence[object]:
        """Threads without progress."""
        ...

    def problems(self) -> Sequence[str]:
        """Why it is not ready."""
        ...


class OutputHooks(NamedTuple):
    """What the in- and outputs are given of the station.

    Attributes:
        triggers: has sources take pictures, and tells of each trigger.
        spool: tells of verdicts.
        notes: raises alarms, and reserves numbers.
        station: tells how it is.
        recipe: the number of the recipe in force on a line.
        deadlines: seconds of each line, by name.
        parts: names of the lines whose parts get one verdict for all their frames.
        challenge: what the last challenge of a line said.
    """

    triggers: TriggerBoard
    spool: Spool
    notes: PlcNotes
    station: WatchedStation
    recipe: Callable[[str], int | None]
    deadlines: Mapping[str, float]
    parts: Collection[str] = ()
    challenge: Callable[[str], str] = lambda line: "none"


class StationOutputs:
    """The couplers of a station.

    Args:
        couplers, outputs, inputs: the sections, checked already.
        folder: where it is kept how many parts are on their way.
        hooks: what they are given.

    Attributes:
        workers: one for each coupler, by name.
    """

    def __init__(
        self,
        couplers: Sequence[AnyCoupler],
        outputs: Sequence[OutputSettings],
        inputs: Sequence[InputSettings],
        folder: Path,
        hooks: OutputHooks,
    ) -> None:
        self._hooks = hooks
        self._state, self._looked = StationState(sound=False, ready=False), -_STALE
        self.workers: dict[str, CouplerWorker] = {}
        if not couplers:
            return
        folder.mkdir(mode=0o700, exist_ok=True)
        for coupler in couplers:
            of = [one for one in outputs if one.coupler == coupler.name]
            read = [one for one in inputs if one.coupler == coupler.name]
            self.workers[coupler.name] = CouplerWorker(
                coupler,
                coupler.make_coupler(of, read),
                self._channels(coupler, of, read),
                PendingParts(folder / f"{coupler.name}.parts"),
                self.state,
                hooks.notes,
            )
        hooks.triggers.hearing.append(self._heard)
        hooks.spool.acting.append(self._acted)
        hooks.spool.parts.listeners.append(self._part_acted)

    def bodies(self) -> dict[str, Callable[[Stopping], None]]:
        """The threads that they need, by name; none without a coupler."""
        workers = {f"coupler-{name}": worker.run for name, worker in self.workers.items()}
        return {**workers, "outputs": self.run} if workers else {}

    def run(self, stopping: Stopping) -> None:
        """A thread's body: keep looking how the station is."""
        while not stopping.is_set():
            self.look()
            stopping.wait(_LOOK)

    def look(self) -> None:
        """See how the station is."""
        station = self._hooks.station
        self._state = StationState(
            sound=not station.stuck(),
            ready=not station.problems(),
            challenges={line: self._hooks.challenge(line) for line in self._hooks.deadlines},
        )
        self._looked = time.monotonic()

    def state(self) -> StationState:
        """How the station was at the last look; unsound where that is long ago."""
        if time.monotonic() - self._looked > _STALE:
            return StationState(sound=False, ready=False)
        return self._state

    def accepted(self, frame: NewFrame, seq: int, begun: float) -> None:
        """A frame was accepted for the first time, at ``begun`` seconds of ``time.perf_counter``.

        One that was taken for a trigger is known since then.
        """
        if isinstance(_key(frame.capture, seq), int):
            self._tell(ComingPart(seq, frame.line, frame.source, begun))

    def golden(self, frame: NewFrame, seq: int) -> None:
        """A golden part was accepted: where a trigger announced it, no output waits for its verdict."""
        key = _key(frame.capture, seq)
        if not isinstance(key, int):
            self._tell(ActedVerdict(key, frame.line, "challenge"))

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics, by coupler."""
        return {name: worker.status() for name, worker in self.workers.items()}

    def _channels(
        self, coupler: AnyCoupler, outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings]
    ) -> CouplerChannels:
        read: dict[str, InputChannel] = {}
        axes: dict[str, LineAxis] = {"": ClockAxis()}
        for one in inputs:
            if one.use == "trigger":
                read[one.name] = TriggerInput(one, coupler.debounce(one), self._trigger_hooks(one))
            elif one.use == "encoder":
                values, alone = coupler.counter_values(one), coupler.is_own_counter()
                read[one.name] = axes[one.name] = EncoderInput(one, values, alone, self._hooks.notes)
            else:
                read[one.name] = axes[one.name] = RunningInput(one, coupler.debounce(one))
        return CouplerChannels(
            {one.name: OutputChannel(one, axes[one.encoder or one.running]) for one in outputs}, read
        )

    def _trigger_hooks(self, one: InputSettings) -> TriggerHooks:
        numbers = TriggerNumbers(self._hooks.spool, f"{WHO}{one.name}")
        numbers.reserve()
        self._hooks.notes.keep(numbers)
        return TriggerHooks(
            triggers=self._hooks.triggers,
            number=numbers.take,
            recipe=self._hooks.recipe,
            due=self._hooks.deadlines.get(one.line, 0.0),
            notes=self._hooks.notes,
        )

    def _heard(self, trigger: Trigger) -> None:
        key = _key(trigger.capture, 0)
        self._tell(ComingPart(key, trigger.line, trigger.source, trigger.at))

    def _acted(self, seq: int, verdict: VerdictRecord) -> None:
        if not (verdict.part and verdict.line in self._hooks.parts):
            self._tell(ActedVerdict(_key(verdict.capture, seq), verdict.line, _said(verdict)))

    def _part_acted(self, told: PartVerdict) -> None:
        """The verdict on a part is that of each of its frames, at the outputs that wait for them.

        The spool has the trigger of each: the verdict may come before ``accepted`` is called for the frame.
        """
        for view in told.views if told.act else ():
            seq = int(view.frame.rpartition("-")[2])
            frame = self._hooks.spool.frame(seq)
            key = _key(None if frame is None else frame.capture, seq)
            self._tell(ActedVerdict(key, told.verdict.line, _said(told.verdict)))

    def _tell(self, news: ComingPart | ActedVerdict) -> None:
        for worker in self.workers.values():
            worker.tell(news)


def _said(verdict: VerdictRecord) -> str:
    return {DEFECT: "defect", GOOD: "good"}.get(-1 if verdict.label is None else verdict.label, "error")


def _key(capture: Capture | None, seq: int) -> tuple[str, int] | int:
    """A part's key: its trigger where it has one, else its frame."""
    if capture is None or capture.trigger is None:
        return seq
    return capture.plc, capture.trigger
