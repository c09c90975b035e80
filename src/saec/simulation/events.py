"""A discrete-event simulation of a line and its cloud: the scheduler is the true one, the rest are models.

Frames are taken at an even rate; the edge's opinion is there a fixed time later. Then everything goes as in
a live run (``saec.runs.inspection``), with the same policy objects and the same ``Dispatch``: breaker,
estimate and deadlines. Only what answers is a model: one cloud that takes one request at a time, each after
a round trip and a service time, and that does not answer during an outage. Many lines may share one cloud
(``saec.simulation.plant``). No thread, no sleep; time is what the events say. Memory grows with the frames
that wait, not with those that have passed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Protocol

import msgspec
import numpy as np

from saec.frame.assessment import Assessment, route_frame
from saec.schedule.link.dispatch import Dispatch
from saec.schedule.policies.policy_contract import Scheduler
from saec.simulation.opinion_source import SimulatedFrame
from saec.simulation.simulation_settings import CloudModel, Pace
from saec.types import CloudState, Route


class Passing(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A frame on its way: when it was taken, its opinions, its route and what that was made with."""

    seq: int
    taken: float
    sample: SimulatedFrame
    route: Route
    state: CloudState


class Judge(Protocol):
    """Turns what happens to frames into verdicts; times are in seconds from the first frame."""

    def by_edge(self, frame: Passing, now: float) -> None:
        """The frame was routed to the edge."""
        ...

    def stand_in(self, frame: Passing, now: float) -> None:
        """The frame was sent, and its deadline comes before the cloud's answer."""
        ...

    def by_cloud(self, frame: Passing, now: float, *, answered: bool, late: bool) -> None:
        """The frame's request has ended; ``late`` when ``stand_in`` was called for it before."""
        ...


Reply = Callable[[float, bool], None]
"""Takes when a request ends, in seconds from the first frame, and whether it is answered."""


class Answering(Protocol):
    """What answers requests."""

    def ask(self, now: float, frames: int, reply: Reply) -> None:
        """A request of so many frames goes out; ``reply`` is called once, at the latest when it ends."""
        ...


class LoneCloud:
    """A cloud that answers one line alone: how long a request takes is known when it goes out.

    Args:
        model: how the cloud answers.
        rng: draws the latencies.
    """

    def __init__(self, model: CloudModel, rng: np.random.Generator) -> None:
        self._model = model
        self._rng = rng

    def ask(self, now: float, frames: int, reply: Reply) -> None:
        reply(*self._model.answer(now, frames, self._rng))


class Simulation:
    """One run over a stream of opinions.

    Args:
        policy: decides; a new object for each run.
        dispatch: the scheduler's account of the cloud; a new object for each run.
        judge: is told what happens.
        pace: how frames come.
        cloud: answers.

    Attributes:
        now: seconds from the first frame.
        peak: the most frames that waited at once.
        requests, lost: requests to the cloud, and those of them that failed.
    """

    def __init__(
        self,
        policy: Scheduler,
        dispatch: Dispatch[Passing],
        judge: Judge,
        pace: Pace,
        cloud: Answering,
    ) -> None:
        self.now = 0.0
        self.peak = self.requests = self.lost = 0
        self._policy = policy
        self._dispatch = dispatch
        self._judge = judge
        self._step, self._edge = 1.0 / pace.frames_per_s, pace.edge_ms / 1e3
        self._cloud = cloud
        self._waiting: deque[Passing] = deque()
        self._batch: list[Passing] = []
        self._answered = False
        self._over = False
        self._events: list[tuple[float, str]] = []
        self._watched = math.inf  # when the next look at deadlines is due
        self._woken = math.inf  # when the link is tried again

    def run(self, samples: Iterable[SimulatedFrame]) -> int:
        """Let all frames pass, and after them the answers that are still awaited; returns their number."""
        frames = 0
        for sample in samples:
            taken = frames * self._step
            frames += 1
            self.take(frames, sample, taken)
        self.close()
        self.advance(math.inf)
        return frames

    @property
    def next_event(self) -> float:
        """When something happens next without a new frame, in seconds; infinite where nothing does."""
        return self._events[0][0] if self._events else math.inf

    def close(self) -> None:
        """No frame follows."""
        self._over = True
        self._serve()

    def take(self, seq: int, sample: SimulatedFrame, taken: float) -> None:
        """Take a frame and route it when the edge has its opinion; frames come in order."""
        self.advance(taken + self._edge)
        state = self._dispatch.state(self.now, taken)
        route = route_frame(Assessment(sample.edge, sample.complexity), self._policy, state, taken)
        frame = Passing(seq, taken, sample, route, state)
        if route.decision == "edge":
            self._judge.by_edge(frame, self.now)
            return
        self._dispatch.send()
        self._dispatch.hold(seq, taken, frame)
        self._waiting.append(frame)
        self.peak = max(self.peak, len(self._waiting))
        self._watch()
        self._serve()

    def advance(self, until: float) -> None:
        """Let everything happen that happens until then."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, kind = heappop(events)
            if kind == "end":
                self._end()
            elif kind == "due":
                self._watched = math.inf
                for frame in self._dispatch.overdue(self.now):
                    self._judge.stand_in(frame, self.now)
                self._watch()
            else:
                self._woken = math.inf
            self._serve()
        if until < math.inf:
            self.now = until

    def _watch(self) -> None:
        due = self._dispatch.next_due()
        if due is not None and due < self._watched:
            self._watched = max(due, self.now)
            heappush(self._events, (self._watched, "due"))

    def _serve(self) -> None:
        """Send the next request where the cloud is free and the link takes one."""
        if self._batch or not self._waiting:
            return
        frames = min(self._dispatch.request(self.now), len(self._waiting))
        if frames:
            self._batch = [self._waiting.popleft() for _ in range(frames)]
            self._dispatch.begin(self.now, frames)
            self._cloud.ask(self.now, frames, self._replied)
        elif self._over and not self._dispatch.held:
            # Nobody waits for the link any more: the provisional verdicts stand, as in a live run.
            self._dispatch.drop(len(self._waiting))
            self._waiting.clear()
        elif self._woken == math.inf and self._dispatch.retry_at is not None:
            self._woken = self._dispatch.retry_at
            heappush(self._events, (self._woken, "wake"))

    def _replied(self, ends: float, answered: bool) -> None:
        self._answered = answered
        heappush(self._events, (ends, "end"))

    def _end(self) -> None:
        batch, self._batch = self._batch, []
        self._dispatch.end(self.now, answered=self._answered)
        self.requests += 1
        self.lost += not self._answered
        for frame in batch:
            late = not self._dispatch.claim(frame.seq)
            self._judge.by_cloud(frame, self.now, answered=self._answered, late=late)
