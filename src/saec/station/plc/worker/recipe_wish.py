"""The recipe that a PLC wants: chosen while no trigger is open, and never guessed."""

from __future__ import annotations

from typing import Protocol

from saec.errors import MachineError
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import FaultCode, PlcSignals
from saec.station.plc.worker.plc_notes import PlcNotes


class LineRecipes(Protocol):
    """The recipes of a station's lines."""

    def has_recipes(self, line: str) -> bool: ...

    def in_force(self, line: str) -> int | None: ...

    def ready(self, line: str) -> bool:
        """Whether a picture that is taken now would be judged at once by the recipe in force."""
        ...

    def choose(self, line: str, number: int, who: str) -> None:
        """Put a recipe in force.

        Raises:
            MachineError: the line has no such recipe; none is in force then.
        """
        ...


class RecipeWish:
    """Follows what one PLC wants of its line.

    Args:
        settings: the PLC's.
        recipes: the lines'; None where the station has none.
        notes: raises the alarm about a recipe that is not known.
    """

    def __init__(self, settings: PlcSettings, recipes: LineRecipes | None, notes: PlcNotes) -> None:
        self._settings, self._notes, line = settings, notes, settings.line
        self._recipes = recipes if recipes is not None and recipes.has_recipes(line) else None
        self._seen: int | None = None
        self._asked: int | None = None
        self._unknown = False

    @property
    def in_force(self) -> int | None:
        """The recipe in force; None without recipes, or where none is."""
        return None if self._recipes is None else self._recipes.in_force(self._settings.line)

    def heed(self, seen: PlcSignals) -> FaultCode:
        """A reading while no trigger is open: choose what is wanted, once it was read twice.

        Returns:
            why no trigger can be taken; ``NONE`` when one can.
        """
        if self._recipes is None:
            return FaultCode.NONE
        wanted, before, self._seen = seen.recipe, self._seen, seen.recipe
        if wanted is None:
            self._asked, self._unknown = None, False
        elif wanted != (self._asked if self._unknown else self.in_force):
            if wanted != before:
                return FaultCode.NONE if seen.trigger else FaultCode.NOT_READY
            self._choose(self._recipes, wanted)
        if self._unknown or self._recipes.in_force(self._settings.line) is None:
            return FaultCode.UNKNOWN_RECIPE
        return FaultCode.NONE if self._recipes.ready(self._settings.line) else FaultCode.NOT_READY

    def _choose(self, recipes: LineRecipes, wanted: int) -> None:
        name, self._asked = self._settings.name, wanted
        try:
            recipes.choose(self._settings.line, wanted, f"plc:{name}")
            self._unknown = False
        except MachineError as e:
            self._unknown = True
            self._notes.alarm(name, "handshake", f"recipe {wanted}", f"{name}: {e}")
