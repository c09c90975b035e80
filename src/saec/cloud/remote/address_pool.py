"""Which of a service's addresses is asked next. Pure: told the time and what became of each request.

An address is up, or rests after a failure until a probe finds it well again, or has other weights than the
trusted ones; then it is asked nothing until a probe finds those there. An address that said Retry-After is
left alone for so long. The order of the addresses is the order of preference::

    up --(a request fails, or is given up for a hedge's answer too often)--> resting
    resting --(an answer, or a probe)--> up
    any --(an answer or a probe shows other weights)--> other weights --(a probe shows the trusted)--> up

Where every trusted address rests, they are asked all the same: a request is worth more than a guess.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

AddressState = Literal["up", "resting", "other weights"]

STATES: tuple[AddressState, ...] = ("up", "resting", "other weights")

_LOSSES = 3
"""After so many answers in a row that came first from elsewhere, an address rests."""


class AddressFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the requests to one address.

    Attributes:
        state: whether it is asked.
        asked: requests that were sent to it; ``failed`` of them failed by the link or its refusal.
        hedged: requests of those that were sent because another address had not answered in time.
        weights: hash of the model's weights as it said last; "" where it says none.
    """

    state: AddressState = "up"
    asked: int = 0
    failed: int = 0
    hedged: int = 0
    weights: str = ""


@dataclass(slots=True)
class _Standing:
    """The state of one address, and its counts."""

    state: AddressState = "up"
    not_before: float = -math.inf
    under_way: int = 0
    turn: int = 0
    losses: int = 0
    asked: int = 0
    failed: int = 0
    hedged: int = 0
    weights: str = ""


class AddressPool:
    """The addresses of one service by preference; safe to use from several threads.

    Args:
        addresses: their names as they may be shown.
        trusted: hash of the weights that are asked, "" for a server that tells none; None asks whatever is
            there.
        known: hashes by address, where they were told before.
        spread: ask the address with the fewest requests under way, of equals the one that was asked longest
            ago, instead of the first that is up.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        trusted: str | None = None,
        known: Mapping[str, str] | None = None,
        *,
        spread: bool = False,
    ) -> None:
        self._addresses, self._trusted, self._spread = list(addresses), trusted, spread
        self._standings = [_Standing() for _ in addresses]
        self._lock = threading.Lock()
        self._turn = 0
        for n, address in enumerate(addresses):
            if known is not None and address in known:
                self.found(n, known[address])

    def __len__(self) -> int:
        return len(self._addresses)

    def choose(self, now: float, tried: Collection[int] = (), *, well: bool = False) -> int | None:
        """The address to ask next; None where there is none.

        Args:
            tried: addresses that this request has been sent to.
            well: only one that is up, as for a hedge.
        """
        with self._lock:
            free = [n for n in self._free(now) if n not in tried]
            if well:
                free = [n for n in free if self._standings[n].state == "up"]
            return min(free, key=self._rank, default=None)

    def _free(self, now: float) -> list[int]:
        """The addresses that may be asked. A lone one is asked whenever the caller finds it right."""
        alone = len(self._standings) == 1
        return [
            n
            for n, one in enumerate(self._standings)
            if one.state != "other weights" and (alone or one.not_before <= now)
        ]

    def _rank(self, n: int) -> tuple[bool, int, int, int]:
        one = self._standings[n]
        load = (one.under_way, one.turn) if self._spread else (0, 0)
        return one.state != "up", *load, n

    def wait(self, now: float) -> float:
        """Seconds until a trusted address may be asked, as their Retry-After have it; infinite for none."""
        with self._lock:
            times = [one.not_before for one in self._standings if one.state != "other weights"]
            return max(0.0, min(times, default=math.inf) - now)

    def begin(self, n: int, *, hedge: bool = False) -> None:
        """A request goes to an address."""
        with self._lock:
            one = self._standings[n]
            one.asked += 1
            one.hedged += hedge
            one.under_way += 1
            self._turn += 1
            one.turn = self._turn

    def answered(self, n: int) -> None:
        """It was answered, by weights that are trusted as far as one can tell."""
        with self._lock:
            one = self._standings[n]
            one.under_way -= 1
            one.losses = 0
            if one.state == "resting":
                one.state = "up"

    def failed(self, n: int, not_before: float = -math.inf) -> None:
        """It failed by the link or by a refusal.

        Args:
            not_before: the time until which the address asks to be left alone.
        """
        with self._lock:
            one = self._standings[n]
            one.under_way -= 1
            one.failed += 1
            one.not_before = max(one.not_before, not_before)
            if one.state == "up":
                one.state = "resting"

    def given_up(self, n: int) -> bool:
        """It was cancelled, for another address had answered; whether the address now rests."""
        with self._lock:
            one = self._standings[n]
            one.under_way -= 1
            one.losses += 1
            if one.losses >= _LOSSES and one.state == "up":
                one.losses, one.state = 0, "resting"
                return True
            return False

    def refused(self, n: int, weights: str) -> None:
        """It was answered by other weights than the trusted."""
        with self._lock:
            one = self._standings[n]
            one.under_way -= 1
            one.failed += 1
            one.state, one.weights = "other weights", weights

    def found(self, n: int, weights: str) -> bool:
        """A probe was answered: the address has these weights; whether it is asked from now on."""
        with self._lock:
            one = self._standings[n]
            one.weights = weights
            fits = self._trusted is None or weights == self._trusted
            one.state = "up" if fits else "other weights"
            return fits

    def state(self, n: int) -> AddressState:
        """Whether an address is asked."""
        with self._lock:
            return self._standings[n].state

    def figures(self) -> dict[str, AddressFigures]:
        """State and counts by address."""
        with self._lock:
            return {
                address: AddressFigures(
                    state=one.state,
                    asked=one.asked,
                    failed=one.failed,
                    hedged=one.hedged,
                    weights=one.weights,
                )
                for address, one in zip(self._addresses, self._standings, strict=True)
            }
