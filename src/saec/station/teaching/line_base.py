"""Which version of a line is taught and compared, and which of the line's frames are its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saec.data.manifest import FILE, Manifest
from saec.errors import LineError
from saec.station.line.opened_version import VersionKey, version_key
from saec.station.line.version_store import VersionStore
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_choice import chosen_recipe
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.storage.spool_reader import SpoolReader
from saec.types import Box


@dataclass(frozen=True, slots=True)
class LineBase:
    """What judges a line's frames now.

    Attributes:
        number: the version.
        recipe: the recipe in force; None for a line without recipes.
    """

    number: int
    recipe: RecipeSettings | None = None

    @property
    def region(self) -> Box | None:
        """The part of the picture that is judged; None for all of it."""
        return None if self.recipe is None else self.recipe.region

    def key(self, number: int) -> VersionKey:
        """A version, as the recipe has it judge."""
        return version_key(self.recipe, number)._replace(number=number)


def line_base(data: Path, line: str) -> LineBase:
    """What judges a line now: its current version, or that of the recipe in force.

    Raises:
        LineError: the line has no version, or has recipes and none is in force.
        MachineError: the file of its recipes is damaged.
    """
    current = VersionStore(data / "lines" / line).state().current
    folder = recipe_folder(data, line)
    known = RecipeBook(folder).newest
    if not known:
        return LineBase(current)
    number = chosen_recipe(folder).number
    if number is None or number not in known:
        raise LineError(f"no recipe is in force on the line {line}", "choose a recipe")
    return recipe_base(data, line, number)


def recipe_base(data: Path, line: str, number: int | None) -> LineBase:
    """What judges frames of a recipe, by its number; without one the line's current version.

    Raises:
        LineError: the line has no version, or no such recipe.
    """
    current = VersionStore(data / "lines" / line).state().current
    if number is None:
        return LineBase(current)
    recipe = RecipeBook(recipe_folder(data, line)).newest.get(number)
    if recipe is None:
        raise LineError(f"the line {line} has no recipe {number} any more", "start again with another")
    return LineBase(recipe.version or current, recipe)


class FrameRecipes:
    """Which frames of a line were taken under a recipe.

    Args:
        reader: the station's frames.
        recipe: the recipe's number; None takes all frames.
    """

    def __init__(self, reader: SpoolReader, recipe: int | None) -> None:
        self._reader, self._recipe = reader, recipe

    def has(self, seq: int) -> bool:
        """Whether a frame is of the recipe; one whose row is gone is of none."""
        if self._recipe is None:
            return True
        frame = self._reader.frame(seq)
        return frame is not None and frame.recipe == self._recipe


@dataclass(frozen=True, slots=True)
class KnownPictures:
    """The pictures that a version was made of, and those that were held out of it, by their sha256."""

    taught: frozenset[str]
    held_out: frozenset[str]


def known_pictures(profile: Path) -> KnownPictures:
    """What a version knows.

    A picture of which only a region was taught has another hash; its file is named by that of the picture.

    Raises:
        DataError: its manifest is damaged, or missing.
    """
    roles = Manifest.read(profile / FILE).roles
    taught: set[str] = set()
    held: set[str] = set()
    for sha, entry in roles.items():
        (held if entry.role == "holdout" else taught).update((sha, Path(entry.path).stem))
    return KnownPictures(frozenset(taught), frozenset(held))
