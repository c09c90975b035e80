"""Replicas behind one queue: exact against a line's own cloud, and against the theory of queues."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies.one_side import CloudOnly
from saec.simulation.events import LoneCloud, Passing, Simulation
from saec.simulation.fleet import Fleet, batch_s, questions_per_s
from saec.simulation.opinion_source import sample
from saec.simulation.plan_settings import Load, ReplicaModel
from saec.simulation.plant import Answers, Plant, asked_frames, phases
from saec.simulation.simulation_settings import CloudModel, Latency, Pace
from saec.types import EdgeRecord

AT_ONCE = Latency(ms=0)


def load(**fields: float) -> Load:
    given = {
        "stations": 3,
        "fps": 20.0,
        "escalation": 0.3,
        "burst": 1.0,
        "together": 4,
        "edge_ms": 10.0,
        "deadline_s": 0.5,
        "seed": 0,
    } | fields
    return Load(**given)  # type: ignore[arg-type]


def waits(asked: Load, replica: ReplicaModel, replicas: int, seconds: float) -> NDArray[np.float64]:
    fleet = Fleet(replica, replicas, AT_ONCE, np.random.default_rng(0))
    answers = Answers(0.0)
    Plant(asked, fleet, answers, scheduled=False).run(seconds)
    return np.array(answers.seconds)


@pytest.mark.parametrize(("request_ms", "frame_ms"), [(30.0, 5.0), (0.0, 40.0), (200.0, 3.0)])
def test_one_station_with_one_replica_waits_as_in_a_simulated_line(
    request_ms: float, frame_ms: float
) -> None:
    """A station whose every frame is asked about, and ``saec simulate`` with the same times."""
    taken: dict[int, float] = {}

    class Book:
        def by_edge(self, frame: Passing, now: float) -> None:
            raise AssertionError

        def stand_in(self, frame: Passing, now: float) -> None:
            raise AssertionError

        def by_cloud(self, frame: Passing, now: float, *, answered: bool, late: bool) -> None:
            assert answered
            taken[frame.seq] = now - frame.taken

    model = CloudModel(request_ms=request_ms, frame_ms=frame_ms, latency=AT_ONCE, timeout_s=1e9)
    lone = Simulation(
        CloudOnly(),
        Dispatch(batch=4),
        Book(),
        Pace(frames_per_s=20.0, edge_ms=10.0),
        LoneCloud(model, np.random.default_rng(0)),
    )
    lone.run(sample(EdgeRecord(0.0, 0), None, 0.5, None) for _ in range(400))
    replica = ReplicaModel(request_ms=request_ms, frame_ms=frame_ms, before_ms=0, batch_frames=4)
    together = waits(load(stations=1, escalation=1.0), replica, 1, 20.0)
    assert together == pytest.approx([taken[seq] for seq in sorted(taken)], abs=1e-9)


def mean_wait(arrivals_per_s: float, service_s: float, servers: int) -> float:
    """The mean wait of the queue M/D/c (Crommelin 1932; Tijms, A First Course in Stochastic Models, 9.6).

    Whoever is served at some time has left one service time later, so the number in the system at times that
    are a service time apart is a Markov chain: what exceeds the servers stays, and a Poisson number comes.
    """
    mean, most = arrivals_per_s * service_s, 400
    come = np.array([math.exp(-mean + n * math.log(mean) - math.lgamma(n + 1)) for n in range(most)])
    present = np.eye(1, most)[0]
    for _ in range(4000):
        stay = np.r_[present[: servers + 1].sum(), present[servers + 1 :]]
        present = np.convolve(stay, come)[:most]
    return float(present @ np.arange(most)) / arrivals_per_s - service_s


def test_the_theory_of_many_servers_is_that_of_one() -> None:
    """Pollaczek and Khinchine's formula for M/D/1."""
    assert mean_wait(8.0, 0.1, 1) == pytest.approx(0.8 * 0.1 / (2 * 0.2), rel=1e-6)


