"""Each trigger has one picture at most, and each picture one trigger at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saec.station.triggers.trigger_board import Announced, Trigger, TriggerBoard


def trigger(number: int, source: str = "camera") -> Trigger:
    return Trigger(plc="press", number=number, source=source, line="nut", at=0.0, due=1.0)


@given(st.lists(st.sampled_from(["announce", "picture", "give up"]), max_size=60))
def test_pictures_go_to_the_oldest_trigger_that_still_waits(steps: list[str]) -> None:
    board, open_now, claimed, number = TriggerBoard(), list[Announced](), list[int](), 0
    for step in steps:
        if step == "announce":
            number += 1
            open_now.append(board.announce(trigger(number)))
        elif step == "give up" and open_now:
            assert board.withdraw(open_now.pop())
        elif step == "picture":
            found = board.claim("camera")
            expected = open_now.pop(0).trigger.number if open_now else None
            assert (found.number if found else None) == expected
            claimed += [expected] if expected is not None else []
    assert len(claimed) == len(set(claimed))


def test_who_announced_learns_the_frame_or_the_failure() -> None:
    board = TriggerBoard()
    first, second = board.announce(trigger(1)), board.announce(trigger(2))
    for announced in (first, second):
        assert board.claim("camera") is announced.trigger
    board.taken(first.trigger.capture, 7)
    board.failed(second.trigger, "the buffer was incomplete")
    assert first.wait(0)
    assert (first.seq, first.failure) == (7, "")
    assert second.wait(0)
    assert (second.seq, second.failure) == (None, "the buffer was incomplete")


def test_a_trigger_that_was_given_up_takes_no_frame() -> None:
    board = TriggerBoard()
    claimed = board.announce(trigger(1))
    board.claim("camera")
    assert not board.withdraw(claimed)  # a picture is on its way
    board.taken(claimed.trigger.capture, 7)
    assert not claimed.wait(0)


def test_a_picture_that_may_be_a_withdrawn_triggers_claims_none_until_its_source_is_drained() -> None:
    board = TriggerBoard()
    first = board.announce(trigger(1))
    drained = board.withdrawn("camera")
    assert board.withdraw(first)
    second = board.announce(trigger(2))
    assert board.claim("camera", drained=drained) is None
    assert board.withdrawn("left") == 0
    assert board.claim("camera", drained=board.withdrawn("camera")) is second.trigger


def test_each_source_has_its_own() -> None:
    board = TriggerBoard()
    board.announce(trigger(1, "left"))
    assert board.claim("right") is None
    assert board.wait_for("right", 0) is None
    assert board.wait_for("left", 0) == trigger(1, "left")


def test_who_hears_learns_of_each_trigger_before_a_source_can_claim_it() -> None:
    board, heard = TriggerBoard(), list[tuple[int, bool]]()
    board.hearing.append(lambda one: heard.append((one.number, board.wait_for("camera", 0) is None)))
    board.announce(trigger(1))
    assert heard == [(1, True)]
