"""A choice is on the disk before it holds; an unknown recipe is a fault, and none is in force then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from saec.errors import MachineError
from saec.station.audit.audit_log import AuditLog
from saec.station.recipes.recipe_book import RecipeBook, recipe_folder
from saec.station.recipes.recipe_choice import CAMERAS, RecipeChoice, choose_recipe
from saec.station.recipes.recipe_settings import RecipeSettings
from saec.station.storage.records import NewFrame
from saec.types import Capture


def recipe(number: int, **more: object) -> RecipeSettings:
    return RecipeSettings(number=number, name=f"product {number}", line="cell", **more)  # type: ignore[arg-type]


RECIPES = [recipe(7), recipe(8, parts="B-[0-9]+", camera={}), recipe(9, parts="B-1.*|C.*")]


class Bench:
    """The choice of one station, which can be made again as by a restart."""

    def __init__(self, data: Path) -> None:
        self.data, self.audit = data, AuditLog(data)
        self.folder = recipe_folder(data, "cell")
        self.alarms: list[tuple[str, str, str]] = []
        data.mkdir(exist_ok=True)
        RecipeBook(self.folder).revise(RECIPES, 0)
        self.choice = self.start()

    def start(self) -> RecipeChoice:
        self.choice = RecipeChoice(self.data, self.audit, ["cell"], lambda *told: self.alarms.append(told))
        return self.choice


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "data")


def frame(source: str = "in", **more: object) -> NewFrame:
    return NewFrame(line="cell", source=source, key="1", suffix=".png", captured=0.0, **more)  # type: ignore[arg-type]


def test_none_is_in_force_until_one_is_chosen_and_the_choice_survives_a_restart(bench: Bench) -> None:
    assert bench.choice.in_force("cell") is None
    assert not bench.choice.ready("cell")
    bench.choice.choose("cell", 7, "plc:press")
    assert (bench.choice.in_force("cell"), bench.choice.ready("cell")) == (7, True)
    assert bench.start().in_force("cell") == 7
    (row,) = bench.audit.rows(what="recipe.choose")
    assert (row.actor, row.about, row.before, row.after["number"]) == ("plc:press", "cell", None, 7)
    bench.choice.choose("cell", 7, "plc:press")
    assert len(bench.audit.rows(what="recipe.choose")) == 1


def test_an_unknown_recipe_is_a_fault_and_none_is_in_force_over_a_restart(bench: Bench) -> None:
    bench.choice.choose("cell", 7, "plc:press")
    with pytest.raises(MachineError, match="no recipe 12; no recipe is in force now") as e:
        bench.choice.choose("cell", 12, "plc:press")
    assert "7, 8, 9" in e.value.remedy
    assert [(kind, about) for kind, _, about in bench.alarms] == [("recipe", "cell")]
    for choice in (bench.choice, bench.start()):
        assert choice.in_force("cell") is None
        assert not choice.ready("cell")
        assert choice.stamped(frame()).recipe is None
    bench.choice.choose("cell", 8, "plc:press")
    assert bench.choice.in_force("cell") == 8


def test_a_recipe_that_the_settings_no_longer_have_is_not_in_force_after_a_restart(bench: Bench) -> None:
    bench.choice.choose("cell", 8, "anna")
    RecipeBook(bench.folder).revise([RECIPES[0]], 5)
    assert bench.start().in_force("cell") is None
    assert bench.alarms[-1][0] == "recipe"


def test_a_choice_that_cannot_be_recorded_leaves_none_in_force(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.choice.choose("cell", 7, "plc:press")
    full: Callable[..., None] = lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr("saec.station.recipes.recipe_choice.write_json", full)
        with pytest.raises(MachineError, match="cannot be kept"):
            bench.choice.choose("cell", 8, "plc:press")
    assert bench.choice.in_force("cell") is None
    assert bench.audit.rows()[0].what == "recipe.choose.failed"


def test_what_another_program_chooses_is_heeded(bench: Bench) -> None:
    choose_recipe(bench.data, "cell", bench.audit, "anna", "operator", 9, "order 12")
    assert bench.choice.in_force("cell") is None
    bench.choice.refresh("cell")
    assert bench.choice.in_force("cell") == 9
    with pytest.raises(MachineError):
        choose_recipe(bench.data, "cell", bench.audit, "anna", "operator", 99)
    bench.choice.refresh("cell")
    assert bench.choice.in_force("cell") is None
    bench.choice.refresh("cell")
    assert len(bench.alarms) == 1
    bench.choice.choose("cell", 9, "plc:press")
    assert bench.choice.in_force("cell") == 9


def test_a_line_is_ready_when_all_that_a_change_needs_is_done(bench: Bench) -> None:
    begun: list[str] = []
    bench.choice.task("cell", "version", lambda: begun.append("version"))
    bench.choice.task("cell", CAMERAS, lambda: begun.append(CAMERAS))
    bench.choice.choose("cell", 7, "plc:press")
    assert begun == ["version", CAMERAS]
    first, _ = bench.choice.wanted("cell")
    bench.choice.choose("cell", 8, "plc:press")
    second, wanted = bench.choice.wanted("cell")
    assert wanted == RECIPES[1]
    bench.choice.done("cell", "version", first)  # of the change before: it says nothing of this one
    bench.choice.done("cell", CAMERAS, second)
    assert not bench.choice.ready("cell")
    assert bench.choice.status("cell")["waits_for"] == ["version"]  # type: ignore[index]
    bench.choice.done("cell", "version", second)
    assert bench.choice.ready("cell")
    assert bench.choice.status("cell")["took_s"] >= 0.0  # type: ignore[index]


def test_a_frame_belongs_to_its_trigger_then_to_its_part_then_to_what_is_in_force(bench: Bench) -> None:
    stamped = bench.choice.stamped
    assert stamped(frame()).recipe is None
    bench.choice.choose("cell", 7, "plc:press")
    assert stamped(frame()).recipe == 7
    assert stamped(frame(part="B-22")).recipe == 8
    assert stamped(frame(part="A-22")).recipe == 7
    assert stamped(frame(part="B-12")).recipe is None  # two patterns: no guess
    assert stamped(frame(recipe=9, part="B-22")).recipe == 9
    triggered = Capture(plc="press", trigger=4)
    assert stamped(frame(capture=triggered)).recipe is None  # none was in force at its trigger


def test_pictures_that_a_camera_takes_while_it_is_set_belong_to_no_recipe(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "data")
    RecipeBook(bench.folder).revise([recipe(n, camera={"cam1": {"Gain": n}}) for n in (1, 2)], 0)
    choice = bench.start()
    choice.task("cell", CAMERAS, lambda: None)
    choice.choose("cell", 1, "anna")
    assert choice.stamped(frame("cam1")).recipe is None
    assert choice.stamped(frame("other")).recipe == 1
    choice.done("cell", CAMERAS, choice.wanted("cell")[0])
    assert choice.stamped(frame("cam1")).recipe == 1


def test_a_line_without_recipes_is_always_ready_and_stamps_nothing(tmp_path: Path) -> None:
    choice = RecipeChoice(tmp_path, AuditLog(tmp_path), ["cell"])
    assert choice.ready("cell")
    assert choice.stamped(frame()).recipe is None
    assert choice.status("cell") is None
    with pytest.raises(MachineError, match="no recipe 1"):
        choice.choose("cell", 1, "anna")


def test_after_a_start_the_line_is_said_to_be_ready_in_the_time_that_it_took(bench: Bench) -> None:
    bench.choice.choose("cell", 7, "anna")
    begun = time.perf_counter()
    choice = bench.start()
    choice.task("cell", CAMERAS, lambda: None)
    choice.done("cell", CAMERAS, choice.wanted("cell")[0])
    status = choice.status("cell")
    assert status is not None
    assert 0 <= status["took_s"] <= time.perf_counter() - begun


def test_a_line_without_a_recipe_in_force_says_what_it_waits_for_and_why(bench: Bench) -> None:
    def told() -> tuple[object, str]:
        status = bench.choice.status("cell")
        assert status is not None
        return status["waits_for"], status["fault"]

    waits = ["a recipe to be chosen"]
    assert told() == (waits, "no recipe is in force")
    bench.choice.choose("cell", 7, "anna")
    assert told() == ([], "")
    with pytest.raises(MachineError):
        bench.choice.choose("cell", 12, "plc:press")
    assert told()[0] == waits
    assert told()[1].startswith("the line cell has no recipe 12; no recipe is in force now")
