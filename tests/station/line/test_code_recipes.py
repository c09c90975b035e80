"""A code in the picture chooses the frame's recipe: kept, never guessed, the same after a restart."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from saec.station.line.runner import LineRunner
from saec.station.line.warm_versions import WarmVersions
from saec.station.parts.code_reader import CodeSettings
from saec.station.setup.station_settings import LineSettings
from saec.station.storage.recent_pictures import RecentPictures
from saec.station.storage.records import NewFrame
from saec.types import Capture
from tests.station.line.test_recipes_at_line import RecipeBench, fakes, recipe, running
from tests.station.parts.drawn_codes import as_png, draw_code, frame_with
from tests.station.station_fakes import NO_GUARD, UNSURE

__all__ = ["fakes"]

RECIPES = [recipe(1, threshold=3.0), recipe(2, threshold=7.0, parts="B-[0-9]+"), recipe(3, parts="B-7[0-9]")]


def picture(text: str) -> bytes:
    """Scores 5.0: a defect by recipe 1, a good by recipe 2."""
    codes = [(draw_code(text), 60, 60)] if text else []
    return as_png(frame_with(*codes, red=UNSURE))


class CodeBench(RecipeBench):
    """A line whose recipes are chosen by a code in the picture."""

    def make(self) -> LineRunner:
        super().make()
        self.warm = WarmVersions(200)
        return LineRunner(
            LineSettings(
                name="cell",
                profile=self.profile,
                deadline_s=self.deadline,
                guard=NO_GUARD,
                code=CodeSettings(formats=("datamatrix",), recipe=True),
            ),
            self.spool,
            self.versions,
            cloud_for=lambda _: self.clouds,
            batch=4,
            pictures=RecentPictures(self.folder / "data" / "maps", kept=10),
            decode=self.decode,
            decode_again=self.decode,
            choice=self.choice,
            warm=self.warm,
        )


def test_the_code_chooses_and_the_frame_keeps_what_it_chose(tmp_path: Path) -> None:
    with running(CodeBench(tmp_path, RECIPES)) as bench:
        bench.choice.choose("cell", 1, "anna")
        mine, other = bench.take(picture("B-12")), bench.take(picture("A-12"))
        assert bench.final(mine, other) == [0, 1]
        verdicts = [bench.spool.verdicts(seq)["final"] for seq in (mine, other)]
        assert [(one.recipe, one.part) for one in verdicts] == [(2, "B-12"), (1, "A-12")]
        frame = bench.spool.frame(mine)
        assert frame is not None
        assert (frame.recipe, frame.part) == (2, "B-12")


@pytest.mark.parametrize(("text", "why"), [("", "no code was found"), ("B-71", "recipes 2, 3")])
def test_what_cannot_be_told_is_an_error_and_no_guess(tmp_path: Path, text: str, why: str) -> None:
    with running(CodeBench(tmp_path, RECIPES)) as bench:
        bench.choice.choose("cell", 1, "anna")
        seq = bench.take(picture(text))
        assert bench.final(seq) == [None]
        error = bench.spool.verdicts(seq)["final"].error
        assert error is not None
        assert why in error.message


def test_what_held_at_a_trigger_holds_and_a_part_that_the_source_knows(tmp_path: Path) -> None:
    with running(CodeBench(tmp_path, RECIPES)) as bench:
        bench.choice.choose("cell", 1, "anna")
        bench.n += 1
        triggered = NewFrame(
            line="cell",
            source="test",
            key="triggered",
            suffix=".png",
            captured=time.time(),
            recipe=1,
            capture=Capture(plc="press", trigger=4),
        )
        seq = bench.spool.accept(triggered, picture("B-12")).seq
        bench.runner.accepted(seq, time.perf_counter())
        assert bench.final(seq) == [1]
        verdict = bench.spool.verdicts(seq)["final"]
        assert (verdict.recipe, verdict.part) == (1, "B-12")


def test_a_frame_that_waited_over_a_restart_is_judged_by_its_code(tmp_path: Path) -> None:
    bench = CodeBench(tmp_path, RECIPES)
    bench.choice.choose("cell", 1, "anna")
    seq = bench.take(picture("B-12"), tell=False)
    bench.runner.close()
    bench.spool.close()
    with running(CodeBench(tmp_path, RECIPES)) as again:
        assert again.final(seq) == [0]
        assert again.spool.verdicts(seq)["final"].recipe == 2


def test_no_recipe_is_chosen_by_a_code_that_is_not_read() -> None:
    settings = CodeSettings(recipe=True)
    assert [key for key, _, _ in settings.faults()] == ["recipe"]
    assert not list(CodeSettings(formats=("qr",), recipe=True).faults())
