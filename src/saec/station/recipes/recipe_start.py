"""The recipes at a start: as the settings have them now, and as the frames in the spool had them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from saec.station.audit.audit_log import AuditLog
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_choice import RecipeChoice
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.storage.spool import Spool


def start_recipes(
    data: Path, recipes: Iterable[RecipeSettings], lines: Iterable[str], spool: Spool, audit: AuditLog
) -> RecipeChoice:
    """Let the recipes of the settings hold for frames from now on, and find what is in force.

    Args:
        data: the data folder.
        recipes: all of the settings.
        lines: names of the lines.
        spool: has accepted no frame of this start yet.
        audit: the record of actions.

    Raises:
        MachineError: a file of recipes is damaged.
        OSError: one cannot be written.
    """
    names, known, last = list(lines), list(recipes), spool.last_frame()
    for name in names:
        RecipeBook(recipe_folder(data, name)).revise([one for one in known if one.line == name], last)

    def alarm(kind: str, text: str, about: str) -> None:
        spool.alarm(kind, text, about=about)

    return RecipeChoice(data, audit, names, alarm)
