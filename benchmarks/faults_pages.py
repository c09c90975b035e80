"""Status pages that are open while a station is attacked: they ask for the latest frames, again and again."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType

import httpx

_EVERY = 0.25
"""Seconds between two looks of one page."""


class Pages:
    """Open pages; use as a context manager. What a station that is down answers is nobody's concern here.

    Args:
        url: of the station.
        count: how many.
    """

    def __init__(self, url: str, count: int) -> None:
        self._url, self._closed = url, threading.Event()
        self._threads = [threading.Thread(target=self._look, daemon=True) for _ in range(count)]

    def __enter__(self) -> Pages:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        for thread in self._threads:
            thread.join(10)

    def _look(self) -> None:
        with httpx.Client(base_url=self._url, timeout=2) as client:
            while not self._closed.wait(_EVERY):
                with contextlib.suppress(httpx.HTTPError):
                    client.get("/v1/frames?limit=12")
