"""What a program's main thread does: heed signals from the first moment on, and look after the others."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Generic, TypeVar

import structlog

from saec.web.program.http_server import HttpThread
from saec.web.program.liveness import StuckThread
from saec.web.program.systemd import Systemd

T = TypeVar("T")

_LOOK = 0.05
_WATCH = 1.0
"""Seconds between two looks of the main thread at the others."""

_ONE = 1.0
"""Seconds within which several signals are one."""

_FAREWELL = 5.0
"""Seconds that a start is given to end by itself when the program is told to stop meanwhile."""

log = structlog.get_logger()


class Signals:
    """SIGTERM and SIGINT within its context, which the main thread enters; a second one ends the process.

    What comes within a second of the first is the first once more: a supervisor may tell a program and its
    group. SIGHUP ends nothing: what may change while a program runs is looked at every second in any case.
    The handlers take no lock, since one may interrupt another.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._before: dict[int, Any] = {}
        self._heard, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def __enter__(self) -> Signals:
        self._before = self._heeded()
        return self

    def again(self) -> None:
        """Heed the signals as before, where a library has put its own handlers below Python's meanwhile."""
        self._heeded()

    def _heeded(self) -> dict[int, Any]:
        before: dict[int, Any] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, self._heed)
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: None)
        return before

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._wake)
        os.close(self._heard)

    @property
    def asked(self) -> bool:
        """Whether the program is to stop."""
        return self._first is not None

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until the program is to stop; whether it is.

        Another thread may be the one that the system interrupts, and the interpreter heeds a signal when this
        one wakes: wait for a second or so, again and again.
        """
        if not self.asked:
            select.select([self._heard], [], [], seconds)
        return self.asked

    def _heed(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            os.write(self._wake, b"\0")
        elif now - self._first > _ONE:
            os._exit(128 + number)


class _Work(threading.Thread, Generic[T]):
    """Runs a function once, and keeps what became of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="saec-start", daemon=True)
        self._work = work
        self.result: T | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as e:
            self.error = e


def start_in_thread(signals: Signals, work: Callable[[], T]) -> T | None:
    """What the work gives; None when the program was told to stop and the work does not end.

    The work (opening lines, loading a model) runs in a thread of its own, since it may compute in C for
    minutes, or hang on a disk, and the main thread must heed signals meanwhile. It takes them back where the
    work starts a library that handles them itself.

    Raises:
        Exception: what the work has raised.
    """
    thread = _Work(work)
    thread.start()
    while thread.is_alive() and not signals.wait(_LOOK):
        signals.again()  # Ray, which the work may start, would write a dump at SIGTERM
    signals.again()
    thread.join(_FAREWELL if signals.asked else None)
    if thread.error is not None:
        raise thread.error
    return thread.result


def keep_watch(
    signals: Signals, http: HttpThread, stuck: Callable[[], Sequence[StuckThread]], systemd: Systemd
) -> None:
    """What the main thread does until the program is told to stop: look after all the others.

    While every thread makes progress systemd hears it; where one does not, it hears which, and ends the
    process when its ``WatchdogSec`` are over.

    Raises:
        EndedError: HTTP has ended.
    """
    systemd.ready()
    known: list[str] = []
    while not signals.wait(min(_WATCH, systemd.interval or _WATCH)):
        http.check()
        found = stuck()
        if not found:
            systemd.alive()
        if known != (names := [one.thread for one in found]):
            text = "; ".join(one.what for one in found)
            (log.error if found else log.info)("stuck" if found else "all threads run again", what=text)
            systemd.status(text or "every thread makes progress")
            known = names
    systemd.stopping()
