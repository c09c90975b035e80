"""Threads that are watched: one that fails is noted and begun anew, one that is to stop is woken."""

from __future__ import annotations

import threading
from collections.abc import Callable

from saec.pipeline.channel import AbortedError

_PAUSE = 1.0
"""Seconds before a body that has failed is begun anew."""

Failed = Callable[[str, BaseException], None]


class Stopping:
    """Whether the station is to stop; a thread's body looks at it, or waits on it instead of sleeping."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep for so long, or until the station is to stop; whether it is."""
        return self._event.wait(seconds)

    def set(self) -> None:
        self._event.set()


class Watched:
    """A thread whose body is begun again when it raises.

    Args:
        name: of the thread.
        body: is given the ``Stopping``; it returns when that is set.
        stopping: shared by all threads of a station.
        failed: told the name and the exception, each time.

    Attributes:
        failures: how often the body has raised.
    """

    def __init__(
        self, name: str, body: Callable[[Stopping], None], stopping: Stopping, failed: Failed
    ) -> None:
        self.name, self.failures = name, 0
        self._body, self._stopping, self._failed = body, stopping, failed
        self._thread = threading.Thread(target=self._run, name=f"saec-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._body(self._stopping)
                return
            except AbortedError:
                return
            except Exception as e:
                self.failures += 1
                self._failed(self.name, e)
                self._stopping.wait(_PAUSE)
