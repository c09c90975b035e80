"""Any order of verdicts, deaths, restarts and repairs: each frame counts once, and draws are as stated."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from saec.station.review.collecting import review_collector
from saec.station.review.review_records import ReviewAnswer
from saec.station.storage.database.latest_verdicts import rebuild_latest
from tests.station.review.collecting.review_bench import ReviewBench

RATES = {0: 0.4, 1: 0.7}
POINTS = ("keep_picture", "add_offered", "mark_counted", "_set_mark", "order_waiting", "unlink_pictures")
"""Where the collector may die."""


class DiedError(Exception):
    """The process has ended here."""


class Collecting(RuleBasedStateMachine):
    """A spool whose verdicts come in any order, and a collector that dies anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = ReviewBench(Path(self.folder.name), passed=RATES[0], rejected=RATES[1], ordered=3)
        self.bench.collect()
        self.open: list[int] = []
        self.finals: dict[int, int] = {}
        self.uses: dict[int, tuple[str, float | None]] = {}

    @rule()
    def a_frame_comes(self) -> None:
        self.open.append(self.bench.accept(part=f"P{self.bench.n // 3}"))

    @precondition(lambda self: self.open)
    @rule(label=st.sampled_from([0, 0, 1, None]), last=st.booleans(), late=st.booleans())
    def it_is_judged(self, label: int | None, last: bool, late: bool) -> None:
        seq = self.open.pop(-1 if last else 0)
        if late:
            self.bench.decide(seq, 0, "provisional")
        self.bench.decide(seq, label, score=seq % 10 / 10)
        if label is not None:
            self.finals[seq] = label

    @precondition(lambda self: self.finals)
    @rule(data=st.data())
    def its_image_goes(self, data: st.DataObject) -> None:
        self.bench.spool.eviction.drop_images([data.draw(st.sampled_from(sorted(self.finals)))])

    @rule()
    def it_collects(self) -> None:
        self.bench.collect()

    @rule(point=st.sampled_from(POINTS), calls=st.integers(0, 3))
    def it_dies(self, point: str, calls: int) -> None:
        left, real = [calls], getattr(review_collector, point)

        def dies(*args: object, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise DiedError
            return real(*args, **named)

        with patch.object(review_collector, point, dies):
            try:
                self.bench.collect()
            except DiedError:
                self.bench.restart()

    @rule()
    def it_restarts(self) -> None:
        self.bench.restart()

    @rule()
    def the_spool_is_repaired(self) -> None:
        """All verdicts get new numbers; the station does not run meanwhile."""
        self.bench.collector.close()
        with self.bench.spool._transaction() as db:
            db.execute("DELETE FROM latest")
            db.execute("DELETE FROM sqlite_sequence WHERE name = 'latest'")
            rebuild_latest(db)
        self.bench.collector = self.bench.make()

    @rule(label=st.sampled_from([0, 1, None]))
    def somebody_answers(self, label: int | None) -> None:
        for task in self.bench.store.take("anna", most=1):
            self.bench.store.answer("anna", task.frame.seq, ReviewAnswer(label=label))

    def teardown(self) -> None:
        try:
            self.bench.collect()
            self.adds_up()
        finally:
            self.bench.close()
            self.folder.cleanup()

    def adds_up(self) -> None:
        bench, rows, sums = self.bench, self.bench.rows(), self.bench.sums()
        draws = {seq: bench.store.draw.draws("cell", seq, RATES[label]) for seq, label in self.finals.items()}
        for label, stratum in ((0, "passed"), (1, "rejected")):
            those = [seq for seq, one in self.finals.items() if one == label]
            gone = sum(draws[seq] and not rows[seq].image for seq in those)
            counted = sums.get(stratum, (0, 0, 0))
            assert counted == (len(those), sum(draws[seq] for seq in those), gone)
        drawn = {seq for seq, row in rows.items() if row.probability is not None}
        assert drawn == {seq for seq, one in draws.items() if one}
        waiting = [row for row in rows.values() if row.probability is None and row.seq not in self.labelled()]
        assert len(waiting) <= 3 + 1  # and one that a person has
        files = {path.name for path in (bench.store.folder / "images").glob("*")}
        assert {Path(row.image).name for row in rows.values() if row.image} <= files
        taught = {row.part for row in rows.values() if row.use == "teach" and row.seq in self.labelled()}
        assert not taught & {row.part for row in rows.values() if row.use == "prove"}

    def labelled(self) -> set[int]:
        return {label.seq for label in self.bench.store.labels(most=1000)}


Collecting.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
TestCollecting = Collecting.TestCase


def test_a_death_that_is_told_is_a_death(tmp_path: Path) -> None:
    """The machine's way to die really stops the collector where it says."""
    bench = ReviewBench(tmp_path, passed=1.0)
    bench.collect()
    bench.judged()
    with patch.object(review_collector, "_set_mark", side_effect=DiedError), pytest.raises(DiedError):
        bench.collect()
    assert bench.sums() == {}
    bench.close()
