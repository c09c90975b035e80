"""What is drawn is counted once, whatever dies; what is chosen helps most; what goes is stated."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from unittest.mock import patch

import pytest
from scipy import stats

from saec.errors import ReviewError
from saec.station.review.collecting import review_collector
from saec.station.review.collecting.review_upkeep import drop_unanswered, forget_names, make_room
from saec.station.review.review_records import ReviewAnswer
from tests.station.review.collecting.review_bench import HOUR, START, ReviewBench

GOOD, DEFECT = ReviewAnswer(label=0), ReviewAnswer(label=1)


def test_final_labels_alone_are_counted_and_drawn(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0, rejected=1.0)
    bench.collect()
    good, bad, error = bench.judged(0), bench.judged(1), bench.judged(None)
    early = bench.accept()
    bench.decide(early, 0, "provisional")
    bench.collect()
    assert set(bench.rows()) == {good, bad}
    assert bench.sums() == {"passed": (1, 1, 0), "rejected": (1, 1, 0)}
    bench.decide(early, 1, "final")
    bench.collect()
    bench.restart()
    bench.collect()
    assert bench.sums() == {"passed": (1, 1, 0), "rejected": (2, 2, 0)}
    row = bench.rows()[early]
    assert (row.why, row.probability, row.use, row.label, row.version) == ("random", 1.0, "prove", 1, "1")
    assert bench.store.picture(row).read_bytes() == (tmp_path / bench.spool.frame(early).image).read_bytes()
    assert error not in bench.rows()
    (hour,) = {one.hour for one in bench.store.offered("cell", since=START, until=START + HOUR)}
    assert hour == START / HOUR
    bench.close()


def test_frames_are_drawn_as_often_as_stated(tmp_path: Path) -> None:
    """Two-sided exact binomial test at one in a million, of a station's own secret."""
    bench = ReviewBench(tmp_path, passed=0.3, rejected=0.6)
    bench.collect()
    for n in range(150):
        bench.judged(n % 2)
    bench.collect()
    sums = bench.sums()
    for stratum, chance in (("passed", 0.3), ("rejected", 0.6)):
        frames, drawn, lost = sums[stratum]
        assert (frames, lost) == (75, 0)
        assert stats.binomtest(drawn, frames, chance).pvalue > 1e-6
    drawn_ones = {
        seq for seq in range(1, 151) if bench.store.draw.draws("cell", seq, (0.3, 0.6)[(seq + 1) % 2])
    }
    assert set(bench.rows()) == drawn_ones
    bench.close()


