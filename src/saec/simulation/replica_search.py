"""How many replicas keep a deadline: searched with the event simulation of ``saec.simulation.plant``.

A sample is simulated: about ``QUESTIONS`` questions, at least ``SHORTEST`` seconds, and at most ``STATIONS``
stations. A tenth of the time is left out, while the queue fills. Of a larger plant so many stations are
simulated with their part of the replicas. They wait a little longer than the whole, because fewer replicas
share a queue. The search has no deadline inside, so that
each question waits for its answer and a longer deadline never needs more replicas.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.errors import ConfigError
from saec.settings import LinkConfig
from saec.simulation.fleet import Fleet, batch_s, questions_per_s
from saec.simulation.plan_settings import Load, ReplicaModel
from saec.simulation.plant import Answers, Plant
from saec.simulation.simulation_settings import Latency

QUESTIONS = 100_000
"""Questions that are simulated for one number of replicas."""

SHORTEST = 10.0
"""Seconds that are simulated at least, and ten deadlines."""

STATIONS = 10_000
"""Stations that are simulated at most."""

FULLEST = 0.95
"""Share of what full batches allow that a plan may use: nearer to 1 the queue outgrows the simulated time."""

_WARM = 0.1  # share of the simulated time that is left out


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One number of replicas under the load.

    Attributes:
        waits: seconds from taking each frame to its answer, in order of the answers.
        edge: share of the questions that the edge answered in the cloud's place.
        busy_s: seconds that a replica computes in a second of the simulated time, all replicas together.
        batch: mean frames of a batch.
        per_s: questions per second, the 99th percentile over seconds.
    """

    waits: NDArray[np.float64]
    edge: float
    busy_s: float
    batch: float
    per_s: float

    def late(self, deadline_s: float) -> float:
        """Share of the answers that the edge would have had to give, ``LinkConfig.margin`` before."""
        return (
            float((self.waits > deadline_s - LinkConfig().margin + 1e-9).mean()) if len(self.waits) else 0.0
        )


def simulated_seconds(load: Load) -> float:
    """The time that is simulated: it is the same for every number of replicas."""
    shortest = max(SHORTEST, 10 * load.deadline_s)
    return max(shortest, QUESTIONS / load.questions_per_s) if load.questions_per_s else shortest


def simulated_part(load: Load) -> tuple[Load, float]:
    """The stations that are simulated, and how many times as many there are."""
    stations = min(load.stations, STATIONS)
    return msgspec.structs.replace(load, stations=stations), load.stations / stations


def simulate_fleet(
    load: Load,
    replica: ReplicaModel,
    latency: Latency,
    replicas: int,
    *,
    seconds: float,
    scheduled: bool = False,
) -> Trial:
    """Let so many seconds pass with so many replicas; see ``Plant`` for ``scheduled``."""
    fleet = Fleet(replica, replicas, latency, np.random.default_rng(load.seed))
    answers = Answers(_WARM * seconds)
    Plant(load, fleet, answers, scheduled=scheduled).run(seconds)
    return Trial(
        waits=np.frombuffer(answers.seconds, dtype=np.float64),
        edge=answers.edge / answers.frames if answers.frames else 0.0,
        busy_s=fleet.busy_s / seconds,
        batch=fleet.questions / fleet.batches if fleet.batches else 0.0,
        per_s=answers.busiest(seconds),
    )


def fewest_replicas(
    load: Load, replica: ReplicaModel, late: Callable[[int], float], late_share: float
) -> int:
    """The fewest replicas with at most that share of late answers, by doubling steps and bisection.

    Args:
        load: what is asked.
        replica: one replica.
        late: the share of late answers of so many replicas.
        late_share: the share that is allowed.

    Raises:
        ConfigError: no number of replicas is enough.
    """
    low = stable_replicas(load, replica) - 1
    most = max(low + 1, load.stations * load.together)  # one for each question that can be under way
    step = 1
    high = low + 1
    while late(high) > late_share:
        if high == most:
            raise ConfigError(
                f"no number of replicas answers {1 - late_share:.1%} of the questions within "
                f"{load.deadline_s:g} s: with one for each question {late(high):.2%} are late",
                "give a longer deadline, or let each station ask about fewer frames",
            )
        low, step = high, 2 * step
        high = min(most, high + step)
    while high - low > 1:
        middle = (low + high) // 2
        if late(middle) > late_share:
            low = middle
        else:
            high = middle
    return high


def stable_replicas(load: Load, replica: ReplicaModel) -> int:
    """The fewest replicas whose full batches can take the questions, ``FULLEST`` of them."""
    return max(1, math.ceil(load.questions_per_s / (FULLEST * questions_per_s(replica)) - 1e-9))


def check_deadline(load: Load, replica: ReplicaModel, latency: Latency) -> None:
    """Refuse a deadline that one frame alone, at an idle replica, would not meet.

    Raises:
        ConfigError: it names the seconds that a frame takes.
    """
    margin = LinkConfig().margin
    parts = {
        "the edge": load.edge_ms / 1e3,
        "the link": latency.ms / 1e3,
        "decoding and waiting for a batch": replica.before_ms / 1e3,
        "the GPU": batch_s(replica, 1),
        "the margin of the edge's answer": margin,
    }
    alone = sum(parts.values())
    if alone > load.deadline_s:
        told = ", ".join(f"{what} {1e3 * s:g} ms" for what, s in parts.items() if s)
        raise ConfigError(
            f"a deadline of {load.deadline_s:g} s cannot be met by any number of GPUs: one frame alone takes "
            f"{alone:.3g} s ({told})",
            f"give --deadline-s above {alone:.3g}",
        )
