"""The recipes of a line as they were, so that each frame is judged by those of its own time.

    DATA/lines/NAME/recipes/
        recipes.json    the line's recipes, a revision for each time that the settings changed them
        chosen.json     the recipe in force

The settings may be changed while frames wait in the spool. A revision therefore says after which frame it
holds; frames are numbered without end, so this is exact where a time would not be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from saec.errors import MachineError
from saec.profile import write_json
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.storage.database.schema import sync_folder
from saec.station.storage.records import SpooledFrame
from saec.texts import read_json

NO_RECIPE = (
    "no recipe was in force when this picture was taken",
    "choose a recipe: by the PLC, on the page under Lines, or with `saec station recipe LINE NUMBER`",
)


class RecipeRevision(msgspec.Struct, frozen=True, kw_only=True):
    """The recipes that hold for all frames after one, by its number, up to the next revision."""

    after: int
    recipes: list[RecipeSettings]


def recipe_folder(data: Path, line: str) -> Path:
    """Where a line's recipes are kept in the data folder of a station."""
    return data / "lines" / line / "recipes"


class RecipeBook:
    """The recipes of one line.

    Args:
        folder: see ``recipe_folder``.

    Raises:
        MachineError: its file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "recipes.json"
        self._revisions = self._read()

    def _read(self) -> list[RecipeRevision]:
        if not self._path.is_file():
            return []
        return read_json(
            self._path, list[RecipeRevision], error=MachineError, remedy="restore it from a backup"
        )

    @property
    def newest(self) -> Mapping[int, RecipeSettings]:
        """The recipes that hold for new frames, by number; empty for a line without recipes."""
        return {} if not self._revisions else _by_number(self._revisions[-1])

    def revise(self, recipes: Sequence[RecipeSettings], after: int) -> None:
        """Let these hold for frames after one. What stands already is not written again.

        Args:
            recipes: the line's recipes.
            after: number of the last frame that the spool has accepted; a spool that was made anew begins
                before what an older one knew.
        """
        kept = [one for one in self._revisions if one.after <= after]
        newest = kept[-1].recipes if kept else []
        wanted = sorted(recipes, key=lambda recipe: recipe.number)
        if newest != wanted:
            kept = [one for one in kept if one.after < after]
            kept.append(RecipeRevision(after=after, recipes=wanted))
        if kept != self._revisions:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, kept)
            sync_folder(self._path.parent)
            self._revisions = kept

    def recipe_of(self, frame: SpooledFrame) -> RecipeSettings | None:
        """The recipe that judges a frame; None where its line had none when it was accepted.

        Raises:
            MachineError: no recipe was in force, or the line had none of that number.
        """
        revision = next((one for one in reversed(self._revisions) if one.after < frame.seq), None)
        recipes = {} if revision is None else _by_number(revision)
        if not recipes and frame.recipe is None:
            return None
        if frame.recipe is None:
            raise MachineError(*NO_RECIPE)
        if frame.recipe not in recipes:
            what = f"the line {frame.line} had no recipe {frame.recipe} when this picture was taken"
            raise MachineError(what, f"add a [[recipe]] with number = {frame.recipe}, or choose another")
        return recipes[frame.recipe]

    def of_part(self, part: str) -> RecipeSettings | None:
        """The recipe whose pattern a part id matches; None where none does.

        Raises:
            MachineError: several do.
        """
        found = [
            recipe
            for recipe in self.newest.values()
            if recipe.parts is not None and part and re.fullmatch(recipe.parts, part)
        ]
        if len(found) > 1:
            numbers = ", ".join(str(recipe.number) for recipe in found)
            what = f"the part id {part!r} matches the patterns of the recipes {numbers}"
            raise MachineError(what, "change `parts` so that one recipe matches each id")
        return found[0] if found else None


def _by_number(revision: RecipeRevision) -> Mapping[int, RecipeSettings]:
    return {recipe.number: recipe for recipe in revision.recipes}
