"""Each frame is judged by the recipes of its own time, however the settings change meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.errors import MachineError
from saec.station.recipes.recipe_book import RecipeBook
from saec.station.recipes.recipe_settings import RecipeSettings, recipe_faults
from saec.station.storage.records import SpooledFrame
from tests.station.recipes.test_recipe_choice import recipe


def frame(seq: int, number: int | None) -> SpooledFrame:
    return SpooledFrame(
        seq=seq,
        id=f"cell-{seq:010d}",
        line="cell",
        source="in",
        key=str(seq),
        sha256="",
        image="",
        size=0,
        captured=0.0,
        accepted=0.0,
        state="accepted",
        recipe=number,
    )


def test_a_frame_has_the_recipe_that_its_number_meant_when_it_was_accepted(tmp_path: Path) -> None:
    book = RecipeBook(tmp_path)
    book.revise([], 3)
    assert not list(tmp_path.iterdir())
    book.revise([recipe(7)], 3)
    book.revise([recipe(7, threshold=0.5)], 10)
    book.revise([], 20)
    again = RecipeBook(tmp_path)
    assert again.recipe_of(frame(3, None)) is None  # the line had no recipes then
    with pytest.raises(MachineError, match="no recipe was in force"):
        again.recipe_of(frame(4, None))
    assert [again.recipe_of(frame(seq, 7)) for seq in (4, 10, 11, 20)] == [
        recipe(7),
        recipe(7),
        recipe(7, threshold=0.5),
        recipe(7, threshold=0.5),
    ]
    assert again.recipe_of(frame(21, None)) is None
    with pytest.raises(MachineError, match="had no recipe 8"):
        again.recipe_of(frame(5, 8))
    assert again.newest == {}


def test_what_stands_is_not_written_again_and_what_no_frame_had_goes(tmp_path: Path) -> None:
    book = RecipeBook(tmp_path)
    book.revise([recipe(8), recipe(7)], 4)
    written = (tmp_path / "recipes.json").stat().st_mtime_ns
    book.revise([recipe(7), recipe(8)], 9)
    assert (tmp_path / "recipes.json").stat().st_mtime_ns == written
    book.revise([recipe(9)], 9)
    book.revise([recipe(10)], 9)
    assert RecipeBook(tmp_path).recipe_of(frame(10, 10)) == recipe(10)
    with pytest.raises(MachineError):
        book.recipe_of(frame(10, 9))


def test_a_spool_that_begins_anew_has_the_recipes_of_now(tmp_path: Path) -> None:
    book = RecipeBook(tmp_path)
    book.revise([recipe(7)], 1000)
    book.revise([recipe(7, threshold=2.0)], 2000)
    book.revise([recipe(7, threshold=2.0)], 0)
    assert book.recipe_of(frame(1, 7)) == recipe(7, threshold=2.0)


@pytest.mark.parametrize(
    ("wrong", "key", "what"),
    [
        ({"line": "other"}, "line", "no .*line.* named other"),
        ({"region": (4, 0, 4, 9)}, "region", "no pixels"),
        ({"region": (-1, 0, 4, 9)}, "region", "outside"),
        ({"threshold": float("nan")}, "threshold", "nan"),
        ({"threshold": float("inf")}, "threshold", "inf"),
        ({"parts": "A("}, "parts", "no regular expression"),
        ({"number": 7}, "number", "two recipes with the number 7"),
        ({"name": "a\nb"}, "name", "cannot be shown"),
        ({"camera": {"else": {"Gain": 1}}}, "camera", "no .*source.* named else"),
        ({"camera": {"cam": {"Gain": 1, "Width": 8}}}, "camera", "names Width of cam"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object], key: str, what: str) -> None:
    import re

    plain = {"number": 8, "name": "b", "line": "cell", "camera": {"cam": {"Gain": 2}}}
    first = recipe(7, camera={"cam": {"Gain": 1}})
    faults = list(recipe_faults([first, RecipeSettings(**{**plain, **wrong})], {"cell"}, {"cam": "cell"}))  # type: ignore[arg-type]
    assert any(i == 1 and at == key and re.search(what, said) for i, at, said, _ in faults), faults


def test_recipes_that_agree_have_no_fault() -> None:
    both = [recipe(n, camera={"cam": {"Gain": n}}, region=(0, 0, 4, 4), threshold=0.5) for n in (1, 2)]
    assert not list(recipe_faults(both, {"cell"}, {"cam": "cell"}))
