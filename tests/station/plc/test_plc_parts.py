"""What a PLC's thread is made of: numbers, notes, claims of pictures, the recipe that is wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from saec.errors import MachineError, SpoolError
from saec.station.plc import ModbusPlc
from saec.station.plc.signals import FaultCode, PlcSignals
from saec.station.plc.worker.picture_claims import PictureClaims
from saec.station.plc.worker.plc_notes import PlcNotes
from saec.station.plc.worker.recipe_wish import RecipeWish
from saec.station.plc.worker.trigger_numbers import BLOCK, TriggerNumbers
from saec.station.storage.records import NewFrame, Receipt, SpoolLimits
from saec.station.storage.spool import Spool
from saec.station.triggers.trigger_board import Trigger, TriggerBoard

PLC = ModbusPlc(name="press", line="cell", source="in", host="h")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    held = Spool(tmp_path, limits=SpoolLimits(free_gb=0))
    yield held
    held.close()


def test_numbers_rise_by_one_and_are_never_given_again(spool: Spool) -> None:
    numbers = TriggerNumbers(spool, "press")
    given = [numbers.take() for _ in range(2 * BLOCK + 3)]
    assert given == list(range(1, 2 * BLOCK + 4))
    again = TriggerNumbers(spool, "press")
    assert again.take() > given[-1]
    assert TriggerNumbers(spool, "other").take() == 1


def test_a_block_is_written_ahead_and_not_when_a_number_is_taken(spool: Spool) -> None:
    numbers = TriggerNumbers(spool, "press")
    numbers.reserve()
    before = spool.mark("plc:press")
    for _ in range(BLOCK // 2):
        numbers.take()
    assert spool.mark("plc:press") == before == BLOCK
    numbers.take()
    numbers.reserve()
    assert spool.mark("plc:press") == 2 * BLOCK


def test_numbers_go_on_after_what_a_plc_knows(spool: Spool) -> None:
    numbers = TriggerNumbers(spool, "press")
    numbers.begin_after(10_000)
    assert numbers.take() == 10_001
    numbers.begin_after(5)
    assert numbers.take() == 10_002
    assert TriggerNumbers(spool, "press").take() > 10_002


def test_an_alarm_of_a_spell_is_raised_once() -> None:
    raised: list[tuple[str, str, str]] = []
    notes = PlcNotes(lambda *told: raised.append(told))
    for _ in range(3):
        notes.alarm("press", "handshake", "double-trigger", "it triggered twice")
        notes.alarm("other", "plc", "away", "it is away")
    notes.write()
    assert raised == [("handshake", "it triggered twice", "press"), ("plc", "it is away", "other")]


# pictures of files and uploads


def frame(source: str = "in", captured: float | None = None) -> NewFrame:
    now = time.time() if captured is None else captured
    return NewFrame(line="cell", source=source, key="k", suffix=".png", captured=now, part="of-file")


def trigger(number: int, part: str = "P") -> Trigger:
    now = time.perf_counter()
    return Trigger(
        plc="press", number=number, source="in", line="cell", at=now, due=now + 9, part=part, recipe=4
    )


def test_each_picture_is_the_oldest_trigger_s() -> None:
    board = TriggerBoard()
    claims = PictureClaims(board, ["in"])
    woken = threading.Event()
    first = board.announce(trigger(1), woken.set)
    board.announce(trigger(2, part=""))
    one, claimed = claims.claimed(frame())
    assert (one.part, one.recipe, one.capture.trigger) == ("P", 4, 1)
    claims.taken(one, claimed, Receipt(7, "cell-7"))
    assert (first.seq, woken.is_set()) == (7, True)
    two, _ = claims.claimed(frame())
    assert (two.part, two.capture.trigger) == ("of-file", 2)
    with pytest.raises(SpoolError, match="no trigger waits"):
        claims.claimed(frame())
    assert board.strays("in") == 1


def test_sources_that_no_plc_names_go_their_way() -> None:
    claims = PictureClaims(TriggerBoard(), ["in"])
    other = frame("camera")
    assert claims.claimed(other) == (other, None)


def test_an_old_file_takes_no_trigger() -> None:
    board = TriggerBoard()
    claims = PictureClaims(board, ["in"])
    board.announce(trigger(1))
    with pytest.raises(SpoolError, match="before its trigger"):
        claims.claimed(frame(captured=time.time() - 30))
    assert claims.claimed(frame())[1].number == 1


def test_a_trigger_learns_that_its_picture_was_not_accepted() -> None:
    board = TriggerBoard()
    claims = PictureClaims(board, ["in"])
    first, second = board.announce(trigger(1)), board.announce(trigger(2))
    _, claimed = claims.claimed(frame())
    with pytest.raises(OSError), claims.kept(claimed):
        raise OSError("no room")
    assert first.failure == "no room"
    again, claimed = claims.claimed(frame())
    claims.taken(again, claimed, Receipt(3, "cell-3", duplicate=True))
    assert "came before" in second.failure


# recipes


class Recipes:
    """Lines' recipes 1 to 3; a change is ready once a test says so."""

    def __init__(self) -> None:
        self.number: int | None = 1
        self.asked: list[int] = []
        self.is_ready = True

    def has_recipes(self, line: str) -> bool:
        return line == "cell"

    def in_force(self, line: str) -> int | None:
        return self.number

    def ready(self, line: str) -> bool:
        return self.is_ready

    def choose(self, line: str, number: int, who: str) -> None:
        assert who == "plc:press"
        self.asked.append(number)
        self.number = number if number <= 3 else None
        if self.number is None:
            raise MachineError(f"no recipe {number}", "choose another")


