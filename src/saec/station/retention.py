"""What the station no longer needs: images by rule, records by age, frames that waited for too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from saec.station.records import Held, Retention
from saec.station.spool import GIGABYTE, Spool
from saec.verdict import DEFECT, Verdict

DAY = 86400.0
_FULL = 0.9
"""Share of the allowed bytes at which the oldest images go first, so that new frames find room."""

_STEP = 200

JUMP = 60.0
"""Seconds between two looks by which a clock may go wrong; more is a jump."""

REST = 3600.0
"""Seconds after a jump of the clock in which nothing is deleted for its age."""


class ClockGuard:
    """Whether ages can be trusted: for a while after a jump of the clock they cannot.

    A clock that is set forward by weeks makes everything old at once. So nothing is deleted for ``REST``
    seconds after a jump, in which it can be put right.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._rest = 0.0

    def look(self, wall: float, steady: float) -> tuple[bool, float]:
        """Whether ages can be trusted now, and by how many seconds the clock has jumped since the last look.

        Args:
            wall: seconds since the epoch, by the clock that can be set.
            steady: seconds by one that cannot.
        """
        ahead = wall - steady
        jump = 0.0 if self._ahead is None else ahead - self._ahead
        self._ahead = ahead
        if abs(jump) > JUMP:
            self._rest = steady + REST
            return False, jump
        return steady >= self._rest, 0.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    images: int = 0
    records: int = 0
    expired: int = 0


def sweep(spool: Spool, rule: Retention, now: float, expire: Callable[[Held], None]) -> Swept:
    """Apply the rules once.

    Only frames whose final verdict every sink has taken lose their image, and only such records go.

    Args:
        expire: gives a frame that waited for the cloud beyond the limit its final verdict.
    """
    expired = _expire(spool, now, expire)
    images, over = 0, max(0.0, spool.depth()["bytes"] - _FULL * spool.limits.gigabytes * GIGABYTE)
    after = 0
    while frames := spool.kept(after=after, most=_STEP):
        after = frames[-1].seq
        for frame in frames:
            crowded = over > 0
            old = frame.accepted < now - rule.days * DAY
            if crowded or old or not is_kept(rule, frame, spool.verdicts(frame.seq)):
                spool.drop_image(frame.seq)
                over -= frame.size
                images += 1
    records = spool.forget(now - max(rule.record_days, rule.days) * DAY)
    return Swept(images, records, expired)


def is_kept(rule: Retention, frame: Held, verdicts: dict[str, Verdict]) -> bool:
    """Whether a frame's image is of the kind that is kept at all."""
    if rule.images in ("all", "none"):
        return rule.images == "all"
    defect = any(verdict.label in (DEFECT, None) for verdict in verdicts.values())
    if rule.images == "defects":
        return defect
    asked = any(v.cloud is not None or v.decided_by == "edge-fallback" for v in verdicts.values())
    return defect or asked or len({verdict.label for verdict in verdicts.values()}) > 1


def _expire(spool: Spool, now: float, expire: Callable[[Held], None]) -> int:
    limit, after, count = now - spool.limits.hours * 3600, 0, 0
    while frames := spool.frames("asked", after=after, most=_STEP):
        after = frames[-1].seq
        for frame in frames:
            if frame.accepted >= limit:
                return count
            expire(frame)
            count += 1
    return count
