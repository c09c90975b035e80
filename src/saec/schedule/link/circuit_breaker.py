"""The state of the link to the cloud: a circuit breaker (Nygard, Release It!, 2007). Pure: told the time.

It knows what was asked and how that ended, nothing else::

    up / slow --(failures in a row, or a request that hangs)--> down --(cooldown)--> probing
        ^                                                         ^                   |    |
        +---------------------------- success --------------------|-------------------+    |
                                                                  +------- failure --------+

In the breaker's own words up and slow are closed, down is open and probing is half-open. While the link is
probing one frame at a time may be asked about. Each probe that fails doubles the cooldown, up to a limit; a
success sets it back. One request is under way at a time, as a run and a station ask.
"""

from __future__ import annotations

from saec.settings import LinkConfig
from saec.types import LinkState

_GAIN = 0.125  # of a new request in the typical time; that of TCP's smoothed round trip (RFC 6298)


class Link:
    """The circuit breaker of one link.

    Args:
        config: how many failures open it, and how long it then rests.
        timeout: seconds after which a request that is under way counts as hanging.
        slow_after: the link is slow while its requests typically take more seconds than this.

    Attributes:
        retry_at: when a link that is down may be probed; None while it is not down.
    """

    def __init__(self, config: LinkConfig, *, timeout: float, slow_after: float) -> None:
        self.retry_at: float | None = None
        self._config = config
        self._timeout = timeout
        self._slow_after = slow_after
        self._cooldown = config.cooldown
        self._failed = 0
        self._begun: float | None = None
        self._typical = 0.0

    def state(self, now: float) -> LinkState:
        """The state at a time."""
        if self._begun is not None and now - self._begun > self._timeout:
            return "down"
        if self.retry_at is not None:
            return "down" if now < self.retry_at else "probing"
        return "slow" if self._failed or self._typical > self._slow_after else "up"

    def begin(self, now: float) -> None:
        """A request goes out."""
        self._begun = now

    def end(self, now: float, *, answered: bool) -> None:
        """The request that was under way was answered, or failed."""
        took = now - (now if self._begun is None else self._begun)
        self._begun = None
        if answered:
            self._typical = took if self._typical == 0.0 else self._typical + _GAIN * (took - self._typical)
            self._failed, self._cooldown, self.retry_at = 0, self._config.cooldown, None
            return
        self._failed += 1
        if self.retry_at is not None:  # a probe
            self._cooldown = min(2 * self._cooldown, self._config.longest)
        if self.retry_at is not None or self._failed >= self._config.failures:
            self.retry_at = now + self._cooldown
