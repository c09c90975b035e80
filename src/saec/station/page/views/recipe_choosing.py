"""A recipe is chosen: asked once more, then put in force with its row in the audit; for operators."""

from __future__ import annotations

from starlette.responses import Response

from saec.errors import SaecError
from saec.station.page.facts.line_recipes import ShownRecipes, line_recipes
from saec.station.page.page_tools import PageTools, go_to
from saec.station.page.page_view import PageRoute
from saec.station.page.page_visit import Visit
from saec.station.page.words.languages import msgid
from saec.station.people.roles import Role
from saec.station.recipes.recipe_choice import choose_recipe
from saec.station.recipes.recipe_settings import RecipeSettings

_LONGEST = 1000
"""Letters of a reason."""


def may_choose(visit: Visit) -> bool:
    """Whether a person may choose a recipe."""
    return visit.role is not None and visit.role.allows(Role.OPERATOR)


def ask_choice(tools: PageTools, visit: Visit) -> Response:
    """Ask once more before a recipe is put in force, and for the reason.

    Raises:
        SaecError: the line has no such recipe.
    """
    recipes, recipe = _wish(tools, visit)
    return tools.page("lines", visit, template="recipe_choice", recipes=recipes, recipe=recipe)


def make_choice(tools: PageTools, visit: Visit) -> Response:
    """Put a recipe in force.

    Raises:
        SaecError: the line has no such recipe; nothing is changed then.
    """
    recipes, recipe = _wish(tools, visit)
    choose_recipe(
        tools.settings.station.data,
        recipes.line,
        tools.audit,
        visit.shown,
        "" if visit.role is None else visit.role.value,
        recipe.number,
        visit.form.get("reason", "").strip()[:_LONGEST],
    )
    return go_to(f"/page/lines/{recipes.line}")


def _wish(tools: PageTools, visit: Visit) -> tuple[ShownRecipes, RecipeSettings]:
    line, told = visit.taken["line"], visit.form.get("number", "")
    if line not in tools.lines:
        raise SaecError(msgid("This station has no such line"), msgid("Choose one under Lines"))
    recipes = line_recipes(tools.settings.station.data, line, tools.feed)
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else None
    recipe = recipes.recipe(number)
    if recipe is None:
        raise SaecError(msgid("This line has no such recipe"), msgid("Choose one from the page of the line"))
    return recipes, recipe


RECIPE_ROUTES = (
    PageRoute("GET", "/page/lines/{line}/recipe", ask_choice),
    PageRoute("POST", "/page/lines/{line}/recipe", make_choice),
)
