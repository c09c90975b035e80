"""What askers hold at once of something bounded, so that none takes all of it."""

from __future__ import annotations

from collections import Counter


class FairShares:
    """A bound on what all names hold and on what each holds; for one event loop.

    Args:
        most: how much all names may hold together.
        each: how much one name may hold.
    """

    def __init__(self, most: float, each: float) -> None:
        self._most, self._each = most, min(most, each)
        self._held: Counter[str] = Counter()
        self.total = 0

    def refuses(self, name: str, amount: int) -> str:
        """Why a name cannot have so much more: "share", "all", or "" where it can."""
        if self._held[name] + amount > self._each:
            return "share"
        return "all" if self.total + amount > self._most else ""

    def take(self, name: str, amount: int) -> None:
        """It holds so much more."""
        self._held[name] += amount
        self.total += amount

    def give(self, name: str, amount: int) -> None:
        """It holds so much less."""
        self.take(name, -amount)
        if not self._held[name]:
            del self._held[name]
