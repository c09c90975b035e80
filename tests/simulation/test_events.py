"""The simulator: no frame without a verdict, every deadline kept, and the true scheduler inside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import ConfigError
from saec.profile import Calibration, Gate
from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies.gate import GatePolicy
from saec.schedule.policies.one_side import CloudOnly
from saec.schedule.policies.policy_contract import Scheduler
from saec.schedule.statistics.auroc import auroc
from saec.settings import GateConfig
from saec.simulation.events import LoneCloud, Passing, Simulation
from saec.simulation.opinion_source import SimulatedFrame, again, draw, sample, with_answers
from saec.simulation.simulation_settings import CloudModel, Latency, OpinionModel, Pace
from saec.types import EdgeRecord

LINE = Calibration(
    version=1, created="", overkill=0.05, threshold=1.6, gate=Gate(low=0.8, high=2.6, basis="goods")
)
MODEL = OpinionModel(defect_share=0.2)


@dataclass
class Book:
    """Notes what happens to each frame."""

    entries: dict[int, list[tuple[str, float]]] = field(default_factory=dict)
    taken: dict[int, float] = field(default_factory=dict)

    def note(self, frame: Passing, what: str, now: float) -> None:
        self.taken[frame.seq] = frame.taken
        self.entries.setdefault(frame.seq, []).append((what, now))

    def by_edge(self, frame: Passing, now: float) -> None:
        self.note(frame, frame.route.reason, now)

    def stand_in(self, frame: Passing, now: float) -> None:
        self.note(frame, "stand-in", now)

    def by_cloud(self, frame: Passing, now: float, *, answered: bool, late: bool) -> None:
        assert late == (frame.seq in self.entries)
        self.note(frame, "cloud" if answered else "lost", now)


def play(
    frames: int,
    *,
    policy: Scheduler | None = None,
    cloud: CloudModel | None = None,
    pace: Pace | None = None,
    deadline: float | None = 0.5,
    capacity: int = 10**9,
    seed: int = 0,
) -> tuple[Book, Simulation]:
    rng, book = np.random.default_rng(seed), Book()
    dispatch: Dispatch[Passing] = Dispatch(batch=4, deadline=deadline, capacity=capacity)
    simulation = Simulation(
        policy or CloudOnly(),
        dispatch,
        book,
        pace or Pace(frames_per_s=50),
        LoneCloud(cloud or CloudModel(), rng),
    )
    simulation.run(draw(MODEL, LINE, frames, rng))
    return book, simulation


def test_an_outage_costs_no_verdict_and_no_deadline() -> None:
    cloud = CloudModel(request_ms=20, frame_ms=5, outages=((2.0, 6.0), (9.0, 9.5)), timeout_s=0.3)
    book, simulation = play(1000, cloud=cloud, deadline=0.4)
    assert sorted(book.entries) == list(range(1, 1001))
    assert all(entries[0][1] - book.taken[seq] <= 0.4 for seq, entries in book.entries.items())
    first = {seq: entries[0][0] for seq, entries in book.entries.items()}
    during = [what for seq, what in first.items() if 2.0 < book.taken[seq] < 5.5]
    assert "cloud" not in during
    assert during.count("cloud-down") > len(during) / 2
    assert during.count("stand-in") > 0
    # Afterwards the cloud is asked again.
    assert [what for seq, what in first.items() if book.taken[seq] > 15].count("cloud") > 200
    assert simulation.lost > 0


@settings(max_examples=25, deadline=None)
@given(
    rate=st.floats(1, 100),
    deadline=st.none() | st.floats(0.05, 3),
    outages=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)).map(sorted).map(tuple), max_size=3),
    request=st.floats(0, 1),
    law=st.sampled_from(["constant", "exponential", "lognormal"]),
    timeout=st.floats(0.05, 2),
    capacity=st.integers(1, 50),
)
def test_every_frame_has_its_verdict_in_time(
    rate: float,
    deadline: float | None,
    outages: list[tuple[float, float]],
    request: float,
    law: Literal["constant", "exponential", "lognormal"],
    timeout: float,
    capacity: int,
) -> None:
    cloud = CloudModel(
        request_ms=1e3 * request, latency=Latency(law=law), outages=tuple(outages), timeout_s=timeout
    )
    pace = Pace(frames_per_s=rate, edge_ms=0.0)
    book, simulation = play(
        120,
        cloud=cloud,
        pace=pace,
        deadline=deadline,
        capacity=capacity,
        policy=GatePolicy(LINE, GateConfig()),
    )
    assert sorted(book.entries) == list(range(1, 121))
    assert simulation.peak <= capacity
    for seq, entries in book.entries.items():
        whats = [what for what, _ in entries]
        assert len(whats) == 1 or (whats[0] == "stand-in" and whats[1:] in (["cloud"], ["lost"]))
        assert [now for _, now in entries] == sorted(now for _, now in entries)
        if deadline is not None:
            assert entries[0][1] - book.taken[seq] <= deadline + 1e-9


def test_the_same_seed_gives_the_same_run() -> None:
    cloud = CloudModel(latency=Latency(law="lognormal"), outages=((1, 2),))
    one, two, other = (play(300, cloud=cloud, seed=seed)[0].entries for seed in (3, 3, 4))
    assert one == two != other


def test_without_a_deadline_every_frame_waits_for_its_answer() -> None:
    book, simulation = play(200, cloud=CloudModel(request_ms=1000, timeout_s=9), deadline=None)
    assert {what for entries in book.entries.values() for what, _ in entries} == {"cloud"}
    assert simulation.peak > 100
    assert simulation.now >= 50 * 1.0


def test_requests_take_their_round_trip_and_their_frames() -> None:
    rng = np.random.default_rng(0)
    cloud = CloudModel(request_ms=100, frame_ms=10, latency=Latency(ms=50), outages=((10, 11),), timeout_s=2)
    took, answered = cloud.answer(1.0, 4, rng)
    assert (took, answered) == (pytest.approx(1.19), True)
    assert cloud.answer(9.8, 4, rng)[1]
    for begin in (9.9, 10.5, 10.99):
        assert cloud.answer(begin, 4, rng) == (begin + 2, False)
    assert cloud.answer(11.0, 4, rng)[1]
    assert cloud.answer(1.0, 400, rng) == (3.0, False)
    for latency, centre in (
        (Latency(law="exponential", ms=50), np.mean),
        (Latency(law="lognormal", ms=50), np.median),
    ):
        assert centre([latency.draw(rng) for _ in range(4000)]) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("pace", [(0.0, 10.0), (200.0, 10.0), (10.0, -1.0)])
def test_a_pace_that_cannot_be_is_refused(pace: tuple[float, float]) -> None:
    with pytest.raises(ConfigError):
        Pace(frames_per_s=pace[0], edge_ms=pace[1])


def test_frames_are_drawn_one_by_one() -> None:
    """Memory is flat: the simulation reads no frame before it has judged those before."""
    book, read = Book(), itertools.count(1)

    def stream() -> Iterator[SimulatedFrame]:
        for one in draw(MODEL, LINE, 50, np.random.default_rng(0)):
            assert len(book.entries) >= next(read) - 1
            yield one

    edge_only = Simulation(
        GatePolicy(LINE, GateConfig()),
        Dispatch(batch=4, connected=False),
        book,
        Pace(),
        LoneCloud(CloudModel(), np.random.default_rng(0)),
    )
    edge_only.run(stream())
    assert len(book.entries) == 50


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_the_model_gives_what_it_states(correlation: float) -> None:
    model = OpinionModel(defect_share=0.3, auroc=0.9, cloud_error=0.08, correlation=correlation)
    drawn = list(draw(model, LINE, 40_000, np.random.default_rng(0)))
    truth = np.array([s.truth for s in drawn])
    scores = np.array([s.record.score for s in drawn])
    edge = np.array([s.record.label != s.truth for s in drawn])
    cloud = np.array([(s.cloud >= 0.5) != s.truth for s in drawn])
    assert truth.mean() == pytest.approx(0.3, abs=0.01)
    assert auroc(scores[truth == 0], scores[truth == 1]) == pytest.approx(0.9, abs=0.01)
    assert cloud.mean() == pytest.approx(0.08, abs=0.006)
    assert np.corrcoef(edge, cloud)[0, 1] == pytest.approx(correlation, abs=0.03)
    assert np.percentile([s.complexity for s in drawn], [25, 50, 75]) == pytest.approx(
        [-0.5, 0, 0.5], abs=0.02
    )


@pytest.mark.parametrize("fields", [{"auroc": 1.0}, {"defect_share": 1.5}, {"cloud_error": 0.6}])
def test_a_model_that_cannot_be_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        OpinionModel(**fields)


def test_recorded_frames_are_drawn_again_with_a_stated_cloud() -> None:
    rng = np.random.default_rng(0)
    recorded = [(EdgeRecord(float(i % 4), int(i % 4 >= 2)), 0.1 * i, int(i % 2)) for i in range(4000)]
    samples = with_answers(recorded, 0.1, 0.0, rng)
    assert [(s.record, s.complexity, s.truth) for s in samples] == recorded
    assert np.mean([(s.cloud >= 0.5) != s.truth for s in samples]) == pytest.approx(0.1, abs=0.02)
    few = [sample(EdgeRecord(float(i), 0), None, 0.5, None) for i in range(3)]
    drawn = list(again(few, 9000, rng))
    assert len(drawn) == 9000
    assert all(0.3 < np.mean([d is one for d in drawn]) < 0.37 for one in few)


@settings(max_examples=200, deadline=None)
@given(
    outages=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted).map(tuple), max_size=5),
    begun=st.integers(0, 20),
    took=st.integers(1, 10),
)
def test_a_request_is_lost_where_any_outage_touches_it(
    outages: list[tuple[float, float]], begun: int, took: int
) -> None:
    cloud = CloudModel(
        request_ms=1e3 * took, frame_ms=0, latency=Latency(ms=0), outages=tuple(outages), timeout_s=100
    )
    answered = cloud.answer(begun, 1, np.random.default_rng(0))[1]
    assert answered != any(begin < begun + took and begun < end for begin, end in outages)
