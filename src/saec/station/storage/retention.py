"""What the station no longer needs: images by rule, records by age, frames that waited for too long."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from saec.station.storage.records import Held, Retention
from saec.station.storage.spool import GIGABYTE, Spool
from saec.verdict import DEFECT, Verdict

DAY = 86400.0
_FULL = 0.9
"""Share of the allowed bytes at which the oldest images go first, and of the frames that may wait at which
the oldest that wait for the cloud are given up, so that new frames find room."""

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


class Sweeper:
    """Applies the rules, again and again; what it has looked at it does not look at the next time.

    Only frames whose final verdict every sink has taken lose their image, and only such records go.

    Args:
        expire: gives a frame that waited for the cloud beyond the limit its final verdict.
    """

    def __init__(self, spool: Spool, rule: Retention, expire: Callable[[Held], None]) -> None:
        self._spool, self._rule, self._expire = spool, rule, expire
        self._ruled = 0  # the rule of images has been applied up to this frame

    def sweep(self, now: float) -> Swept:
        """One sweep. ``now`` is in seconds since the epoch."""
        expired = self._give_up(now - self._spool.limits.hours * 3600)
        images = self._drop_oldest(now - self._rule.days * DAY) + self._drop_by_rule()
        records = self._spool.forget(now - max(self._rule.record_days, self._rule.days) * DAY)
        if images:
            self._spool.images.drop_empty_folders()
        return Swept(images, records, expired)

    def _give_up(self, limit: float) -> int:
        """From the oldest on, as long as they wait for too long or too many wait: the line goes on."""
        after, count = 0, 0
        depth = self._spool.depth()
        over = depth["accepted"] + depth["asked"] - _FULL * self._spool.limits.frames
        while frames := self._spool.frames("asked", after=after, most=_STEP):
            after = frames[-1].seq
            for frame in frames:
                if frame.accepted >= limit and count >= over:
                    return count
                self._expire(frame)
                count += 1
        return count

    def _drop_oldest(self, limit: float) -> int:
        """Those that are too old, then from the oldest on as long as the images are too many."""
        images = 0
        while frames := self._spool.aged(limit, most=_STEP):
            for frame in frames:
                self._spool.drop_image(frame.seq)
            images += len(frames)
        over = self._spool.depth()["bytes"] - _FULL * self._spool.limits.gigabytes * GIGABYTE
        while over > 0 and (frames := self._spool.aged(math.inf, most=_STEP)):
            for frame in frames:
                if over > 0:
                    self._spool.drop_image(frame.seq)
                    over -= frame.size
                    images += 1
        return images

    def _drop_by_rule(self) -> int:
        """Those whose verdicts say that they are not to be kept."""
        if self._rule.images == "all":
            return 0
        images, after, settled = 0, self._ruled, self._spool.settled()
        while frames := self._spool.kept(after=after, most=_STEP):
            after = frames[-1].seq
            for frame in frames:
                if not is_kept(self._rule, self._spool.verdicts(frame.seq)):
                    self._spool.drop_image(frame.seq)
                    images += 1
        self._ruled = max(self._ruled, min(after, settled))
        return images


def is_kept(rule: Retention, verdicts: dict[str, Verdict]) -> bool:
    """Whether a frame's image is of the kind that is kept at all."""
    if rule.images in ("all", "none"):
        return rule.images == "all"
    defect = any(verdict.label in (DEFECT, None) for verdict in verdicts.values())
    if rule.images == "defects":
        return defect
    asked = any(v.cloud is not None or v.decided_by == "edge-fallback" for v in verdicts.values())
    return defect or asked or len({verdict.label for verdict in verdicts.values()}) > 1
