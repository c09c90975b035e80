"""What the station no longer needs: images by rule, age and room, records by age and room.

What goes by age waits until the clock is proven. What goes for want of room does not: the folder stays within
its budget whatever the clock says, and whoever does not listen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from saec.station.storage.crash_attempts import QUARANTINED
from saec.station.storage.records import Retention, SpooledFrame
from saec.station.storage.spool import Spool
from saec.types import DEFECT, VerdictRecord

DAY = 86400.0
FULL = 0.95
"""Share of the allowed bytes at which the oldest images go."""

_WAITING = 0.9
"""Share of the frames that may wait at which the oldest that wait for the cloud are given up."""

DATABASE = 0.5
"""Share of the allowed bytes that the database may take; beyond it the oldest records go."""

_SMALLEST = 4_000_000
"""Bytes that the database may always take."""

_MARGIN = 0.05
"""Share of the budget that is left free on the disk beside its reserve, where others take it for long."""

_DISK_REST = 300.0
"""Seconds for which the disk must be short before images go for it: others may fill it for a moment."""

_STEP = 200


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep did."""

    images: int = 0
    records: int = 0
    expired: int = 0


class Sweeper:
    """Applies the rules, again and again; what it has looked at it does not look at the next time.

    Args:
        expire: gives a frame that waited for the cloud beyond the limit its final verdict.

    Attributes:
        turn: called after each step, as a sweep may take long.
    """

    def __init__(self, spool: Spool, rule: Retention, expire: Callable[[SpooledFrame], None]) -> None:
        self._spool, self._rule, self._expire = spool, rule, expire
        self.turn: Callable[[], None] = lambda: None
        self._ruled = 0  # the rule of images has been applied up to this frame
        self._disk_since: float | None = None  # the disk has been short since

    def sweep(self, now: float, *, trusted: bool = True, steady: float = 0.0) -> SweepResult:
        """One sweep.

        Args:
            now: seconds since the epoch.
            trusted: ages can be computed from it.
            steady: seconds by a clock that is never set.
        """
        spool, rule = self._spool, self._rule
        spool.quota.measure()
        expired = images = records = 0
        if trusted:
            expired = self._give_up(now - spool.limits.wait_hours * 3600)
            images = self._drop_aged(now - rule.image_days * DAY)
            records = spool.eviction.forget_before(
                now - max(rule.record_days, rule.image_days) * DAY, turn=self.turn
            )
            if spool.eviction.aside.drop_before(now - rule.aside_days * DAY):
                spool.quota.measure()
        else:
            expired = self._give_up(float("-inf"))
        images += self._drop_by_rule()
        records += spool.eviction.shrink(
            max(_SMALLEST, int(DATABASE * spool.quota.budget)), now, turn=self.turn
        )
        images += self._make_room(steady)
        expired += self._give_up_for_room()
        if images:
            spool.images.drop_empty_folders()
        return SweepResult(images, records, expired)

    def _give_up(self, limit: float) -> int:
        """From the oldest on, as long as they wait for too long or too many wait: the line goes on."""
        after, count = 0, 0
        over = self._spool.quota.open_frames - _WAITING * self._spool.limits.frames
        while frames := self._spool.frames("asked", after=after, most=_STEP):
            after = frames[-1].seq
            for frame in frames:
                if frame.accepted >= limit and count >= over:
                    return count
                self.turn()
                self._expire(frame)
                count += 1
        return count

    def _give_up_for_room(self) -> int:
        """Where images of frames that wait for the cloud leave no room, the oldest of them are given up."""
        quota, count = self._spool.quota, 0
        while quota.short(share=FULL) and (frames := self._spool.frames("asked", most=_STEP)):
            for frame in frames:
                self.turn()
                self._expire(frame)
            count += len(frames)
            self._spool.eviction.free(quota.short(share=FULL))
            if self._spool.frames("asked", most=1)[:1] == frames[:1]:  # it cannot be given up
                break
        return count

    def _drop_aged(self, limit: float) -> int:
        images = 0
        while frames := self._spool.aged(limit, most=_STEP):
            self.turn()
            images += self._spool.eviction.drop_images([frame.seq for frame in frames])
        return images

    def _make_room(self, steady: float) -> int:
        """For the budget at once; for a disk that others have filled once it has been short for a while."""
        quota, eviction = self._spool.quota, self._spool.eviction
        _, images = eviction.free(quota.short(share=FULL))
        short = quota.disk_short(_MARGIN)
        if not short:
            self._disk_since = None
        elif self._disk_since is None:
            self._disk_since = steady
        elif steady - self._disk_since >= _DISK_REST:
            images += eviction.free(short)[1]
        return images

    def _drop_by_rule(self) -> int:
        """Those whose verdicts say that they are not to be kept."""
        if self._rule.images == "all":
            return 0
        images, after, settled = 0, self._ruled, self._spool.settled()
        while frames := self._spool.kept(after=after, most=_STEP):
            after = frames[-1].seq
            self.turn()
            unwanted = [f.seq for f in frames if not is_kept(self._rule, self._spool.verdicts(f.seq))]
            images += self._spool.eviction.drop_images(unwanted)
        self._ruled = max(self._ruled, min(after, settled))
        return images


def is_kept(rule: Retention, verdicts: dict[str, VerdictRecord]) -> bool:
    """Whether a frame's image is of the kind that is kept at all; one in quarantine is, by every rule."""
    if any(v.error is not None and v.error.kind == QUARANTINED for v in verdicts.values()):
        return True
    if rule.images in ("all", "none"):
        return rule.images == "all"
    defect = any(verdict.label in (DEFECT, None) for verdict in verdicts.values())
    if rule.images == "defects":
        return defect
    asked = any(v.cloud is not None or v.decided_by == "edge-fallback" for v in verdicts.values())
    return defect or asked or len({verdict.label for verdict in verdicts.values()}) > 1
