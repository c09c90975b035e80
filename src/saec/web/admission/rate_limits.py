"""Rate limits by name: a token bucket for each."""

from __future__ import annotations

import threading
from collections import OrderedDict

_NAMES = 4096
"""Buckets that are kept; the one used longest ago is forgotten, and would mostly be full by then."""


class RateLimiter:
    """So many a second for each name, with bursts.

    Args:
        rate: permits a second; None sets no limit.
        burst: permits at once; by default as many as one second allows.
    """

    def __init__(self, rate: float | None, burst: float | None = None) -> None:
        self._rate = rate
        self._most = max(1.0, rate or 0.0) if burst is None else burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, name: str, now: float) -> float:
        """Seconds until this name may; 0 says that it may now, and counts it.

        Args:
            name: who asks.
            now: seconds by a clock that never goes back.
        """
        if self._rate is None:
            return 0.0
        with self._lock:
            left = self._filled(name, now)
            wait = 0.0 if left >= 1 else (1 - left) / self._rate
            self._left[name] = (left if wait else left - 1, now)
            self._left.move_to_end(name)
            if len(self._left) > _NAMES:
                self._left.popitem(last=False)
            return wait

    def spent(self, name: str, now: float) -> float:
        """Seconds until this name may; 0 where it may now. Counts nothing."""
        if self._rate is None:
            return 0.0
        with self._lock:
            left = self._filled(name, now)
            return 0.0 if left >= 1 else (1 - left) / self._rate

    def _filled(self, name: str, now: float) -> float:
        left, then = self._left.get(name, (self._most, now))
        return min(self._most, left + (now - then) * (self._rate or 0.0))
