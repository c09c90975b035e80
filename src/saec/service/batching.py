"""Requests that wait for the model, and the one thread that takes them to it in batches.

A batch is made of requests of one kind, the oldest first. It is computed when it is full, or when its oldest
request has waited as long as it may. A request whose asker has gone is dropped before it is computed.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from saec.web.program.liveness import Heartbeat, StuckThread

G = TypeVar("G", bound=Hashable)
W = TypeVar("W")
R = TypeVar("R")

BatchTimes = Callable[[float, float, int], None]
"""Is told of a request that has just been computed: seconds that it waited, seconds that its batch took, and
requests in the batch. It runs in the thread of the model."""


def _unheard(waited: float, computed: float, size: int) -> None:
    """Nobody asks for the times."""


@dataclass
class _Job(Generic[G, W, R]):
    group: G
    work: W
    told: BatchTimes
    future: Future[R] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Batcher(Generic[G, W, R]):
    """A bounded queue and its thread.

    Args:
        compute: the results of a batch of one group, in order.
        batch: most requests in a batch.
        delay: seconds that a request waits for others at most.
        queue: most requests that wait.
        observe: told the size and the seconds of each batch.
        limit: seconds that a batch may be computed; beyond them the thread is stuck.

    Attributes:
        name: the thread's name.
        failures: batches that failed one after the other, till now.
    """

    def __init__(
        self,
        compute: Callable[[G, Sequence[W]], Sequence[R]],
        *,
        batch: int,
        delay: float,
        queue: int,
        observe: Callable[[int, float], None] = lambda size, seconds: None,
        limit: float = 600.0,
    ) -> None:
        self._compute, self._observe = compute, observe
        self._batch, self._delay, self._queue = batch, delay, queue
        self._jobs: deque[_Job[G, W, R]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._pace = 0.0
        self.failures = 0
        self.name = "model"
        self._pulse = Heartbeat(self.name, limit)
        self._thread = threading.Thread(target=self._run, name="saec-model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stuck(self) -> StuckThread | None:
        """Whether the thread has ended though nobody has closed it, or computes for too long."""
        if self.alive or self._closed:
            return self._pulse.stuck()
        return StuckThread(self.name, time.time() - self._pulse.age, "the thread of the model has ended")

    def status(self) -> dict[str, Any]:
        """Plain values for the metrics."""
        return self._pulse.status(alive=self.alive, failures=self.failures)

    @property
    def depth(self) -> int:
        """Requests that wait."""
        with self._changed:
            self._drop()
            return len(self._jobs)

    @property
    def full(self) -> bool:
        """Whether a further request would be refused."""
        return self.depth >= self._queue

    @property
    def wait(self) -> float:
        """Seconds in which the requests that wait now are likely to be computed."""
        return self.depth * self._pace

    def submit(self, group: G, work: W, told: BatchTimes = _unheard) -> Future[R] | None:
        """Let a request wait for its turn; None when there is no room.

        Cancelling the future before its turn drops the request.
        """
        job: _Job[G, W, R] = _Job(group, work, told)
        with self._changed:
            self._drop()
            if len(self._jobs) >= self._queue or self._closed:
                return None
            self._jobs.append(job)
            self._changed.notify_all()
        return job.future

    def close(self, timeout: float | None = None) -> None:
        """Compute what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _run(self) -> None:
        while (jobs := self._take()) is not None:
            begun = time.monotonic()
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if running:
                self._answer(running)
                seconds = time.monotonic() - begun
                self._pace = 0.8 * self._pace + 0.2 * seconds / len(running)
                self._observe(len(running), seconds)

    def _take(self) -> list[_Job[G, W, R]] | None:
        """The next batch, once it is full or due; None when the batcher is closed and nothing waits."""
        with self._changed:
            while True:
                self._drop()
                if not self._jobs:
                    self._pulse.rest(math.inf)
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                first = self._jobs[0]
                alike = [job for job in self._jobs if job.group == first.group][: self._batch]
                left = first.since + self._delay - time.monotonic()
                if len(alike) == self._batch or left <= 0 or self._closed:
                    break
                self._changed.wait(left)
            taken = set(map(id, alike))
            self._jobs = deque(job for job in self._jobs if id(job) not in taken)
            return alike

    def _drop(self) -> None:
        """Forget requests whose asker has gone."""
        if any(job.future.cancelled() for job in self._jobs):
            self._jobs = deque(job for job in self._jobs if not job.future.cancelled())

    def _answer(self, jobs: list[_Job[G, W, R]]) -> None:
        self._pulse.turn()
        begun = time.monotonic()
        try:
            results = self._compute(jobs[0].group, [job.work for job in jobs])
        except Exception as e:
            if len(jobs) > 1:  # one of them may be to blame: the others are answered
                for job in jobs:
                    self._answer([job])
                return
            self.failures += 1
            jobs[0].future.set_exception(e)
            return
        self.failures = 0
        computed = time.monotonic() - begun
        for job, result in zip(jobs, results, strict=True):
            job.told(begun - job.since, computed, len(jobs))
            job.future.set_result(result)