@pytest.mark.parametrize(("servers", "used"), [(1, 0.5), (1, 0.8), (2, 0.7), (5, 0.8), (20, 0.9)])
def test_random_questions_wait_as_in_the_queue_with_fixed_service(servers: int, used: float) -> None:
    rng, questions = np.random.default_rng(servers), 40_000
    replica = ReplicaModel(request_ms=0, frame_ms=100, before_ms=0, batch_frames=1)
    rate = used * servers * questions_per_s(replica)
    fleet, ends = Fleet(replica, servers, AT_ONCE, rng), []
    times = np.cumsum(rng.exponential(1 / rate, questions))
    for now in times.tolist():
        while fleet.next_start <= now:
            fleet.start()
        fleet.ask(now, 1, lambda end, answered: ends.append(end))
    while fleet.next_start < math.inf:
        fleet.start()
    waited = np.array(ends) - times - 0.1
    means = waited.reshape(20, -1).mean(axis=1)  # of twenty batches, which hardly depend on each other
    error = means.std(ddof=1) / math.sqrt(len(means))
    assert waited.mean() == pytest.approx(mean_wait(rate, 0.1, servers), abs=4 * error)
    assert fleet.busy_s == pytest.approx(questions * 0.1)


@settings(max_examples=40, deadline=None)
@given(
    stations=st.integers(1, 6),
    escalation=st.floats(0.05, 1),
    burst=st.floats(1, 20),
    together=st.integers(1, 8),
    batch=st.integers(1, 8),
    replicas=st.integers(1, 4),
    scheduled=st.booleans(),
)
def test_every_question_is_answered_once(
    stations: int,
    escalation: float,
    burst: float,
    together: int,
    batch: int,
    replicas: int,
    scheduled: bool,
) -> None:
    asked = load(stations=stations, escalation=escalation, burst=burst, together=together)
    replica = ReplicaModel(request_ms=20, frame_ms=5, before_ms=3, batch_frames=batch)
    fleet, answers = (
        Fleet(replica, replicas, Latency(law="exponential"), np.random.default_rng(1)),
        Answers(0),
    )
    Plant(asked, fleet, answers, scheduled=scheduled).run(8.0)
    expected = sum(
        sum(1 for _ in frames_until(asked, k, phase, 8.0)) for k, phase in enumerate(phases(asked).tolist())
    )
    assert answers.frames == expected
    assert len(answers.seconds) == fleet.questions <= expected
    if not scheduled:
        assert fleet.questions == expected
    assert fleet.next_start == math.inf
    assert fleet.busy_s == pytest.approx(fleet.batches * 0.02 + fleet.questions * 0.005)
    alone = batch_s(replica, 1) + 0.01 + 0.003  # the edge and decoding; the link may take nothing
    assert all(alone - 1e-9 <= s for s in answers.seconds)


def frames_until(asked: Load, station: int, phase: float, seconds: float) -> list[int]:
    numbers = []
    for number in asked_frames(asked, station):
        if phase + number / asked.fps >= seconds:
            break
        numbers.append(number)
    return numbers


@pytest.mark.parametrize("burst", [1.0, 10.0])
def test_the_stated_share_is_asked_about_in_bursts_of_the_stated_length(burst: float) -> None:
    asked = load(escalation=0.2, burst=burst, fps=1.0)
    numbers = np.array(frames_until(asked, 0, 0.0, 200_000.0))
    assert (np.diff(numbers) > 0).all()
    assert len(numbers) / 200_000 == pytest.approx(0.2, abs=0.01)
    runs = 1 + int((np.diff(numbers) > 1).sum())
    # By chance a run goes on with the share itself.
    assert len(numbers) / runs == pytest.approx(burst if burst > 1 else 1.25, rel=0.05)


def test_more_stations_keep_the_frames_of_the_first() -> None:
    few, many = load(stations=2), load(stations=5)
    for station in range(2):
        assert frames_until(few, station, 0.0, 9.0) == frames_until(many, station, 0.0, 9.0)
    assert phases(many)[:2] == pytest.approx(phases(few))


def test_free_replicas_divide_what_waits() -> None:
    """Four questions of a station: one replica computes them in one batch, four in a batch each."""
    replica = ReplicaModel(request_ms=0, frame_ms=100, before_ms=0)
    for replicas, seconds in ((1, 0.4), (2, 0.2), (4, 0.1), (9, 0.1)):
        ends: list[float] = []
        fleet = Fleet(replica, replicas, AT_ONCE, np.random.default_rng(0))

        def reply(end: float, answered: bool, ends: list[float] = ends) -> None:
            ends.append(end)

        fleet.ask(1.0, 4, reply)
        while fleet.next_start < math.inf:
            fleet.start()
        assert ends == pytest.approx([1.0 + seconds])
        assert fleet.batches == min(4, replicas)
