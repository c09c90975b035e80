"""What the threads of a run share about the cloud: ``Dispatch`` under a lock, and the watch on deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable

from saec.frame.channels import Closable
from saec.schedule.link.dispatch import Dispatch
from saec.types import CloudState, Pending

_LONGEST_WAIT = 1.0
"""Seconds that a thread waits at most before it makes another turn, and so shows that it lives."""


def _unseen() -> None:
    """Nobody asks for the turns of a run's threads."""


class SharedDispatch(Closable):
    """Keeps what is on its way to the cloud, and answers for it when a deadline comes near.

    Args:
        dispatch: what is kept.
        stand_in: called with each frame whose deadline has come; it puts the edge's verdict. It runs
            under the lock, so that this verdict comes before the cloud's later one.
        clock: seconds that do not go back.
    """

    def __init__(
        self,
        dispatch: Dispatch[Pending],
        stand_in: Callable[[Pending], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self._dispatch = dispatch
        self._stand_in = stand_in
        self._clock = clock

    def state(self, taken: float) -> CloudState:
        """What is known of the cloud now, for a frame that was taken then."""
        with self._changed:
            return self._dispatch.state(self._clock(), taken)

    @property
    def asked(self) -> int:
        """Requests that have ended, answered or failed."""
        return self._dispatch.asked

    def send(self) -> None:
        """A frame was routed to the cloud."""
        with self._changed:
            self._dispatch.send()

    def hold(self, pending: Pending) -> None:
        """The frame goes to the waiting list; from now on its deadline is watched."""
        with self._changed:
            self._dispatch.hold(pending.seq, pending.begun, pending)
            self._changed.notify_all()

    def claim(self, pending: Pending) -> bool:
        """The frame has its answer; False where the edge has answered for it before."""
        with self._changed:
            in_time = self._dispatch.claim(pending.seq)
            self._changed.notify_all()
            return in_time

    def ready(self, turn: Callable[[], None] = _unseen) -> int:
        """Wait until the link takes a request and say how many frames it may have.

        Args:
            turn: called at least once a second while it waits.

        Returns:
            0 when the link is down and every frame of the run has a verdict, so nobody waits for it.
        """
        with self._changed:
            while True:
                turn()
                self._check()
                now = self._clock()
                if frames := self._dispatch.request(now):
                    return frames
                if self._closed and not self._dispatch.held:
                    return 0
                self._changed.wait(_until(self._dispatch.retry_at, now))

    def begin(self, frames: int) -> None:
        """A request goes out."""
        with self._changed:
            self._dispatch.begin(self._clock(), frames)

    def end(self, *, answered: bool) -> None:
        """The request was answered, or failed as a whole."""
        with self._changed:
            self._dispatch.end(self._clock(), answered=answered)

    def drop(self, frames: int) -> None:
        """Frames that were sent and will not be asked about."""
        with self._changed:
            self._dispatch.drop(frames)

    def watch_deadlines(self, turn: Callable[[], None] = _unseen) -> None:
        """Answer for frames when their deadlines come, until no more can come; a thread's body.

        Args:
            turn: called at least once a second while it waits, and after each answer.
        """
        with self._changed:
            while True:
                turn()
                self._check()
                now = self._clock()
                for pending in self._dispatch.overdue(now):
                    self._stand_in(pending)
                    turn()
                due = self._dispatch.next_due()
                if due is None:
                    self._changed.notify_all()
                    if self._closed:
                        return
                self._changed.wait(_until(due, now))

    def wait_answered(self) -> None:
        """Wait until every frame that was held has a verdict."""
        with self._changed:
            self._wait_for(lambda: not self._dispatch.held)

    def reset(self) -> None:
        """Forget what waits and what is under way; frames that are held keep their deadlines."""
        with self._changed:
            self._dispatch.reset(self._clock())
            self._changed.notify_all()


def _until(due: float | None, now: float) -> float:
    """Seconds to wait."""
    return _LONGEST_WAIT if due is None else min(_LONGEST_WAIT, max(0.0, due - now))
