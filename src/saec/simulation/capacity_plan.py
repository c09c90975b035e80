"""What a plant needs: GPUs, what may fail, how long answers take, and what all of it draws.

The replicas are searched (``saec.simulation.replica_search``). The plan that is found is simulated once more
with the scheduler, which turns back what it expects to be late.
"""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from saec.simulation.plan_settings import Load, ReplicaModel
from saec.simulation.replica_search import (
    Trial,
    check_deadline,
    fewest_replicas,
    simulate_fleet,
    simulated_part,
    simulated_seconds,
    stable_replicas,
)
from saec.simulation.simulation_settings import Latency, Pace

_DAY_S = 86_400.0
_BITS = 8.0


class Watts(msgspec.Struct, frozen=True, kw_only=True):
    """What the machines draw, in watts, and the link, in joules per byte.

    Attributes:
        gpu: a GPU while it computes, and at rest.
        edge: what one working core of a station adds, and the station's CPU at rest.
        link_j_per_byte: see ``MeterConfig``.
    """

    gpu: tuple[float, float]
    edge: tuple[float, float]
    link_j_per_byte: float


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of a question and of an answer, and Gbit/s of the link between all stations and the cloud."""

    frame_bytes: float
    answer_bytes: float
    link_gbit: float


class Joules(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of each part, in joules.

    Attributes:
        edge: the stations' CPUs.
        gpu_busy, gpu_idle: the GPUs while they compute, and while they wait.
        link: the bytes on the link; assumed, not measured.
    """

    edge: float
    gpu_busy: float
    gpu_idle: float
    link: float


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """The share of late answers while so many replicas fail; None where the queue would grow without end."""

    failed: int
    late: float | None


class CapacityPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a plant needs.

    Attributes:
        load, replica: what was planned for.
        late_share: share of late answers that was allowed.
        questions_per_s: the mean number of questions of all stations per second.
        needed: the fewest replicas that keep the deadline.
        replicas: those that are planned or there; the figures below are with all of them.
        may_fail: how many of them may fail at once; None where even all of them are too few.
        failures: what happens when they fail one after the other, up to the first number that is too many;
            numbers in between are left out.
        answer_p50_s, answer_p99_s: seconds from taking a frame to the cloud's answer; None without questions.
        late: share of questions with an answer after the deadline, None where the queue grows without end.
        turned_back: share of questions that the edge answers under the scheduler, which keeps the deadline.
        busy: share of time that a GPU computes.
        batch: mean frames of a batch.
        up_mbit, down_mbit: mean Mbit/s to the cloud and back; ``up_peak_mbit`` is the 99th percentile over
            seconds.
        link_share: share of the link that the questions fill.
        per_frame, per_day: joules of a frame, whoever answered, and of a day.
        link_full_at: stations whose questions fill the link; None where nobody asks.
        simulated_s, simulated: seconds and questions of each simulation.
        problems: what does not hold, in words; empty where the plan holds.
    """

    load: Load
    replica: ReplicaModel
    late_share: float
    questions_per_s: float
    needed: int
    replicas: int
    may_fail: int | None
    failures: list[Failures]
    answer_p50_s: float | None
    answer_p99_s: float | None
    late: float | None
    turned_back: float | None
    busy: float
    batch: float
    up_mbit: float
    up_peak_mbit: float
    down_mbit: float
    link_share: float
    per_frame: Joules
    per_day: Joules
    link_full_at: int | None
    simulated_s: float
    simulated: int
    problems: list[str]


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulations said; the defaults are those of a plant that asks nothing."""

    needed: int = 0
    replicas: int = 0
    failures: list[Failures] = []
    trial: Trial | None = None
    turned_back: float | None = None
    times: float = 1.0

    @property
    def busy_s(self) -> float:
        """Seconds that all replicas compute in a second; too few of them never rest."""
        return float(self.replicas) if self.trial is None else self.times * self.trial.busy_s


