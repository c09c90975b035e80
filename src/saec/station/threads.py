"""Threads that are watched: each shows its progress; one that fails is noted and begun anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from saec.frame.channels import AbortedError
from saec.web.program.liveness import Heartbeat, StuckThread

FIRST, GROWTH, LONGEST = 0.5, 1.5, 10.0
"""Seconds before a body that has failed is begun anew, by how much they grow with each failure, and to what.
A body waits so for about half as long at most as its trouble has lasted: a disk that was full for two seconds
holds a line up for three."""

_SOUND = 10.0
"""Seconds without a failure after which a body is well again."""

Failed = Callable[[str, BaseException], None]


class Stopping:
    """Whether the station is to stop; a thread's body looks at it, or waits on it instead of sleeping.

    Each look is a turn of the body's loop, which shows that the thread makes progress. Work that is long and
    sound calls ``turn`` in between.

    Args:
        event: set when the station is to stop; by default one of its own.
        pulse: the pulse of the body that looks.
    """

    def __init__(self, event: threading.Event | None = None, pulse: Heartbeat | None = None) -> None:
        self._event, self._pulse = event or threading.Event(), pulse

    def seen_by(self, pulse: Heartbeat) -> Stopping:
        """The same for one thread's body, whose looks are its turns."""
        return Stopping(self._event, pulse)

    def turn(self) -> None:
        """Progress was made."""
        if self._pulse is not None:
            self._pulse.turn()

    def is_set(self) -> bool:
        self.turn()
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for so long, or until the station is to stop; whether it is."""
        if self._pulse is not None:
            self._pulse.rest(max(0.0, seconds))
        self._event.wait(seconds)
        return self.is_set()

    def set(self) -> None:
        self._event.set()


class Watched:
    """A thread whose body is begun again when it raises, later each time.

    Args:
        name: the thread's name.
        body: is given a ``Stopping``; it returns when that is set.
        stopping: shared by all threads of a station.
        failed: told the name and the exception, each time.
        limit: seconds that a turn of the body may take; beyond them the thread is stuck.
        may_end: the body may return by itself, as a video that has been played.

    Attributes:
        failures: how often the body has raised.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[Stopping], None],
        stopping: Stopping,
        failed: Failed,
        *,
        limit: float = 60.0,
        may_end: bool = False,
    ) -> None:
        self.name, self.failures = name, 0
        self._body, self._failed, self._may_end = body, failed, may_end
        self._pulse = Heartbeat(name, limit)
        self._stopping = stopping.seen_by(self._pulse)
        self._error: BaseException | None = None
        self._failed_at, self._pause, self._started = -_SOUND, FIRST, False
        self._thread = threading.Thread(target=self._run, name=f"saec-{name}", daemon=True)

    def start(self) -> None:
        self._pulse.turn()
        self._started = True
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stuck(self) -> StuckThread | None:
        """Whether it has ended though it should not have, or makes no turn."""
        if not self._started:
            return None
        if self.alive:
            return self._pulse.stuck()
        if self._may_end and self._error is None:
            return None
        why = "" if self._error is None else f": {self._error!r}"
        return StuckThread(self.name, time.time() - self._pulse.age, f"thread {self.name} has ended{why}")

    def problem(self) -> str | None:
        """What keeps it from its work, one sentence; None when all is well."""
        if (stuck := self.stuck()) is not None:
            return stuck.what
        if self._error is None or time.monotonic() - self._failed_at > self._pause + _SOUND:
            return None
        return f"thread {self.name} fails: {self._error!r}"

    def status(self) -> dict[str, Any]:
        """Plain values for page and metrics."""
        plain = self._pulse.status(alive=self.alive, failures=self.failures)
        return {**plain, "stuck": self.stuck() is not None, "failing": self.problem() is not None}

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._body(self._stopping)
                return
            except AbortedError:
                return
            except Exception as e:
                self._note(e, begun)
            except BaseException as e:  # not to be begun again; the process is
                self._error = e
                self._failed(self.name, e)
                return
            self._stopping.wait(self._pause)

    def _note(self, error: Exception, begun: float) -> None:
        now = time.monotonic()
        well = now - begun > _SOUND
        self._pause = FIRST if well or not self.failures else min(GROWTH * self._pause, LONGEST)
        self.failures, self._error, self._failed_at = self.failures + 1, error, now
        self._failed(self.name, error)
