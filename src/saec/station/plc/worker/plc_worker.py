"""One PLC at the station: its thread reads the signals, drives the handshake and writes the answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import structlog

from saec.errors import LinkError, MachineError
from saec.station.plc.handshake import Handshake, HandshakeEvent, HandshakeStep, Phase
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import FaultCode, PlcSignals, PlcWay, StationSignals
from saec.station.plc.worker.open_trigger import OpenTrigger
from saec.station.plc.worker.plc_challenge import ChallengeWish, LineChallenges
from saec.station.plc.worker.plc_notes import PlcNotes
from saec.station.plc.worker.recipe_wish import LineRecipes, RecipeWish
from saec.station.plc.worker.trigger_numbers import TriggerNumbers
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import Trigger, TriggerBoard

NEW, UP, AWAY, REFUSING, SILENT = "new", "up", "away", "refusing", "silent"
"""States: not tried yet; read and written; not reached; reached, but its signals cannot be used; without a
heartbeat, or before it has told anything."""

PLC_STATES = (NEW, UP, AWAY, REFUSING, SILENT)

_FIRST, _GROWTH, _LONGEST = 0.1, 1.5, 5.0
"""Seconds before a PLC is connected to anew, by how much they grow, and to what."""

_RANGE = 65536

_SAID: dict[HandshakeEvent, str] = {
    "double-trigger": "Trigger rose again before the answer was acknowledged; a second trigger was refused",
    "short-trigger": "Trigger fell before the station could take it; hold it until Acknowledge",
    "withdrawn": "Trigger fell without Acknowledge, or the PLC was restarted; an answer was withdrawn",
    "not-acknowledged": "an answer was not acknowledged in time and was withdrawn",
    "plc-restart": "its heartbeat jumped, so the PLC was restarted",
    "plc-silent": "its heartbeat stands still, so the PLC has stopped",
}
"""What the PLC did against the rules, for people."""

log = structlog.get_logger()


class PlcHooks(NamedTuple):
    """What a PLC's thread is given.

    Attributes:
        triggers: has sources take the pictures.
        spool: has the frames and their verdicts.
        notes: writes alarms to the disk, and reserves numbers.
        recipes: the lines' recipes; None where the station has none.
        challenges: the lines' challenges; None where there are none.
    """

    triggers: TriggerBoard
    spool: Spool
    notes: PlcNotes
    recipes: LineRecipes | None = None
    challenges: LineChallenges | None = None
    judges: Callable[[str], bool] = lambda _line: True


class PlcWorker:
    """Drives the handshake of one PLC.

    Args:
        settings: the PLC's.
        hooks: what it works with.
        clock: seconds that never go back; those of ``Trigger.at``.

    Attributes:
        state: one of ``PLC_STATES``.
    """

    def __init__(
        self, settings: PlcSettings, hooks: PlcHooks, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.settings, self._hooks, self._clock = settings, hooks, clock
        self.state, self._error = NEW, ""
        self._not_ready = FaultCode.NONE
        self._woken = threading.Event()
        self._way: PlcWay = settings.make_way(self._woken.set)
        self._numbers = TriggerNumbers(hooks.spool, settings.name)
        hooks.notes.keep(self._numbers)
        self._handshake = Handshake(settings.limits(), self._numbers.take)
        self._wish = RecipeWish(settings, hooks.recipes, hooks.notes)
        self._challenge = ChallengeWish(settings, hooks.challenges)
        self._gap = False  # whether the PLC was away since the last reading
        self._begun = False  # whether the handshake has had its first reading
        self._open: OpenTrigger | None = None
        self._written: StationSignals | None = None
        self._beat, self._beat_at = 0, 0.0
        self._drain_until, self._strays = 0.0, 0
        self._late: int | None = None  # number of a trigger whose picture may come yet
        self._unfit: int | None = None  # number of an answer whose part the PLC's signal does not hold
        self._counts: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._log = log.bind(plc=settings.name)

    def run(self, stopping: Stopping) -> None:
        """A thread's body: serve the PLC, and connect to it anew whenever that fails."""
        pause = _FIRST
        while not stopping.is_set():
            try:
                self._numbers.reserve()
                self._way.open()
                pause = _FIRST
                self._serve(stopping)
            except (LinkError, MachineError) as e:
                self._lost(e)
                self._gap = True
                stopping.wait(pause)
                pause = min(_GROWTH * pause, _LONGEST)
            finally:
                self._way.close()
                self._written = None

    def status(self) -> dict[str, Any]:
        """The state and what was counted since the start, plain values."""
        source = self.settings.source
        return {
            "state": self.state,
            "phase": self._phase(),
            "error": self._error,
            "not_ready": self._not_ready.name.lower() if self._not_ready else "",
            "waits_for": self._waits_for(),
            "line": self.settings.line,
            "source": source,
            "counts": dict(self._counts),
            "faults": dict(self._faults),
            "refused": dict(self._way.refused()),
            "strays": self._hooks.triggers.strays(source),
        }

    def _waits_for(self) -> str:
        """Why Ready is off, for people; empty while it is on, and while a part is judged."""
        phase = self._phase()
        if self.state != UP:
            return "the PLC"
        if phase == "answered":
            return f"Acknowledge, for at most {self.settings.acknowledge_s:g} s"
        if phase != "waiting":
            return ""
        if self._not_ready is FaultCode.UNKNOWN_RECIPE:
            return "a recipe that the station knows"
        if self._not_ready is FaultCode.STOPPED:
            return "the line, which is stopped or has no version yet"
        if self._not_ready is FaultCode.NONE:
            return "Trigger = 0 and Acknowledge = 0"
        late = self._late
        return "the set-up of the recipe" if late is None else f"the late picture of trigger {late}"

    def _phase(self) -> Phase:
        """Where the handshake stands for the PLC: without Ready at it, the station waits."""
        phase, told = self._handshake.phase, self._written
        return "waiting" if phase == "ready" and (told is None or not told.ready) else phase

    # one session

    def _serve(self, stopping: Stopping) -> None:
        poll = self.settings.poll_ms / 1e3
        while not stopping.is_set():
            self._woken.clear()
            if not self._turn():
                self._woken.wait(poll)
        if self._begun:
            self._follow(self._handshake.stop(self._clock()), None)

    def _turn(self) -> bool:
        """Read, step and write once; whether to read again at once."""
        seen = self._way.read()
        if seen is None:
            self._show(SILENT, "it tells nothing")
            self._gap = True
            return False
        self._challenge.heed(seen)
        now = self._clock()
        if self._gap:
            self._handshake.resume(now)
            self._gap = False
        if not self._begun:
            standing = self._way.standing()
            if standing is not None and standing.result is not None:
                self._numbers.begin_after(standing.result.number)
            step = self._handshake.begin(standing, seen, now)
            self._begun = True
        else:
            able = self._able(seen, now)
            news = None if self._open is None else self._open.look()
            step = self._handshake.step(seen, now, able=able, news=news)
        self._follow(step, seen)
        self._show(UP if self._handshake.alive else SILENT, "" if self._handshake.alive else "no heartbeat")
        return step.again

    def _able(self, seen: PlcSignals, now: float) -> FaultCode:
        """Why no trigger can be taken; ``NONE`` when one can."""
        if self._handshake.number is not None:
            return FaultCode.NONE
        able = self._wish.heed(seen) or self._challenge.able()
        if not self._hooks.judges(self.settings.line):
            able = FaultCode.STOPPED
        if able is FaultCode.NONE:
            strays = self._hooks.triggers.strays(self.settings.source)
            drained = now >= self._drain_until or strays > self._strays
            self._late = None if drained else self._late
            able = FaultCode.NONE if drained and self._numbers.left else FaultCode.NOT_READY
        self._not_ready = able
        return able

    def _follow(self, step: HandshakeStep, seen: PlcSignals | None) -> None:
        """Do what a step asks for: have a picture taken before all else, count, then tell the PLC."""
        if step.begun is not None and seen is not None:
            self._announce(step.begun, seen)
        if step.ended is not None:
            self._end(step.ended)
        for event in step.events:
            self._counts[event] += 1
            if event == "fault":
                self._faults[step.signals.code.name.lower()] += 1
            if event in _SAID:
                self._hooks.notes.alarm(self.settings.name, "handshake", event, self._sentence(_SAID[event]))
        self._write(step.signals)

    def _announce(self, number: int, seen: PlcSignals) -> None:
        s, now = self.settings, self._clock()
        trigger = Trigger(
            plc=s.name,
            number=number,
            source=s.source,
            line=s.line,
            at=now,
            due=now + s.deadline_s,
            part=seen.part,
            recipe=self._wish.in_force,
        )
        self._open = OpenTrigger(s, trigger, self._hooks.triggers, self._hooks.spool, self._woken.set)

    def _end(self, number: int) -> None:
        """A trigger has its answer. A picture that has not come may come yet, and is no other trigger's."""
        ended, self._open = self._open, None
        if ended is not None and ended.close():
            self._drain_until, self._late = self._clock() + self.settings.drain_s, number
            self._strays = self._hooks.triggers.strays(self.settings.source)

    def _write(self, signals: StationSignals) -> None:
        now = self._clock()
        if now - self._beat_at >= self.settings.heartbeat_s:
            self._beat, self._beat_at = (self._beat + 1) % _RANGE, now
        told = msgspec.structs.replace(signals, heartbeat=self._beat, recipe=self._wish.in_force)
        told = msgspec.structs.replace(told, challenge=self._challenge.code())
        if told.result is not None and told.result.number == self._unfit:
            told = msgspec.structs.replace(told, result=msgspec.structs.replace(told.result, part=""))
        if told != self._written:
            try:
                self._way.write(told)
            except MachineError:  # mostly a part that does not fit: its answer goes without, not unsaid
                self._unfit = None if told.result is None else told.result.number
                raise
            self._written = told

    # what a person should know

    def _lost(self, error: LinkError | MachineError) -> None:
        self._show(AWAY if isinstance(error, LinkError) else REFUSING, str(error))

    def _show(self, state: str, error: str) -> None:
        """The state, with a log line and an alarm where it turns bad."""
        if (state, error) == (self.state, self._error):
            return
        before, self.state, self._error = self.state, state, error
        if state == UP:
            self._log.info("plc is served")
        elif state != before:
            self._log.warning("plc is not served", state=state, error=error)
            if state in (AWAY, REFUSING):
                self._hooks.notes.alarm(self.settings.name, "plc", state, self._sentence(error))

    def _sentence(self, what: str) -> str:
        return f"{self.settings.name}: {what}"