def make_plan(
    load: Load,
    replica: ReplicaModel,
    latency: Latency,
    traffic: Traffic,
    watts: Watts,
    *,
    late_share: float,
    spare: int = 0,
    replicas: int | None = None,
) -> CapacityPlan:
    """Search the replicas, and count what they take.

    Args:
        load, replica, latency, traffic, watts: what is planned for.
        late_share: share of the questions that may be answered late.
        spare: replicas that are planned beyond the needed ones.
        replicas: those that are there; None plans the needed and the spare ones.

    Raises:
        ConfigError: no number of replicas keeps the deadline, or the edge cannot keep up with its frames.
    """
    Pace(frames_per_s=load.fps, edge_ms=load.edge_ms)
    if load.questions_per_s:
        check_deadline(load, replica, latency)
        found = _find(load, replica, latency, late_share, spare, replicas)
    else:
        found = _Found(replicas=replicas or 0)
    trial = found.trial
    mbit = load.questions_per_s * _BITS / 1e6
    link_share = mbit * max(traffic.frame_bytes, traffic.answer_bytes) / (1e3 * traffic.link_gbit)
    frames_per_s = load.stations * load.fps
    watt = _watt(load, traffic, watts, found)
    return CapacityPlan(
        load=load,
        replica=replica,
        late_share=late_share,
        questions_per_s=load.questions_per_s,
        needed=found.needed,
        replicas=found.replicas,
        may_fail=found.replicas - found.needed if found.replicas >= found.needed else None,
        failures=found.failures,
        answer_p50_s=_percentile(trial, 50),
        answer_p99_s=_percentile(trial, 99),
        late=trial.late(load.deadline_s) if trial else None,
        turned_back=found.turned_back,
        busy=found.busy_s / found.replicas if load.questions_per_s else 0.0,
        batch=trial.batch if trial else 0.0,
        up_mbit=mbit * traffic.frame_bytes,
        up_peak_mbit=(found.times * trial.per_s if trial else 0.0) * traffic.frame_bytes * _BITS / 1e6,
        down_mbit=mbit * traffic.answer_bytes,
        link_share=link_share,
        per_frame=_times(watt, 1 / frames_per_s),
        per_day=_times(watt, _DAY_S),
        link_full_at=int(load.stations / link_share) if link_share else None,
        simulated_s=simulated_seconds(simulated_part(load)[0]),
        simulated=len(trial.waits) if trial else 0,
        problems=_problems(load, found, link_share, traffic),
    )


def _find(
    load: Load, replica: ReplicaModel, latency: Latency, late_share: float, spare: int, there: int | None
) -> _Found:
    part, times = simulated_part(load)
    seconds, stable = simulated_seconds(part), stable_replicas(part, replica)

    @cache
    def simulated(count: int, scheduled: bool) -> Trial:
        return simulate_fleet(part, replica, latency, count, seconds=seconds, scheduled=scheduled)

    def part_of(count: int) -> int:
        return int(count / times + 1e-9)

    def late(count: int) -> float:
        """All are late where the queue would outgrow the simulated time."""
        return simulated(part_of(count), False).late(load.deadline_s) if part_of(count) >= stable else 1.0

    needed = fewest_replicas(load, replica, late, late_share)
    there = needed + spare if there is None else there
    counts = sorted({there, min(there, needed), min(there, needed - 1)}, reverse=True)
    failures = [
        Failures(failed=there - count, late=late(count) if part_of(count) >= stable else None)
        for count in counts
    ]
    if part_of(there) < stable:
        return _Found(needed=needed, replicas=there, failures=failures)
    return _Found(
        needed=needed,
        replicas=there,
        failures=failures,
        trial=simulated(part_of(there), False),
        turned_back=simulated(part_of(there), True).edge,
        times=times,
    )


def _watt(load: Load, traffic: Traffic, watts: Watts, found: _Found) -> Joules:
    """Joules of each part in a second."""
    busy = found.busy_s if load.questions_per_s else 0.0
    busy_core, rest = watts.edge
    size = traffic.frame_bytes + traffic.answer_bytes
    return Joules(
        edge=load.stations * (rest + busy_core * load.fps * load.edge_ms / 1e3),
        gpu_busy=busy * watts.gpu[0],
        gpu_idle=(found.replicas - busy) * watts.gpu[1],
        link=load.questions_per_s * size * watts.link_j_per_byte,
    )


def _times(joules: Joules, factor: float) -> Joules:
    return Joules(**{name: factor * value for name, value in msgspec.structs.asdict(joules).items()})


def _percentile(trial: Trial | None, percent: float) -> float | None:
    return float(np.percentile(trial.waits, percent)) if trial and len(trial.waits) else None


def _problems(load: Load, found: _Found, link_share: float, traffic: Traffic) -> list[str]:
    problems = []
    if found.replicas < found.needed:
        problems.append(
            f"{found.replicas} GPUs are too few: {found.needed} keep the deadline of {load.deadline_s:g} s"
        )
    if link_share > 1:
        problems.append(
            f"the link is too slow: the questions need {link_share * traffic.link_gbit:.3g} Gbit/s, and it "
            f"carries {traffic.link_gbit:g}"
        )
    return problems
