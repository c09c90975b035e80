"""A rate limit for unknown tokens: so many a minute from one address, then it is told to wait.

Who has shown a good token from there before is let in all the same, so that one guesser behind an
address shuts nobody else out.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from saec.web.admission.rate_limits import RateLimiter

_KNOWN = 4096

log = structlog.get_logger()


class UnknownTokens:
    """The unknown tokens of each address.

    Args:
        guesses: how many unknown tokens one address may try in a minute.
        clock: monotonic seconds.
    """

    def __init__(self, guesses: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates, self._clock = RateLimiter(guesses / 60, burst=guesses), clock
        self._known: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._told: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str, token: str) -> float:
        """Seconds for which a token of this address is not looked at; 0 looks at it."""
        if (address, _short(token)) in self._known:
            return 0.0
        return self._rates.spent(address, self._clock())

    def good(self, address: str, token: str) -> None:
        """The token is somebody's."""
        key = (address, _short(token))
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def unknown(self, address: str) -> None:
        """The token is nobody's: it counts, and is told once a minute for each address; never the token."""
        now = self._clock()
        self._rates.wait(address, now)
        if now - self._told.get(address, float("-inf")) < 60:
            return
        self._told[address] = now
        self._told.move_to_end(address)
        if len(self._told) > _KNOWN:
            self._told.popitem(last=False)
        log.warning("unknown token", address=address)


def _short(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
