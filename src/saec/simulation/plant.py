"""Many stations that share a fleet: each is a ``Simulation`` of its own, and time passes for all together.

Only the frames that a station asks about are simulated, as the others meet nobody. Stations take frames
evenly, each with a random phase. Each station draws from a random stream of its own, so that the first n
stations of a larger plant are those of a plant with n.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from saec.frame.verdicts import stands_in
from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies.one_side import CloudOnly
from saec.simulation.events import Passing, Reply, Simulation
from saec.simulation.fleet import Fleet
from saec.simulation.opinion_source import sample
from saec.simulation.plan_settings import Load
from saec.simulation.simulation_settings import Pace
from saec.types import GOOD, EdgeRecord

Array = NDArray[np.float64]

_BLOCK = 256
_FRAME = sample(EdgeRecord(0.0, GOOD), None, 0.5, None)
_WAKE, _TAKE = 0, 1


def asked_frames(load: Load, station: int) -> Iterator[int]:
    """The numbers of the frames that one station asks about, from 0, without end.

    By chance each frame is asked about with the stated share. With bursts a station is in one of two states
    (Gilbert 1960): bursts have geometric lengths with the stated mean, and so do the pauses between them.
    Nothing is drawn where no frame is asked about.
    """
    rng = np.random.default_rng((load.seed, 1 + station))
    share, frame = load.escalation, -1
    if share == 0:
        return
    # The chance that a pause ends with the next frame, so that the bursts hold the stated share.
    begins = 1.0 if share == 1 else min(1.0, share / (load.burst * (1 - share)))
    while True:
        if load.burst == 1 or share == 1:
            for gap in rng.geometric(share, _BLOCK).tolist():
                frame += gap
                yield frame
            continue
        pauses, lengths = rng.geometric(begins, _BLOCK), rng.geometric(1 / load.burst, _BLOCK)
        for pause, length in zip(pauses.tolist(), lengths.tolist(), strict=True):
            yield from range(frame + pause, frame + pause + length)
            frame += pause + length - 1


def phases(load: Load) -> Array:
    """When each station takes its first frame, in seconds; uniform over the time between two frames."""
    drawn: Array = np.random.default_rng((load.seed, 0)).random(load.stations) / load.fps
    return drawn


class Answers:
    """How long frames waited for the cloud; a ``saec.simulation.events.Judge``.

    Args:
        since: frames that were taken before are left out, because the queue was not yet full.

    Attributes:
        seconds: how long each frame waited for the cloud's answer, also where that came after the deadline.
        frames: frames that were taken from then on.
        edge: those of them that the edge answered because of a deadline.
    """

    def __init__(self, since: float) -> None:
        self.seconds = array("d")
        self.frames = self.edge = 0
        self._since = since
        self._per_second: Counter[int] = Counter()

    def busiest(self, seconds: float) -> float:
        """Questions per second, the 99th percentile over the whole seconds up to then."""
        first = math.ceil(self._since)
        counts = [self._per_second[second] for second in range(first, int(seconds))]
        return float(np.percentile(counts, 99)) if counts else 0.0

    def by_edge(self, frame: Passing, now: float) -> None:
        if frame.taken >= self._since:
            self.frames += 1
            self.edge += stands_in(frame.route, frame.state)

    def stand_in(self, frame: Passing, now: float) -> None:
        if frame.taken >= self._since:
            self.frames += 1
            self.edge += 1

    def by_cloud(self, frame: Passing, now: float, *, answered: bool, late: bool) -> None:
        if frame.taken >= self._since:
            self.frames += not late
            self.seconds.append(now - frame.taken)
            self._per_second[int(frame.taken)] += 1


class _Line:
    """A station's way to the fleet: it reminds the plant of the answer's time."""

    def __init__(self, plant: Plant, station: int) -> None:
        self._plant = plant
        self._station = station

    def ask(self, now: float, frames: int, reply: Reply) -> None:
        def replied(ends: float, answered: bool) -> None:
            reply(ends, answered)
            self._plant.remind(ends, self._station)

        self._plant.fleet.ask(now, frames, replied)


class Plant:
    """Stations and the fleet that they ask.

    Args:
        load: what they ask.
        fleet: a new one.
        judge: is told what happens to each frame.
        scheduled: whether stations know the deadline, so that the scheduler turns back what would be late.
            Otherwise each frame waits for its answer.
    """

    def __init__(self, load: Load, fleet: Fleet, judge: Answers, *, scheduled: bool) -> None:
        self.fleet = fleet
        self._load = load
        self._agenda: list[tuple[float, int, int]] = []
        self._reminded = [math.inf] * load.stations
        self._edge = load.edge_ms / 1e3
        self._phases = phases(load).tolist()
        self._frames = [asked_frames(load, k) for k in range(load.stations)]
        self._taken = [0] * load.stations
        pace = Pace(frames_per_s=load.fps, edge_ms=load.edge_ms)
        deadline = load.deadline_s if scheduled else None
        self._stations = [
            Simulation(
                CloudOnly(), Dispatch(batch=load.together, deadline=deadline), judge, pace, _Line(self, k)
            )
            for k in range(load.stations)
        ]

    def run(self, seconds: float) -> None:
        """Let the frames of so many seconds pass, and after them their answers."""
        agenda, fleet, stations = self._agenda, self.fleet, self._stations
        due = [self._next_frame(k, seconds) for k in range(self._load.stations)]
        while True:
            now = agenda[0][0] if agenda else math.inf
            if fleet.next_start <= now:
                if now == math.inf and fleet.next_start == math.inf:
                    return
                fleet.start()
                continue
            _, kind, k = heappop(agenda)
            if kind == _TAKE:
                self._taken[k] += 1
                stations[k].take(self._taken[k], _FRAME, due[k])
                due[k] = self._next_frame(k, seconds)
            else:
                self._reminded[k] = math.inf
                stations[k].advance(now)
            self.remind(stations[k].next_event, k)

    def remind(self, when: float, station: int) -> None:
        """Something will happen at a station then."""
        if when < self._reminded[station]:
            self._reminded[station] = when
            heappush(self._agenda, (when, _WAKE, station))

    def _next_frame(self, station: int, until: float) -> float:
        """When a station takes its next frame; it is on the agenda for when the edge has its opinion."""
        number = next(self._frames[station], None)
        if number is None:
            return math.inf
        taken: float = self._phases[station] + number / self._load.fps
        if taken < until:
            heappush(self._agenda, (taken + self._edge, _TAKE, station))
        else:
            self._stations[station].close()
        return taken
