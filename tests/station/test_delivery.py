"""What a delivery worker does while a receiver is away, refuses one verdict, or refuses everything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.station.delivery import DeliveryWorker
from saec.station.sinks import FileSink, WebhookSink
from saec.station.sinks.verdict_sink import AwayError, RefusedError, VerdictSink
from saec.station.storage.records import AuditHead, Delivery, NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from tests.station.sink_fakes import Receiver


class Clock:
    """Both clocks; a test turns them."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def busy_for(seconds: float, key: str) -> AwayError:
    return AwayError("busy", "", seconds)


class FakeSink:
    """Takes what ``refusal`` has no error for."""

    timeout = 1.0

    def __init__(self, at_once: int = 1) -> None:
        self.at_once = at_once
        self.taken: list[str] = []
        self.offered: list[str] = []
        self.refusal: Callable[[str], Exception | None] = lambda key: None

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        keys = [f"{int(d.verdict.id[-10:])}{d.state[0]}" for d in deliveries]
        self.offered += keys
        for key in keys:
            if (error := self.refusal(key)) is not None:
                raise error
        self.taken += keys

    def close(self) -> None:
        pass


class HeadSink(FakeSink):
    """Keeps the heads as well."""

    def __init__(self, at_once: int = 1) -> None:
        super().__init__(at_once)
        self.heads: list[tuple[str, int | None]] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for d in deliveries:
            self.heads.append((d.verdict.id[-1], None if d.audit is None else d.audit.n))
        super().deliver(deliveries)


