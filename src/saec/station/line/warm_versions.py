"""The opened versions of a station's lines, within a stated memory; the least recently used are closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from saec.station.line.opened_version import OpenedVersion, VersionKey
from saec.station.setup.station_section import StationSection

_OWED = 5.0
"""Seconds for which a version is kept at most for frames that have waited for it, where others need room."""

_MIB = 1 << 20


@dataclass(slots=True)
class _Warm:
    """A version and its bytes; ``version`` is None while it is being opened.

    ``owed`` counts frames that have waited for it and have not been judged yet, from ``since`` on.
    """

    size: int
    version: OpenedVersion | None = None
    owed: int = 0
    since: float = 0.0


class WarmVersions:
    """Opened versions of all lines; safe to use from several threads.

    Args:
        most_mb: megabytes that they may take. What judges now stays open in any case, and so does one more
            that waiting frames need.
        clock: seconds that do not go back.
    """

    def __init__(
        self, most_mb: float = StationSection().warm_mb, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most, self._clock, self._lock = round(most_mb * _MIB), clock, threading.Lock()
        self._warm: dict[tuple[str, VersionKey], _Warm] = {}  # the least recently used first
        self._held: dict[str, frozenset[VersionKey]] = {}
        self.closed = 0
        self.most_seen = 0

    def find(self, line: str, key: VersionKey) -> OpenedVersion | None:
        """A version that is open, which is used now; None where it is not."""
        place = (line, key)
        with self._lock:
            found = self._warm.get(place)
            if found is None or found.version is None:
                return None
            self._warm[place] = self._warm.pop(place)
            found.owed = max(0, found.owed - 1)
            return found.version

    def is_open(self, line: str, key: VersionKey) -> bool:
        """Whether a version is open; this is no use of it."""
        with self._lock:
            found = self._warm.get((line, key))
            return found is not None and found.version is not None

    def hold(self, line: str, keys: Collection[VersionKey]) -> None:
        """Keep these versions of a line open, and no others whatever happens."""
        with self._lock:
            self._held[line] = frozenset(keys)

    def reserve(self, line: str, key: VersionKey, size: int) -> bool:
        """Make room for a version that is to be opened: close those that were not used for longest.

        Returns:
            whether to open it now. Where only versions are left that waiting frames need, it has to wait;
            one that is held never has to.
        """
        place = (line, key)
        with self._lock:
            held = key in self._held.get(line, ())
            if place not in self._warm:
                if self._must_wait(size, held):
                    return False
                self._warm[place] = _Warm(size)
            self.most_seen = max(self.most_seen, self._bytes())
            return True

    def reserve_spare(self, line: str, key: VersionKey, size: int) -> bool:
        """Take room that nobody has, to open a version before it is needed; whether there was enough."""
        with self._lock:
            if (line, key) in self._warm or self._bytes() + size > self.most:
                return False
            self._warm[line, key] = _Warm(size)
            self.most_seen = max(self.most_seen, self._bytes())
            return True

    def _must_wait(self, size: int, held: bool) -> bool:
        """Close what may be closed until there is room; whether others' frames are to be judged first."""
        now = self._clock()
        for owed in (False, True) if held else (False,):
            for place in [*self._warm]:
                if self._bytes() + size <= self.most:
                    return False
                line, key = place
                one = self._warm[place]
                if one.version is None or key in self._held.get(line, ()):
                    continue
                if owed or not one.owed or now - one.since > _OWED:
                    del self._warm[place]
                    self.closed += 1
        short = self._bytes() + size > self.most
        return short and not held and any(one.owed for one in self._warm.values())

    def put(self, line: str, version: OpenedVersion, size: int) -> None:
        """A version was opened, for the first time or anew; room was made for it."""
        place = (line, version.key)
        with self._lock:
            self._warm.pop(place, None)
            self._warm[place] = _Warm(size, version)

    def owe(self, line: str, key: VersionKey, frames: int) -> None:
        """So many frames have waited for a version that is open now."""
        with self._lock:
            if (found := self._warm.get((line, key))) is not None:
                found.owed, found.since = found.owed + frames, self._clock()

    def failed(self, line: str, key: VersionKey) -> None:
        """A version could not be opened: its room is free again."""
        with self._lock:
            found = self._warm.get((line, key))
            if found is not None and found.version is None:
                del self._warm[line, key]

    def keep_only(self, line: str, keys: Collection[VersionKey]) -> None:
        """Close all versions of a line but these, and those that are held."""
        with self._lock:
            kept = {*keys, *self._held.get(line, ())}
            for place in [place for place in self._warm if place[0] == line and place[1] not in kept]:
                if self._warm[place].version is not None:
                    del self._warm[place]

    def status(self) -> dict[str, float]:
        """How many are open, megabytes by reckoning, and how many were closed for want of room."""
        with self._lock:
            return {
                "open": sum(one.version is not None for one in self._warm.values()),
                "mb": round(self._bytes() / _MIB, 1),
                "most_mb": round(self.most / _MIB, 1),
                "closed": self.closed,
            }

    def _bytes(self) -> int:
        return sum(one.size for one in self._warm.values())
