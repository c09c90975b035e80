"""How often each station may ask: a bucket of tokens for each name."""

from __future__ import annotations

import threading


class Rates:
    """Requests a second for each name, with bursts of as many as one second allows.

    Args:
        rate: requests a second; None sets no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._most = max(1.0, rate or 0.0)
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, name: str, now: float) -> float:
        """Seconds until this name may ask; 0 says that it may now, and counts it.

        Args:
            name: whose request it is; there are as many as the tokens file has.
            now: seconds by a clock that never goes back.
        """
        if self._rate is None:
            return 0.0
        with self._lock:
            left, then = self._left.get(name, (self._most, now))
            left = min(self._most, left + (now - then) * self._rate)
            wait = 0.0 if left >= 1 else (1 - left) / self._rate
            self._left[name] = (left if wait else left - 1, now)
            return wait
