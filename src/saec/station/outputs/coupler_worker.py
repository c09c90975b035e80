"""One coupler at the station: its thread reads the inputs, says when outputs pulse, and sets them."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from saec.errors import LinkError, MachineError
from saec.station.outputs.couplers.coupler_contract import Coupler
from saec.station.outputs.couplers.coupler_settings import CouplerSettings
from saec.station.outputs.input_channels import InputChannel
from saec.station.outputs.output_channel import ActedVerdict, ComingPart, OutputChannel, StationState
from saec.station.outputs.pending_parts import PendingParts
from saec.station.outputs.pulse_schedule import EndedPart, Outcome
from saec.station.plc.worker.plc_notes import PlcNotes
from saec.station.threads import Stopping

NEW, UP, AWAY, REFUSING = "new", "up", "away", "refusing"
"""States: not tried yet; read and set; not reached; reached, but it refuses what is asked of it."""

COUPLER_STATES = (NEW, UP, AWAY, REFUSING)

_FIRST, _GROWTH, _LONGEST = 0.1, 1.5, 5.0
"""Seconds before a coupler is connected to anew, by how much they grow, and to what."""

log = structlog.get_logger()


class CouplerChannels(NamedTuple):
    """What is wired to a coupler, by name."""

    outputs: Mapping[str, OutputChannel]
    inputs: Mapping[str, InputChannel]


class CouplerWorker:
    """Serves one coupler.

    Args:
        settings: the coupler's.
        coupler: how it is reached.
        channels: what is wired to it.
        pending: keeps how many parts are on their way.
        state_of: how the station is.
        notes: raises alarms.
        clock: seconds that never go back; those of ``Trigger.at``.

    Attributes:
        state: one of ``COUPLER_STATES``.
    """

    def __init__(
        self,
        settings: CouplerSettings,
        coupler: Coupler,
        channels: CouplerChannels,
        pending: PendingParts,
        state_of: Callable[[], StationState],
        notes: PlcNotes,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings, self._coupler, self._channels = settings, coupler, channels
        self._pending, self._state_of, self._notes, self._clock = pending, state_of, notes, clock
        self.state, self._error = NEW, ""
        self._news: queue.SimpleQueue[ComingPart | ActedVerdict] = queue.SimpleQueue()
        self._open, self._retry, self._pause = False, 0.0, _FIRST
        self._written: dict[str, bool] | None = None
        self._refreshed = 0.0
        self._told_lost = False
        self._log = log.bind(coupler=settings.name)

    def tell(self, news: ComingPart | ActedVerdict) -> None:
        """Something has happened to a part; from any thread, and never waits."""
        self._news.put(news)

    def run(self, stopping: Stopping) -> None:
        """A thread's body: serve the coupler until the station stops; then set its fail-safe state."""
        self.tell_lost()
        try:
            while not stopping.is_set():
                self.turn()
                self._rest()
        finally:
            self._leave()

    def turn(self) -> None:
        """Read, see what is due, and set what changes, once."""
        if not self._open and self._clock() >= self._retry:
            self._connect()
        if self._open:
            self._guarded(self._read)
        self._take()
        now, state = self._clock(), self._state_of()
        levels: dict[str, bool] = {}
        ended: list[tuple[OutputChannel, list[EndedPart]]] = []
        for name, output in self._channels.outputs.items():
            levels[name], of = output.step(now, state, able=self._open)
            ended.append((output, of))
        done = self._open and self._guarded(lambda: self._set(levels, now, state))
        for output, of in ended:
            self._count(output, output.count(of, done=done or not of))
        self._pending.keep({name: output.pending for name, output in self._channels.outputs.items()})

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics."""
        return {
            "state": self.state,
            "error": self._error,
            "outputs": {name: one.status() for name, one in self._channels.outputs.items()},
            "inputs": {name: one.status() for name, one in self._channels.inputs.items()},
        }

    # the coupler

    def _connect(self) -> None:
        for one in self._channels.inputs.values():
            one.begin()
        self._open = True
        if not self._guarded(lambda: self._coupler.open(self._safe())):
            return
        self._written, self._refreshed, self._pause = None, self._clock(), _FIRST
        self._show(UP, "")

    def _read(self) -> None:
        if not self._channels.inputs:
            return
        readings, now = self._coupler.read(), self._clock()
        unknown = [name for name, one in self._channels.inputs.items() if one.see(readings[name], now)]
        for output in self._channels.outputs.values():
            if output.settings.encoder in unknown:
                output.jump()

    def _set(self, levels: dict[str, bool], now: float, state: StationState) -> None:
        refresh = now - self._refreshed >= self.settings.refresh_s
        if levels != self._written or refresh:
            self._written = None
            self._coupler.write(levels)
            self._written = levels
        if refresh:
            self._refreshed = now
            if state.sound:
                self._coupler.feed()

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Do something at the coupler; whether it was done. Else it is closed, and tried again later."""
        try:
            work()
            return True
        except (LinkError, MachineError) as e:
            self._coupler.close()
            self._open, self._written = False, None
            self._retry = self._clock() + self._pause
            self._pause = min(_GROWTH * self._pause, _LONGEST)
            for one in self._channels.inputs.values():
                one.away()
            for output in self._channels.outputs.values():
                output.cut()
            self._show(AWAY if isinstance(e, LinkError) else REFUSING, str(e))
            return False

    def _safe(self) -> dict[str, bool]:
        return {name: output.safe for name, output in self._channels.outputs.items()}

    def _leave(self) -> None:
        """Set the fail-safe state, whatever ends the loop."""
        if self._open:
            self._guarded(lambda: self._coupler.write(self._safe()))
        self._coupler.close()
        self._open, self._written = False, None

    # parts

    def _rest(self) -> None:
        """Until something is due or happens."""
        now = self._clock()
        due = [now + self.settings.refresh_s, *([self._retry] if not self._open else [])]
        if self._channels.inputs:
            due.append(now + self.settings.poll_ms / 1e3)
        outputs = self._channels.outputs.values()
        due += [at for at in (output.wake(now) for output in outputs) if at is not None]
        try:
            news = self._news.get(timeout=max(0.0, min(due) - now))
        except queue.Empty:
            return
        self._hear(news)

    def _take(self) -> None:
        while not self._news.empty():
            self._hear(self._news.get())

    def _hear(self, news: ComingPart | ActedVerdict) -> None:
        for output in self._channels.outputs.values():
            output.take(news)

    # what a person should know

    def tell_lost(self) -> None:
        """Once a process: what an earlier one left on its way is not actuated any more."""
        before, self._told_lost = {} if self._told_lost else self._pending.before, True
        for name, lost in before.items():
            if lost:
                text = (
                    f"{name}: {lost} parts were on their way to it when the station ended; it did nothing "
                    "for them; check the parts behind it by hand"
                )
                self._notes.alarm(name, "output-lost", "restart", text)
                if name in self._channels.outputs:
                    self._channels.outputs[name].counts[Outcome.LOST.value] += lost

    def _count(self, output: OutputChannel, outcomes: Sequence[Outcome]) -> None:
        name, s = output.settings.name, output.settings
        if Outcome.LATE in outcomes:
            did = "it pulsed, as `late` says" if s.on_late else "it did nothing, as `late` says"
            text = f"{name}: no verdict was known when a part was at it; {did}"
            self._notes.alarm(name, "output-late", "late", text)
        if Outcome.MISSED in outcomes:
            text = f"{name}: a pulse could not be given in time; check the parts behind it by hand"
            self._notes.alarm(name, "output-missed", "missed", text)
        if Outcome.LOST in outcomes:
            text = f"{name}: parts on their way to it lost their place; check the parts behind it by hand"
            self._notes.alarm(name, "output-lost", "lost", text)

    def _show(self, state: str, error: str) -> None:
        """The state, with a log line and an alarm where it turns bad."""
        before, self.state, self._error = self.state, state, error
        if state == before:
            return
        if state == UP:
            self._log.info("coupler is served")
            return
        self._log.warning("coupler is not served", state=state, error=error)
        self._notes.alarm(self.settings.name, "coupler", state, f"{self.settings.name}: {error}")
