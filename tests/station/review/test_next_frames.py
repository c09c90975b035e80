"""What the next frames of a review are for, and a certain frame that a person wishes for."""

from __future__ import annotations

from pathlib import Path

from saec.station.review.review_records import ReviewAnswer
from tests.station.review.test_review_store import frame, store


def test_the_next_frames_are_counted_as_they_will_be_shown(tmp_path: Path) -> None:
    review = store(tmp_path)
    for seq in range(1, 9):
        review.put(frame(seq, why="random"))
    for seq in range(11, 15):
        review.put(frame(seq, why="gate", worth=2.0))
    for seq in range(21, 25):
        review.put(frame(seq, why="value", worth=1.0))
    assert review.upcoming("cell", 6) == {"random": 3, "gate": 3}
    assert review.upcoming(None, 14) == {"random": 7, "gate": 4, "value": 3}
    assert review.upcoming(None, 100) == {"random": 8, "gate": 4, "value": 4}
    assert review.upcoming("other", 100) == {}
    shown = [task.frame.why for task in review.take("a", "cell", most=6)]
    assert sorted(shown) == ["gate"] * 3 + ["random"] * 3
    review.answer("a", 1, ReviewAnswer(label=1))
    assert review.upcoming("cell", 5)["second"] == 1


def test_a_frame_that_a_person_wishes_for_comes_first(tmp_path: Path) -> None:
    clock = [1000.0]
    review = store(tmp_path, clock)
    for seq in range(1, 6):
        review.put(frame(seq))
    review.take("a", "cell")
    assert review.lend("a", 4)
    for _ in range(3):
        clock[0] += 30.0
        assert review.take("a", "cell")[0].frame.seq == 4
    assert not review.lend("b", 4)
    assert review.lend("b", 5)
    assert review.take("b", "cell", most=1)[0].frame.seq == 5