class Bench:
    """A spool, a sink and its delivery worker."""

    def __init__(self, folder: Path, at_once: int = 1, **given: Any) -> None:
        self.clock, self.sink = Clock(), FakeSink(at_once)
        self.spool = Spool(folder, ("mes",), SpoolLimits(free_gb=0), self.clock)
        self.settings = FileSink(name="mes", path=folder, **given)
        self.worker = self.begin()
        self.frames = 0

    def begin(self, sink: VerdictSink | None = None) -> DeliveryWorker:
        box, alarm = self.spool.outbox, self.spool.alarm
        return DeliveryWorker(
            self.settings, sink or self.sink, box, alarm, clock=self.clock, steady=self.clock
        )

    def judge(self, n: int, states: Sequence[Literal["provisional", "final"]] = ("final",)) -> None:
        for _ in range(n):
            self.frames += 1
            frame = NewFrame(line="cell", source="t", key=str(self.frames), suffix=".png", captured=0.0)
            accepted = self.spool.accept(frame, b"image")
            for state in states:
                verdict = VerdictRecord(id=accepted.id, path="", sha256="", line="cell", time=0.0, label=0)
                assert self.spool.decide(accepted.seq, state, verdict)

    def turns(self, n: int) -> list[float]:
        """So many turns with their rests; the pauses."""
        pauses = []
        for _ in range(n):
            pauses.append(self.worker.turn())
            self.clock.now += pauses[-1]
        return pauses

    def pass_time(self, seconds: float) -> None:
        """Turns and their rests until so much time has passed."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now += self.worker.turn() or 0.001

    def alarms(self, kind: str) -> list[tuple[str, tuple[str, ...], int]]:
        return [(a.text, a.frames, a.count) for a in self.spool.alarms() if a.kind == kind]

    @property
    def waiting(self) -> int:
        return self.spool.depth()["sink:mes"]

    @property
    def dead(self) -> list[str]:
        return [letter.frame for letter in self.spool.outbox.letters()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.spool.close()


def refuse(*keys: str) -> Callable[[str], Exception | None]:
    return lambda key: RefusedError(f"answered 422 to {key}") if key in keys else None


def test_what_waits_is_brought_in_order(bench: Bench) -> None:
    bench.judge(3, ("provisional", "final"))
    bench.turns(1)
    assert bench.sink.taken == ["1p", "1f", "2p", "2f", "3p", "3f"]
    assert bench.waiting == 0
    assert bench.worker.status()["state"] == "up"


def test_a_receiver_that_is_away_gets_everything_in_order_later(bench: Bench) -> None:
    bench.judge(3)
    bench.sink.refusal = lambda key: AwayError("http://mes: nothing listens there", "start it")
    pauses = bench.turns(400)
    assert pauses[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert (bench.waiting, bench.dead) == (3, [])
    ((text, frames, count),) = bench.alarms("sink")
    assert "nothing listens there (start it); 3 verdicts wait; the first one is on cell-0000000001" in text
    assert (frames, count) == (("cell-0000000001",), 1)
    status = bench.worker.status()
    assert (status["state"], status["waiting"], status["dead"]) == ("away", 3, 0)
    assert status["oldest_s"] > 3600
    assert "nothing listens" in status["error"]
    assert "3 wait" in (bench.worker.problem() or "")
    bench.sink.refusal = lambda key: None
    bench.turns(1)
    assert bench.sink.taken == ["1f", "2f", "3f"]
    assert bench.worker.problem() is None
    bench.turns(12)
    assert bench.worker.status() == {
        "state": "up",
        "waiting": 0,
        "oldest_s": None,
        "dead": 0,
        "error": "",
    }


def test_a_receiver_is_asked_again_when_it_wishes(bench: Bench) -> None:
    bench.judge(1)
    for wish, pause in ((120.0, 120.0), (1e9, 3600.0), (0.1, 2.0)):
        bench.sink.refusal = partial(busy_for, wish)
        assert bench.turns(1) == [pause]


def test_one_verdict_that_is_refused_holds_the_others_back_for_seconds_alone(bench: Bench) -> None:
    bench.judge(5)
    bench.sink.refusal = refuse("3f")
    pauses = bench.turns(8)
    assert bench.sink.taken == ["1f", "2f", "4f", "5f"]
    assert bench.sink.offered.count("3f") == 6  # five times, and once after another was taken
    assert sum(pauses) < 10
    assert bench.dead == ["cell-0000000003"]
    (letter,) = bench.spool.outbox.letters()
    assert (letter.sink, letter.attempts, letter.error) == ("mes", 6, "answered 422 to 3f")
    ((text, frames, _),) = bench.alarms("sink-refused")
    assert "mes refused the final verdict on cell-0000000003 for the last time: answered 422" in text
    assert frames == ("cell-0000000003",)
    assert bench.alarms("sink") == []
    bench.clock.now += 2
    bench.turns(1)
    assert bench.worker.status()["dead"] == 1


def test_a_letter_that_is_sent_again_has_all_its_attempts(bench: Bench) -> None:
    bench.judge(2)
    bench.sink.refusal = refuse("1f")
    bench.turns(10)
    bench.spool.outbox.resend([letter.n for letter in bench.spool.outbox.letters()])
    bench.judge(1)
    bench.turns(10)
    assert bench.sink.offered.count("1f") == 12
    assert bench.dead == ["cell-0000000001"]
    bench.spool.outbox.resend([letter.n for letter in bench.spool.outbox.letters()])
    bench.sink.refusal = refuse()
    bench.turns(2)
    assert bench.sink.taken == ["2f", "3f", "1f"]
    assert (bench.waiting, bench.dead) == (0, [])


def test_a_fault_of_the_settings_makes_no_dead_letter(bench: Bench) -> None:
    bench.judge(30)
    bench.turns(1)
    bench.judge(30)
    bench.sink.refusal = lambda key: RefusedError("http://mes answered 401", "look at the token")
    bench.pass_time(120)
    asked = len(bench.sink.offered)
    bench.pass_time(300)
    assert (bench.waiting, bench.dead) == (30, [])
    assert len(bench.sink.offered) - asked <= 4 * 300 / 30  # the first and three others each time
    ((text, frames, count),) = bench.alarms("sink")
    assert "refuses every verdict that it was offered: http://mes answered 401" in text
    assert (frames, count) == (("cell-0000000031",), 1)
    assert bench.worker.status()["state"] == "refusing"
    bench.sink.refusal = refuse()
    bench.pass_time(31)
    assert bench.sink.taken == [f"{i}f" for i in range(1, 61)]
    assert bench.alarms("sink-refused") == []


def test_new_verdicts_do_not_make_a_receiver_that_refuses_all_be_asked_without_end(bench: Bench) -> None:
    bench.sink.refusal = lambda key: RefusedError("answered 401")
    bench.judge(3)
    bench.pass_time(60)
    asked, begun = len(bench.sink.offered), bench.clock.now
    for _ in range(60):
        bench.judge(1)
        bench.pass_time(1)
    assert len(bench.sink.offered) - asked <= 4 * (bench.clock.now - begun) / 5 + 4
    bench.sink.refusal = refuse()
    bench.judge(1)
    bench.pass_time(6)
    assert bench.sink.taken == [f"{i}f" for i in range(1, 65)]


def test_a_receiver_that_wakes_between_two_offers_loses_nothing(bench: Bench) -> None:
    bench.judge(3)
    calls = [0]

    def refusal(key: str) -> Exception | None:
        calls[0] += 1
        return RefusedError("answered 401") if calls[0] <= 5 else None

    bench.sink.refusal = refusal
    bench.pass_time(60)
    assert (sorted(bench.sink.taken), bench.dead) == (["1f", "2f", "3f"], [])


def test_many_in_a_row_that_are_refused_are_told_from_a_fault_of_the_settings(bench: Bench) -> None:
    bench.judge(20)  # of a product that the receiver does not know
    bench.sink.refusal = refuse(*(f"{i}f" for i in range(1, 21)))
    bench.pass_time(60)
    assert bench.dead == []
    for i in range(20):  # each that is taken tells of one
        bench.judge(1)
        bench.pass_time(6)
        assert bench.sink.taken == [f"{n}f" for n in range(21, 22 + i)]
        assert bench.dead == [f"cell-{n:010d}" for n in range(1, 2 + i)]
    assert bench.waiting == 0


def test_the_only_verdict_waits_for_another_to_tell(bench: Bench) -> None:
    bench.judge(1)
    bench.sink.refusal = refuse("1f")
    bench.pass_time(300)
    assert bench.dead == []
    assert bench.sink.offered.count("1f") < 20
    ((text, _, _),) = bench.alarms("sink")
    assert "refuses the only verdict that waits" in text
    bench.judge(1)
    assert sum(bench.turns(2)) < 1  # the new one does not wait for the pause of the old one
    assert (bench.sink.taken, bench.dead) == (["2f"], ["cell-0000000001"])


def test_a_frame_s_final_verdict_never_comes_before_its_provisional_one(bench: Bench) -> None:
    bench.judge(1)
    bench.judge(6, ("provisional", "final"))
    bench.sink.refusal = refuse("1f", "2p", "3p")
    bench.pass_time(120)
    for i in (4, 5, 6, 7):
        assert bench.sink.taken.index(f"{i}p") < bench.sink.taken.index(f"{i}f")
    assert len(bench.dead) == 3
    assert {"2f", "3f"} <= set(bench.sink.taken)


def test_the_receiver_goes_away_while_a_verdict_is_refused(bench: Bench) -> None:
    bench.judge(3)
    bench.sink.refusal = refuse("1f")
    bench.turns(4)
    bench.sink.refusal = lambda key: AwayError("away") if key != "1f" else RefusedError("answered 400")
    bench.turns(50)
    assert (bench.waiting, bench.dead, bench.worker.status()["state"]) == (3, [], "away")
    bench.sink.refusal = refuse()
    bench.turns(1)
    assert bench.sink.taken == ["1f", "2f", "3f"]


def test_an_error_that_nobody_thought_of_stops_one_verdict_alone(bench: Bench) -> None:
    bench.judge(4)
    bench.sink.refusal = lambda key: OverflowError("year is out of range") if key == "2f" else None
    bench.turns(10)
    assert (bench.sink.taken, bench.dead) == (["1f", "3f", "4f"], ["cell-0000000002"])
    assert "OverflowError" in bench.spool.outbox.letters()[0].error


def test_in_a_group_the_one_that_is_refused_is_found(tmp_path: Path) -> None:
    bench = Bench(tmp_path, at_once=100)
    bench.judge(8)
    bench.sink.refusal = refuse("5f")
    bench.turns(12)
    assert bench.sink.taken == ["1f", "2f", "3f", "4f", "6f", "7f", "8f"]
    assert bench.dead == ["cell-0000000005"]
    bench.spool.close()


def test_what_was_taken_before_a_failure_is_not_sent_again(bench: Bench) -> None:
    bench.judge(10)
    bench.sink.refusal = lambda key: AwayError("away") if key == "7f" else None
    bench.turns(1)
    assert bench.waiting == 4
    bench.worker = bench.begin()  # another process
    bench.sink.refusal = refuse()
    bench.turns(1)
    assert bench.sink.taken == [f"{i}f" for i in range(1, 11)]


def test_a_disk_that_takes_no_mark_makes_no_verdict_come_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.judge(3)
    mark = bench.spool.outbox.delivered

    def full(ns: Sequence[int]) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(bench.spool.outbox, "delivered", full)
    for _ in range(5):
        with pytest.raises(sqlite3.OperationalError):
            bench.worker.turn()
    monkeypatch.setattr(bench.spool.outbox, "delivered", mark)
    bench.turns(2)
    assert bench.sink.taken == ["1f", "2f", "3f"]
    assert bench.waiting == 0


def test_a_long_backlog_is_kept_or_dropped_as_the_settings_say(tmp_path: Path) -> None:
    keeps = Bench(tmp_path / "a", keep=5, keep_hours=1.0)
    drops = Bench(tmp_path / "b", keep=5, keep_hours=1.0, overflow="drop")
    for bench in (keeps, drops):
        bench.judge(4)
        bench.worker.keep_within(bench.clock.now)
        assert bench.waiting == 4
        bench.judge(4)
        for _ in range(3):
            bench.worker.keep_within(bench.clock.now)
    assert (keeps.waiting, drops.waiting) == (8, 5)
    assert "8 verdicts wait for mes" in keeps.alarms("sink-long")[0][0]
    assert drops.spool.counters()["dropped:mes"] == 3
    assert "the 3 oldest verdicts for mes" in drops.alarms("sink-dropped")[0][0]
    drops.turns(1)
    assert drops.sink.taken == ["4f", "5f", "6f", "7f", "8f"]
    drops.judge(2)
    drops.clock.now += 3700
    drops.judge(1)
    drops.worker.keep_within(None)  # the clock is not trusted
    assert drops.waiting == 3
    drops.worker.keep_within(drops.clock.now)
    assert drops.waiting == 1
    for bench in (keeps, drops):
        bench.spool.close()


def test_dead_letters_are_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, keep=2, attempts=1)
    bench.judge(10)
    bench.sink.refusal = refuse("1f", "3f", "5f", "7f")
    bench.turns(20)
    bench.worker.keep_within(None)
    assert bench.dead == ["cell-0000000005", "cell-0000000007"]
    assert "refused verdicts" in bench.alarms("sink-dropped")[0][0]
    bench.spool.close()


@given(
    bad=st.sets(st.integers(1, 6), max_size=4),
    away=st.sets(st.integers(0, 40), max_size=15),
    at_once=st.sampled_from([1, 3, 100]),
)
@settings(max_examples=10, deadline=None)
def test_nothing_is_lost_doubled_or_killed_wrongly(
    tmp_path_factory: pytest.TempPathFactory, bad: set[int], away: set[int], at_once: int
) -> None:
    bench = Bench(tmp_path_factory.mktemp("spool"), at_once=at_once)
    bench.judge(6)
    calls = [0]

    def refusal(key: str) -> Exception | None:
        calls[0] += 1
        if calls[0] in away:
            return AwayError("away")
        return RefusedError("answered 422") if int(key[:-1]) in bad else None

    bench.sink.refusal = refusal
    bench.pass_time(5)
    bench.judge(6)
    for _ in range(200):
        if bench.waiting:
            bench.pass_time(1)
    assert sorted(bench.sink.taken) == sorted(f"{i}f" for i in range(1, 13) if i not in bad)
    assert bench.dead == [f"cell-{i:010d}" for i in sorted(bad)]
    assert bench.waiting == 0
    bench.spool.close()


def test_a_real_receiver_that_refuses_one_verdict_gets_the_others(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.status = lambda key: 422 if "03/" in key else 200
    bench = Bench(tmp_path)
    sink = WebhookSink(name="mes", url=receiver.url).make_sink()
    bench.worker = bench.begin(sink)
    bench.judge(6)
    bench.turns(10)
    assert [key for key, *_ in receiver.got] == [f"cell-{i:010d}/final" for i in (1, 2, 4, 5, 6)]
    assert bench.dead == ["cell-0000000003"]
    sink.close()
    bench.spool.close()
    receiver.close()


def test_each_verdict_takes_the_head_of_the_audit_along_and_keeps_it_when_sent_again(tmp_path: Path) -> None:
    bench, sink, heads = Bench(tmp_path), HeadSink(), iter(range(1, 100))
    worker = DeliveryWorker(
        bench.settings,
        sink,
        bench.spool.outbox,
        bench.spool.alarm,
        head=lambda: AuditHead(next(heads), "ab" * 32),
        clock=bench.clock,
        steady=bench.clock,
    )
    bench.judge(2)
    sink.refusal = lambda key: AwayError("away")
    for _ in range(3):
        worker.turn()
        bench.clock.now += 60
    assert sink.heads == [("1", 1)] * 3
    sink.refusal = lambda key: None
    worker.turn()
    assert sink.heads[3:] == [("1", 1), ("2", 5)]
    bench.judge(1)
    worker.turn()
    assert sink.heads[5:] == [("3", 6)]
    bench.spool.close()


def test_without_a_head_verdicts_are_sent_all_the_same(tmp_path: Path) -> None:
    bench, sink = Bench(tmp_path), HeadSink(at_once=10)
    worker = bench.begin(sink)
    bench.judge(3)
    worker.turn()
    assert sink.heads == [("1", None), ("2", None), ("3", None)]
    bench.spool.close()
