"""The machine around the station: PLCs and couplers, and for which of their triggers each picture is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saec.station.maintenance.station_challenges import StationChallenges
from saec.station.outputs.station_outputs import OutputHooks, StationOutputs, WatchedStation
from saec.station.plc.worker.picture_claims import PictureClaims
from saec.station.plc.worker.plc_notes import PlcNotes, RaiseAlarm
from saec.station.plc.worker.plc_worker import PlcHooks, PlcWorker
from saec.station.recipes.recipe_choice import RecipeChoice
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.records import NewFrame, Receipt
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import TriggerBoard


class MachineSide:
    """What a station serves beside its sources and sinks.

    Args:
        settings: the station's.
        spool: takes the frames.
        recipes: those in force.
        station: tells how it is.
        alarm: raises an alarm.
        challenges: those of the lines.
        judges: says of a line whether a version judges its frames.

    Attributes:
        triggers: those that wait for a picture.
        plcs: the PLCs by name.
        outputs: the couplers.
        notes: what they leave to be written to the disk.
    """

    def __init__(
        self,
        settings: StationSettings,
        spool: Spool,
        recipes: RecipeChoice,
        station: WatchedStation,
        alarm: RaiseAlarm,
        challenges: StationChallenges,
        judges: Callable[[str], bool] = lambda _line: True,
    ) -> None:
        self._spool, self._recipes, self.notes = spool, recipes, PlcNotes(alarm)
        self._challenges = challenges
        self.triggers = TriggerBoard()
        self._claims = PictureClaims(self.triggers, settings.trigger_sources())
        hooks = PlcHooks(self.triggers, spool, self.notes, recipes, challenges, judges)
        self.plcs = {plc.name: PlcWorker(plc, hooks) for plc in settings.plc}
        self.outputs = StationOutputs(
            settings.coupler,
            settings.output,
            settings.input,
            settings.station.data / "outputs",
            OutputHooks(
                self.triggers,
                spool,
                self.notes,
                station=station,
                challenge=challenges.result,
                recipe=recipes.in_force,
                deadlines={line.name: line.deadline_s for line in settings.line},
                parts=[line.name for line in settings.line if line.parts.on],
            ),
        )

    def bodies(self) -> dict[str, Callable[[Stopping], None]]:
        """The threads that it needs, by name."""
        bodies = {f"plc-{name}": plc.run for name, plc in self.plcs.items()} | self.outputs.bodies()
        return (
            bodies | ({"plc-notes": self.notes.run} if bodies else {}) | {"challenge": self._challenges.run}
        )

    def accept(self, frame: NewFrame, data: bytes, begun: float) -> Receipt:
        """Have the spool take a picture over, for the trigger that it was taken for.

        Args:
            begun: when it arrived, seconds of ``time.perf_counter``.

        Raises:
            SpoolFullError: there is no room.
            SpoolError: the key was used for another image, or no trigger waits for the picture.
        """
        frame, trigger = self._claims.claimed(frame)
        with self._challenges.claimed(frame) as claimed:
            with self._claims.kept(trigger):
                accepted = self._spool.accept(self._recipes.stamped(claimed.frame), data)
            claimed.receipt = None if accepted.duplicate else accepted
        self._claims.taken(frame, trigger, accepted)
        if accepted.duplicate:
            return accepted
        if claimed.frame.challenge:
            self.outputs.golden(frame, accepted.seq)
        else:
            self.outputs.accepted(frame, accepted.seq, begun)
        return accepted

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics."""
        plcs = {name: plc.status() for name, plc in self.plcs.items()}
        return {"plcs": plcs, "couplers": self.outputs.status()}

    def states(self) -> dict[str, Any]:
        """The state of each PLC and coupler; never waits."""
        return {
            "plcs": {name: plc.state for name, plc in self.plcs.items()},
            "couplers": {name: worker.state for name, worker in self.outputs.workers.items()},
        }