def test_what_came_before_the_review_was_never_drawn_from(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.judged()
    open_then = bench.accept()
    bench.collect()
    assert bench.sums() == {}
    bench.decide(open_then)
    bench.collect()
    assert bench.sums() == {"passed": (1, 1, 0)}
    with bench.store.transaction() as db:  # as though the spool had been repaired
        db.execute("UPDATE marks SET value = value + 1000 WHERE name = 'cursor'")
    bench.restart()
    late = bench.judged()
    bench.collect()
    assert bench.sums() == {"passed": (2, 2, 0)}
    assert set(bench.rows()) == {open_then, late}
    bench.close()


def test_a_drawn_picture_that_is_gone_is_counted_as_lost(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.collect()
    seq = bench.judged()
    bench.spool.eviction.drop_images([seq])
    kept = bench.judged()
    bench.collect()
    bench.spool.eviction.drop_images([kept])  # a hard link of its own
    assert bench.sums() == {"passed": (2, 2, 1)}
    assert [task.frame.seq for task in bench.store.take("anna", most=5)] == [kept]
    assert bench.store.picture(bench.rows()[kept]).is_file()
    with pytest.raises(ReviewError, match="is not kept"):
        bench.store.picture(bench.rows()[seq])
    bench.close()


def test_the_order_of_worth_holds_no_more_than_stated_and_no_picture_twice(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=0.0, rejected=0.0, ordered=5)
    bench.collect()
    same = bench.accept(data=b"")
    bench.decide(same, 1, score=0.52)
    for n in range(40):
        seq = bench.accept()
        bench.decide(seq, n % 2, score=0.01 * n + 0.3 * (n % 2))
        bench.now += 1.0
        if n % 7 == 0:
            bench.collect()
    bench.collect()
    assert len(bench.rows()) == 5
    assert len(list((tmp_path / "review" / "images").iterdir())) == 5
    assert all(row.use == "teach" and row.probability is None for row in bench.rows().values())
    assert bench.sums() == {"passed": (20, 0, 0), "rejected": (21, 0, 0)}
    first = bench.store.take("anna", most=1)[0].frame.seq
    with bench.store.transaction() as db:
        assert db.execute("SELECT place FROM frames WHERE seq = ?", (first,)).fetchone() == (0,)
    again = bench.accept(data=bench.store.picture(bench.rows()[first]).read_bytes())
    bench.decide(again, 1, score=0.5)
    bench.collect()
    assert again not in bench.rows()
    assert first in bench.rows()  # a person has it
    bench.close()


def test_nothing_that_proves_teaches_though_its_part_comes_again(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0, rejected=0.0, ordered=10)
    bench.collect()
    proving = bench.judged(0, part="P1")
    bench.judged(1, part="P1")
    waiting = bench.judged(1, part="P2")
    bench.collect()
    assert set(bench.rows()) == {proving, waiting}
    sibling = bench.judged(0, part="P2")  # drawn before anybody has answered the one that waits
    bench.collect()
    assert bench.rows()[sibling].use == "prove"
    bench.store.answer("anna", waiting, DEFECT)
    assert bench.rows()[waiting].use == "prove"  # and so never teaches
    taught = bench.judged(1, part="P3")
    bench.collect()
    bench.store.answer("anna", taught, DEFECT)
    late = bench.judged(0, part="P3")
    bench.collect()
    assert (bench.rows()[late].use, bench.rows()[late].probability) == ("teach", 1.0)
    bench.close()


def test_a_frame_that_was_asked_for_and_is_drawn_is_a_sample(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.collect()
    seq = bench.judged()
    frame = bench.spool.frame(seq)
    assert frame is not None
    other = ReviewBench(tmp_path / "other", passed=1.0)
    other.collect()
    other.judged()
    other.collect()
    asked = other.rows()[1]
    import msgspec

    bench.store.put(msgspec.structs.replace(asked, why="asked", probability=None, use="teach", image=""))
    bench.collect()
    assert (bench.rows()[seq].why, bench.rows()[seq].probability) == ("random", 1.0)
    other.close()
    bench.close()


def test_no_room_drops_what_helps_least_and_never_what_teaches(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=0.0, rejected=1.0, ordered=10, images_gb=1e-9)
    bench.collect()
    seq = bench.judged(0)
    with patch.object(review_collector, "make_room", return_value=True):
        bench.collect()
        drawn = bench.judged(1)
        bench.collect()
        waiting = bench.judged(0)
        bench.collect()
    bench.store.answer("anna", seq, DEFECT)
    assert not make_room(bench.store)
    assert set(bench.rows()) == {seq, drawn}
    assert bench.rows()[drawn].image == ""
    assert bench.store.picture(bench.rows()[seq]).is_file()
    assert waiting not in bench.rows()
    assert bench.sums()["rejected"] == (1, 1, 1)
    bench.judged(1)
    bench.collect()
    assert bench.sums()["rejected"] == (2, 2, 2)
    assert len([one for one in bench.alarms.told if "images_gb" in one[1]]) == 1
    bench.judged(1)
    bench.collect()
    assert len(bench.alarms.told) == 1  # one for a spell
    bench.close()


def test_days_without_an_answer_and_names(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.collect()
    old, answered = bench.judged(), bench.judged()
    bench.collect()
    bench.store.answer("anna", answered, GOOD)
    bench.now += 40 * 24 * HOUR
    young = bench.judged()
    bench.collect()
    assert drop_unanswered(bench.store, bench.now - 30 * 24 * HOUR) == 1
    assert [bool(row.image) for row in bench.rows().values()] == [False, True, True]
    assert bench.sums() == {"passed": (3, 3, 1)}
    bench.store.answer("anna", young, GOOD)
    assert forget_names(bench.store, bench.now - HOUR) == 1
    persons = {label.seq: label.person for label in bench.store.labels()}
    assert persons[young] == "anna"
    assert persons[answered].startswith("reviewer-")
    assert forget_names(bench.store, bench.now - HOUR) == 0
    assert old in bench.rows()
    bench.close()


def test_a_removed_line_is_asked_about_by_name_alone(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, ("cell", "gone"), passed=1.0)
    bench.collect()
    here, gone = bench.judged(), bench.judged(line="gone")
    bench.collect()
    bench.lines = ("cell",)
    bench.restart()
    bench.collect()
    assert [task.frame.seq for task in bench.store.take("anna", most=9)] == [here]
    assert [task.frame.seq for task in bench.store.take("ben", "gone", most=9)] == [gone]
    bench.close()


def test_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.collect()
    bench.judged()
    with (
        patch.object(review_collector, "mark_counted", side_effect=sqlite3.OperationalError("disk is full")),
        pytest.raises(sqlite3.OperationalError),
    ):
        bench.collect()
    stray = tmp_path / "review" / "images" / "77.png"
    stray.write_bytes(b"x")
    assert bench.sums() == {}
    bench.restart()
    with patch.object(review_collector, "_YOUNG_S", -10.0):
        bench.collector.turn()
    assert not stray.exists()
    assert bench.sums() == {"passed": (1, 1, 0)}
    assert bench.store.picture(bench.rows()[1]).is_file()
    bench.close()


def test_damage_of_the_review_is_told_and_stops_nothing(tmp_path: Path) -> None:
    from saec.station.threads import Stopping

    (tmp_path / "review").mkdir(parents=True)
    (tmp_path / "review" / "review.sqlite").write_bytes(b"no database" * 1000)
    bench = ReviewBench(tmp_path)
    stopping = Stopping()
    with patch.object(Stopping, "wait", lambda self, seconds: self.set()):
        bench.collector.run(stopping)
    ((kind, text, about),) = bench.alarms.told
    assert (kind, about) == ("review", "review")
    assert "is damaged" in text
    assert "backup" in text
    bench.judged()  # the line goes on
    (tmp_path / "review" / "review.sqlite").unlink()
    for left in (tmp_path / "review").glob("review.sqlite-*"):
        left.unlink()
    bench.collect()
    assert bench.store.counts() == {}
    bench.close()


def test_a_new_spool_gives_no_frame_a_number_that_the_review_knows(tmp_path: Path) -> None:
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.collect()
    last = [bench.judged() for _ in range(3)][-1]
    bench.collect()
    bench.close()
    for left in [*tmp_path.glob("spool.*"), *(tmp_path / "images").rglob("*.png")]:
        left.unlink()
    bench.spool = bench.open_spool()
    bench.collector = bench.make()
    bench.collector.number_frames(bench.spool)
    new = bench.judged()
    assert new == last + 1
    bench.collect()
    assert bench.sums() == {"passed": (4, 4, 0)}
    assert set(bench.rows()) == {1, 2, 3, 4}
    bench.close()
