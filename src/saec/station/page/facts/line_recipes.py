"""The recipes of a line, which one is in force, and whether the line is ready for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saec.errors import SaecError
from saec.station.page.page_templates import PageTemplates
from saec.station.page.station_feed import StationFeed
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_choice import ChosenRecipe, chosen_recipe
from saec.station.recipes.recipe_settings import RecipeSettings

_LOOK_S = 0.5
"""Seconds between two looks at the files of the recipes."""


@dataclass(frozen=True, slots=True)
class ShownRecipes:
    """The recipes of a line as they are now.

    Attributes:
        line: the line's name.
        known: its recipes by number, in their order.
        chosen: what was chosen last.
        problem: why the files cannot be read, or "".
        running: the number in force, as the station says; None where it says none, or nothing.
        ready: the station is ready for it; None where it says nothing.
    """

    line: str
    known: tuple[RecipeSettings, ...]
    chosen: ChosenRecipe
    problem: str
    running: int | None
    ready: bool | None

    def recipe(self, number: int | None) -> RecipeSettings | None:
        """The recipe of a number; None where the line has none."""
        return next((one for one in self.known if one.number == number), None)


def line_recipes(data: Path, line: str, feed: StationFeed) -> ShownRecipes:
    """The recipes of a line.

    Args:
        data: the station's data folder.
        line: the line's name.
        feed: says what the station runs.
    """
    folder, problem = recipe_folder(data, line), ""
    known: list[RecipeSettings] = []
    chosen = ChosenRecipe()
    try:
        known = sorted(RecipeBook(folder).newest.values(), key=lambda recipe: recipe.number)
        chosen = chosen_recipe(folder)
    except (SaecError, OSError) as e:
        problem = str(e)
    told: dict[str, Any] = {} if feed.silent else feed.line(line).get("recipe") or {}
    return ShownRecipes(line, tuple(known), chosen, problem, told.get("number"), told.get("ready"))


class RecipeTopics:
    """Topics of the page's events: ``recipes-LINE`` with what may be chosen.

    Args:
        data: the station's data folder.
        lines: the names of the lines.
        feed: says what the station runs.
        templates: those of the page.
        steady: seconds by a clock that is never set.
    """

    def __init__(
        self,
        data: Path,
        lines: list[str],
        feed: StationFeed,
        templates: PageTemplates,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._data, self._lines, self._feed, self._templates = data, lines, feed, templates
        self._steady, self._looked = steady, float("-inf")
        self._now: dict[str, ShownRecipes] = {}

    def every(self) -> list[str]:
        return [f"recipes-{line}" for line, seen in self._now.items() if seen.known]

    def changed(self) -> list[str]:
        now = self._steady()
        if now - self._looked < _LOOK_S:
            return []
        self._looked, before = now, self._now
        self._now = {line: line_recipes(self._data, line, self._feed) for line in self._lines}
        return [
            f"recipes-{line}" for line, seen in self._now.items() if seen != before.get(line) and seen.known
        ]

    def text(self, name: str, words: Wording, role: Role) -> str:
        line = name.partition("-")[2]
        may_choose = role.allows(Role.OPERATOR)
        return self._templates.text(
            "line_recipes.html", words, recipes=self._now[line], may_choose=may_choose
        )
