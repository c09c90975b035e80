"""Sets cameras for the recipe in force."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, runtime_checkable

import structlog

from saec.errors import MachineError
from saec.station.recipes.recipe_choice import CAMERAS, RecipeChoice
from saec.station.recipes.recipe_settings import Feature, RecipeSettings
from saec.station.storage.spool import Spool
from saec.station.threads import Stopping

_INTERVAL = 0.5
_FIRST, _LONGEST = 0.5, 10.0
"""Seconds before a camera that could not be set is set again: doubled each time, up to the longest."""

log = structlog.get_logger()


@runtime_checkable
class FeatureReceiver(Protocol):
    """A source whose camera takes features by name; ``SourceSettings.sets_features`` says that it is one."""

    def apply_features(self, features: Mapping[str, Feature]) -> None:
        """Set features, and see to it that the next picture is taken with them.

        It is called by another thread than the source's own. The source keeps the features and sets them
        again after it has connected anew. No picture that was taken before may be handed over afterwards.

        Raises:
            MachineError: the camera cannot be reached, or does not take one. It is tried again.
        """
        ...


def camera_changes(
    recipes: Iterable[RecipeSettings], choice: RecipeChoice, sources: Mapping[str, object], spool: Spool
) -> dict[str, CameraChange]:
    """What sets the cameras of each line whose recipes name features, by the line's name.

    Args:
        recipes: all of the settings; a source that they name takes features.
        choice: the recipes in force.
        sources: the sources of the station, by name.
        spool: takes the alarms.
    """

    def alarm(kind: str, text: str, about: str) -> None:
        spool.alarm(kind, text, about=about)

    named: dict[str, dict[str, FeatureReceiver]] = {}
    for recipe in recipes:
        for name in recipe.camera:
            source = sources[name]
            assert isinstance(source, FeatureReceiver), f"the source {name} takes no features"
            named.setdefault(recipe.line, {})[name] = source
    return {line: CameraChange(line, choice, cameras, alarm) for line, cameras in named.items()}


class CameraChange:
    """Sets the cameras of one line for each change of its recipe; ``run`` is the body of a thread.

    Args:
        line: the line's name.
        choice: the recipes in force.
        sources: the line's sources that take features, by name.
        alarm: told the kind, the text and what it is about.
    """

    def __init__(
        self,
        line: str,
        choice: RecipeChoice,
        sources: Mapping[str, FeatureReceiver],
        alarm: Callable[[str, str, str], None],
    ) -> None:
        self._line, self._choice, self._sources, self._alarm = line, choice, sources, alarm
        self._wake = threading.Event()
        self._pause = 0.0
        self._told = ""
        self._set = -1
        choice.task(line, CAMERAS, self._wake.set)
        self._wake.set()

    def run(self, stopping: Stopping) -> None:
        """A thread's body: set the cameras at each change, and try again where one fails."""
        while not stopping.is_set():
            self._wake.wait(self._pause or _INTERVAL)
            self._wake.clear()
            self.turn()

    def turn(self) -> None:
        """Set the cameras, if that is due."""
        turn, recipe = self._choice.wanted(self._line)
        if recipe is None or turn == self._set:
            return
        try:
            self._apply(recipe)
        except MachineError as e:
            self._pause = min(_LONGEST, 2 * self._pause or _FIRST)
            log.warning("camera not set", line=self._line, recipe=recipe.number, error=str(e))
            if self._told != str(e):
                self._told = str(e)
                text = f"{self._line}: the recipe {recipe.number} waits for its camera: {e}"
                self._alarm("recipe-camera", text, self._line)
            return
        self._set, self._pause, self._told = turn, 0.0, ""
        self._choice.done(self._line, CAMERAS, turn)

    def _apply(self, recipe: RecipeSettings) -> None:
        for name, features in recipe.camera.items():
            self._sources[name].apply_features(features)
