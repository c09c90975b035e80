"""The page's process: started, told how the station does, looked after, begun again when it ends.

People's requests, passwords, searches and plots cost a process of their own, which may be killed or flooded
while the line goes on. It listens on a Unix socket in the data folder. The socket belongs to the station, so
it outlives the page.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import structlog

from saec.silence import own_environment
from saec.station.setup.handed_settings import handed_json
from saec.station.setup.station_settings import StationSettings
from saec.station.threads import FIRST, GROWTH, LONGEST, Stopping, Watched

PAGE = [sys.executable, "-P", "-m", "saec.station.page.page_program"]
"""The page's program, to which the handle of its socket is added. It imports nothing from where it begins."""

_TURN = 1.0
"""Seconds between two words to the page of how the station does."""

_ASK = 5.0
"""Seconds between two questions whether the page answers, and seconds that it has for each."""

_MISSES = 3
"""Questions without an answer after which the page is ended and begun again."""

_YOUNG = 30.0
"""Seconds that a page has to begin before it is asked."""

_SPELL, _ENDS = 300.0, 3
"""So many ends within so many seconds raise an alarm."""

_FAREWELL = 3.0
_BACKLOG = 64

log = structlog.get_logger()


class PageProcess:
    """One page for as long as the station runs.

    Args:
        settings: the station's.
        snapshot: how the station does, plain values; asked once a second and never waits.
        tell: raises an alarm: kind, text.
        command: the program that is the page.
    """

    def __init__(
        self,
        settings: StationSettings,
        snapshot: Callable[[], dict[str, Any]],
        tell: Callable[[str, str], None],
        *,
        command: Sequence[str] = PAGE,
    ) -> None:
        self._settings, self._snapshot, self._tell, self._command = settings, snapshot, tell, command
        self._socket = _PageSocket(settings.station.data / "page")
        self._child: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._began = self._asked = 0.0
        self._misses, self._pause, self._due = 0, FIRST, 0.0
        self._ends: deque[float] = deque(maxlen=_ENDS)
        self._stopping = Stopping()
        self._thread = Watched("page", self._run, self._stopping, self._failed)

    @property
    def address(self) -> str:
        """Path of its socket, short enough for the system wherever the data folder lies."""
        return self._socket.address

    @property
    def alive(self) -> bool:
        """Whether there is a process to ask."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """The process; None while there is none."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the page; people's requests that are under way end with it. A second time changes nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join(_FAREWELL)
        self._end()
        self._socket.close()

    def _run(self, stopping: Stopping) -> None:
        while not stopping.is_set():
            self._look(time.monotonic())
            stopping.wait(_TURN)

    def _look(self, now: float) -> None:
        if not self.alive:
            if self._child is not None:
                self._note_end(self._child, now)
            if now >= self._due:
                self._begin(now)
            return
        self._feed()
        if now - self._began > _YOUNG and now - self._asked > _ASK:
            self._asked = now
            self._misses = 0 if self._answers() else self._misses + 1
            if self._misses >= _MISSES:
                log.warning("page does not answer, begun again")
                self._end()

    def _begin(self, now: float) -> None:
        """Start the process; what it is and runs with is the first line that it reads."""
        handle = self._socket.listening.fileno()
        child = subprocess.Popen(
            [*self._command, str(handle)],
            stdin=subprocess.PIPE,
            pass_fds=[handle],
            env=own_environment(),
            start_new_session=True,  # what a terminal sends to the station is not for it
        )
        assert child.stdin is not None
        os.set_blocking(child.stdin.fileno(), False)
        self._child, self._began, self._misses = child, now, 0
        self._rest = handed_json(self._settings) + b"\n"
        self._feed()

    def _note_end(self, child: subprocess.Popen[bytes], now: float) -> None:
        """A page that has lived is begun at once; one that ends again and again later each time."""
        self._child = None
        with contextlib.suppress(OSError):
            assert child.stdin is not None
            child.stdin.close()
        lived = now - self._began > _YOUNG
        self._pause = FIRST if lived else min(GROWTH * self._pause, LONGEST)
        self._due = now + (0.0 if lived else self._pause)
        log.warning("page ended", status=child.returncode, again_in_s=round(self._due - now, 1))
        self._ends.append(now)
        if len(self._ends) == _ENDS and now - self._ends[0] < _SPELL:
            self._ends.clear()
            self._tell("page", f"the page's process ended {_ENDS} times; the log says why")

    def _feed(self) -> None:
        """Write what the pipe takes; a new line is only begun when the one before is through."""
        if not self._rest:
            self._rest = handed_json(self._snapshot()) + b"\n"
        child = self._child
        assert child is not None
        assert child.stdin is not None
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self._rest = self._rest[os.write(child.stdin.fileno(), self._rest) :]

    def _answers(self) -> bool:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(uds=self.address), timeout=_ASK) as client:
                return client.get("http://page/page/alive").status_code == 200
        except httpx.HTTPError:
            return False

    def _end(self) -> None:
        child = self._child
        if child is None:
            return
        with contextlib.suppress(OSError):
            assert child.stdin is not None
            child.stdin.close()  # by which it knows
        try:
            child.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _failed(self, name: str, error: BaseException) -> None:
        log.error("page not looked after", error=repr(error), exc_info=error)


class _PageSocket:
    """The socket on which the page listens, a file of its own folder that only this account may enter.

    The address of a Unix socket has about a hundred characters at most, and a data folder may lie deeper; so
    the file is named through an open handle of its folder where the system has one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        through = Path("/proc/self/fd")
        place = through / str(self._folder) if through.is_dir() else folder
        self.address = str(place / "page.sock")
        (folder / "page.sock").unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.bind(self.address)
        self.listening.listen(_BACKLOG)

    def close(self) -> None:
        self.listening.close()
        os.close(self._folder)
