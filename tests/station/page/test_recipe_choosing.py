"""An operator chooses a recipe on the page; a viewer sees which is in force."""

from __future__ import annotations

from starlette.testclient import TestClient

from saec.station.audit.audit_log import AuditLog
from saec.station.page.facts.line_recipes import RecipeTopics
from saec.station.page.page_templates import PageTemplates
from saec.station.page.words.languages import wording
from saec.station.people.roles import Role
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_choice import chosen_recipe
from saec.station.recipes.recipe_settings import RecipeSettings
from tests.station.page.page_fakes import PageBench, as_role

CHOOSE = "/page/lines/bottle/recipe"
RECIPES = [
    RecipeSettings(number=7, name="bolt M8", line="bottle", version=2),
    RecipeSettings(number=8, name="bolt <M10>", line="bottle"),
]


def tell(bench: PageBench, number: int | None, *, ready: bool) -> None:
    """What the station says of its recipe from now on."""
    bench.told["status"]["lines"]["bottle"] = {
        "version": 1,
        "shadow": None,
        "recipe": {"number": number, "ready": ready},
    }
    bench.feed.update(bench.told)


def begin(bench: PageBench) -> None:
    bench.add_people(None)
    RecipeBook(recipe_folder(bench.data, "bottle")).revise(RECIPES, 0)


def choose(client: TestClient, number: str, role: Role, reason: str = "") -> int:
    fields = {"number": number, "reason": reason}
    return client.post(CHOOSE, data=fields, headers=as_role(role)).status_code


def test_an_operator_chooses_and_a_viewer_looks(bench: PageBench, client: TestClient) -> None:
    begin(bench)
    for path in ("/page/lines", "/page/lines/bottle"):
        page = client.get(path, headers=as_role(Role.VIEWER)).text
        assert "No recipe is in force" in page
        assert "bolt &lt;M10&gt;" in page
        assert "/recipe?" not in page
        assert f"{CHOOSE}?number=8" in client.get(path, headers=as_role(Role.OPERATOR)).text
    assert client.get(f"{CHOOSE}?number=8", headers=as_role(Role.VIEWER)).status_code == 403
    assert choose(client, "8", Role.VIEWER) == 403
    assert "Choose recipe 8?" in client.get(f"{CHOOSE}?number=8", headers=as_role(Role.OPERATOR)).text
    assert choose(client, "8", Role.OPERATOR, "order 12") == 303
    assert chosen_recipe(recipe_folder(bench.data, "bottle")).number == 8
    row = AuditLog(bench.data).rows(what="recipe.choose")[0]
    assert (row.role, row.about, row.reason, row.after["number"]) == ("operator", "bottle", "order 12", 8)
    tell(bench, 8, ready=False)
    assert "not ready for it yet" in client.get("/page/lines", headers=as_role(Role.VIEWER)).text
    tell(bench, 8, ready=True)
    assert "The line is ready for it." in client.get("/page/lines", headers=as_role(Role.VIEWER)).text


def test_a_number_that_the_line_does_not_have_changes_nothing_on_the_page(
    bench: PageBench, client: TestClient
) -> None:
    begin(bench)
    assert choose(client, "7", Role.OPERATOR) == 303
    for number in ("9", "", "-7", "x", "²", "7" * 12):
        assert choose(client, number, Role.OPERATOR) == 409
    assert chosen_recipe(recipe_folder(bench.data, "bottle")).number == 7
    for path in ("/page/lines/none/recipe?number=7", f"{CHOOSE}?number=9"):
        assert client.get(path, headers=as_role(Role.OPERATOR)).status_code == 409


def test_who_watches_is_told_of_a_choice(bench: PageBench) -> None:
    begin(bench)
    now = [0.0]
    topics = RecipeTopics(bench.data, ["bottle"], bench.feed, PageTemplates(), lambda: now[0])
    assert topics.changed() == ["recipes-bottle"]
    assert topics.every() == ["recipes-bottle"]
    now[0] = 1.0
    assert topics.changed() == []
    tell(bench, 7, ready=True)
    now[0] = 2.0
    assert topics.changed() == ["recipes-bottle"]
    english = wording("en")
    assert "/recipe?" in topics.text("recipes-bottle", english, Role.OPERATOR)
    assert "/recipe?" not in topics.text("recipes-bottle", english, Role.VIEWER)


def test_a_line_without_recipes_shows_none(bench: PageBench, client: TestClient) -> None:
    bench.add_people(None)
    assert "recipes-bottle" not in client.get("/page/lines", headers=as_role(Role.ADMIN)).text
    topics = RecipeTopics(bench.data, ["bottle"], bench.feed, PageTemplates())
    assert topics.changed() == []
