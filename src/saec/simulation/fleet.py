"""Replicas that answer the frames of many stations: a queue in the order of arrival, and batches.

A station's request goes out as one question for each of its frames, as a service gets them, and ends when
the last of them is answered. A question joins the queue after half a round trip and its decoding. Replicas
that are free divide the questions that have arrived, the oldest first, whichever stations they are from; none
takes more than its batch. That is a queue with c servers, fixed service times and bulk service. No question
is given up.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush

import msgspec
import numpy as np

from saec.simulation.events import Reply
from saec.simulation.plan_settings import ReplicaModel
from saec.simulation.simulation_settings import Latency


class _Request(msgspec.Struct, eq=False, gc=False):
    """A station's request.

    Attributes:
        left: questions that no replica has begun.
        back: seconds of the way back.
        reply: is told when it ends.
        done: when the last of the begun ones is computed.
    """

    left: int
    back: float
    reply: Reply
    done: float = 0.0


class Fleet:
    """Equal replicas behind one queue; a ``saec.simulation.events.Answering``.

    Args:
        model: one replica.
        replicas: their number, at least 1.
        latency: the round trip of the link.
        rng: draws the round trips.

    Attributes:
        busy_s: seconds that replicas have computed, all together.
        batches, questions: what they have computed.
    """

    def __init__(
        self, model: ReplicaModel, replicas: int, latency: Latency, rng: np.random.Generator
    ) -> None:
        self.busy_s = 0.0
        self.batches = self.questions = 0
        self._model = model
        self._latency = latency
        self._rng = rng
        self._free = replicas
        self._ends: list[float] = []  # of the batches that are computed
        self._queue: list[tuple[float, int, _Request]] = []
        self._waiting: deque[_Request] = deque()  # those that had arrived when the last batch began
        self._begun = 0.0
        self._asked = 0

    def ask(self, now: float, frames: int, reply: Reply) -> None:
        """A station's request goes out; times must not go back."""
        half = self._latency.draw(self._rng) / 2
        request = _Request(frames, half, reply)
        arrives = now + half + self._model.before_ms / 1e3
        for _ in range(frames):
            self._asked += 1
            heappush(self._queue, (arrives, self._asked, request))

    @property
    def next_start(self) -> float:
        """When the next batch begins, unless somebody asks before; infinite where nobody waits."""
        if not self._waiting and not self._queue:
            return math.inf
        arrived = self._begun if self._waiting else max(self._begun, self._queue[0][0])
        return arrived if self._free else max(arrived, self._ends[0])

    def start(self) -> None:
        """Begin the next batch and answer what it completes."""
        self._begun = begins = self.next_start
        while self._ends and self._ends[0] <= begins:
            heappop(self._ends)
            self._free += 1
        while self._queue and self._queue[0][0] <= begins:
            self._waiting.append(heappop(self._queue)[2])
        share = math.ceil(len(self._waiting) / self._free)
        frames = min(share, self._model.batch_frames)
        took = batch_s(self._model, frames)
        self._free -= 1
        heappush(self._ends, begins + took)
        self.busy_s += took
        self.batches += 1
        self.questions += frames
        for _ in range(frames):
            request = self._waiting.popleft()
            request.left -= 1
            # A smaller batch that begins later may be done before.
            request.done = max(request.done, begins + took)
            if not request.left:
                request.reply(request.done + request.back, True)


def batch_s(model: ReplicaModel, frames: int) -> float:
    """Seconds that a replica computes a batch of so many frames."""
    return (model.request_ms + model.frame_ms * frames) / 1e3


def questions_per_s(model: ReplicaModel) -> float:
    """Questions that a replica answers per second at most, with full batches."""
    return model.batch_frames / batch_s(model, model.batch_frames)