def test_a_recipe_is_chosen_once_it_was_read_twice() -> None:
    recipes = Recipes()
    wish = RecipeWish(PLC, recipes, PlcNotes(lambda *_: None))
    assert wish.heed(PlcSignals(recipe=1)) is FaultCode.NONE
    assert wish.heed(PlcSignals(recipe=2)) is FaultCode.NOT_READY
    recipes.is_ready = False
    assert wish.heed(PlcSignals(recipe=2)) is FaultCode.NOT_READY
    recipes.is_ready = True
    assert wish.heed(PlcSignals(recipe=2)) is FaultCode.NONE
    assert (recipes.asked, wish.in_force) == ([2], 2)
    recipes.number = 3  # by another, as at the page
    for _ in range(2):
        wish.heed(PlcSignals(recipe=2))
    assert wish.in_force == 2, "the PLC's wish stands as long as it tells it"


def test_an_unknown_recipe_is_a_fault_until_a_known_one_is_wanted() -> None:
    recipes, raised = Recipes(), list[tuple[str, str, str]]()
    notes = PlcNotes(lambda *told: raised.append(told))
    wish = RecipeWish(PLC, recipes, notes)
    for _ in range(4):
        told = wish.heed(PlcSignals(recipe=9))
    notes.write()
    assert (told, recipes.asked, wish.in_force) == (FaultCode.UNKNOWN_RECIPE, [9], None)
    assert [kind for kind, _, _ in raised] == ["handshake"]
    assert wish.heed(PlcSignals()) is FaultCode.UNKNOWN_RECIPE, "none is in force"
    for _ in range(2):
        told = wish.heed(PlcSignals(recipe=1))
    assert told is FaultCode.NONE


def test_a_line_without_recipes_has_none() -> None:
    other = msgspec.structs.replace(PLC, line="nut")
    for wish in (
        RecipeWish(other, Recipes(), PlcNotes(lambda *_: None)),
        RecipeWish(PLC, None, PlcNotes(print)),
    ):
        assert wish.heed(PlcSignals(recipe=9)) is FaultCode.NONE
        assert wish.in_force is None
