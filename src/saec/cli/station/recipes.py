"""saec station recipe and recipes: which recipe of a line is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, audit_of, shell_actor
from saec.errors import ConfigError
from saec.settings.setting_fields import Argument


class RecipesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [recipes]: whose recipes are shown.

    Attributes:
        line: The line's name.
    """

    line: Argument[str]


class ChoiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [choice]: which recipe a line runs from now on.

    Attributes:
        line: The line's name.
        number: The recipe's number.
    """

    line: Argument[str]
    number: Argument[Annotated[int, msgspec.Meta(ge=0)]]


@settings_command(example=EXAMPLE)
def recipes(recipes: RecipesSettings) -> None:
    """List the recipes of a line, and which one is in force.

    \b
    saec station recipes --config station.toml leather
    """
    data = _data(recipes.line)
    from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
    from saec.station.recipes.recipe_choice import chosen_recipe

    folder = recipe_folder(data, recipes.line)
    book, chosen = RecipeBook(folder).newest, chosen_recipe(folder)
    for number, recipe in sorted(book.items()):
        version = "the current version" if recipe.version is None else f"v{recipe.version}"
        in_force = " in force" if number == chosen.number else ""
        click.echo(f"{number} {recipe.name}, {version}{in_force}")
    if chosen.number not in book:
        asked = "" if chosen.asked is None else f" ({chosen.asked} was asked for)"
        click.echo(f"no recipe is in force{asked}")


@settings_command(example=EXAMPLE)
def recipe(choice: ChoiceSettings, action: ActionSettings) -> None:
    """Put a recipe of the line in force.

    The next frames are judged by it. A number that the line does not have leaves no recipe in force.

    \b
    saec station recipe --config station.toml leather 7
    """
    data = _data(choice.line)
    from saec.station.recipes.recipe_choice import choose_recipe

    choose_recipe(data, choice.line, audit_of(data), shell_actor(), ROLE, choice.number, action.reason)
    click.echo(f"{choice.line}: recipe {choice.number} is in force from the next frame on")


def _data(line: str) -> Path:
    """The data folder of the settings, which has recipes for a line.

    Raises:
        ConfigError: there is no such line, or the station has not been started with recipes for it.
    """
    path = named_file()
    settings = station_settings(path)
    if line not in [entry.name for entry in settings.line]:
        names = ", ".join(entry.name for entry in settings.line)
        raise ConfigError(f"{path} has no product line named {line}", f"it has {names}")
    from saec.station.recipes.recipe_book import recipe_folder

    if not (recipe_folder(settings.station.data, line) / "recipes.json").is_file():
        raise ConfigError(
            f"the station has not run with recipes for {line} yet",
            "add [[recipe]] sections, and start the station once",
        )
    return settings.station.data
