"""Pictures of sources that know no triggers, as files and uploads: each is the oldest open trigger's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from saec.errors import SpoolError
from saec.station.storage.records import NewFrame, Receipt
from saec.station.triggers.trigger_board import Trigger, TriggerBoard

EARLY = 1.0
"""Seconds by which a picture's time may lie before its trigger: clocks and file systems differ so much."""


class PictureClaims:
    """Gives pictures their trigger before they are accepted; safe to use from several threads.

    Args:
        board: has the open triggers.
        sources: names of the sources that PLCs name.
    """

    def __init__(self, board: TriggerBoard, sources: Iterable[str]) -> None:
        self._board, self._sources, self._lock = board, frozenset(sources), threading.Lock()

    def claimed(self, frame: NewFrame) -> tuple[NewFrame, Trigger | None]:
        """A frame with its trigger; as it is where it has one, or needs none.

        Raises:
            SpoolError: no trigger waits for it. It is not accepted, so that it is never another one's.
        """
        held = frame.capture
        if frame.source not in self._sources or (held is not None and held.trigger is not None):
            return frame, None
        with self._lock:
            waiting = self._board.wait_for(frame.source, 0.0)
            if waiting is not None and frame.captured < self._wall(waiting) - EARLY:
                what = (
                    f"the picture's time is {self._wall(waiting) - frame.captured:.1f} s before its trigger"
                )
                raise SpoolError(what, "check the clock of whoever writes the picture, or remove old files")
            trigger = self._board.claim(frame.source)
        if trigger is None:
            raise SpoolError("no trigger waits for this picture", "take one picture for each trigger")
        taken = msgspec.structs.replace(
            frame, capture=trigger.capture, part=trigger.part or frame.part, recipe=trigger.recipe
        )
        return taken, trigger

    @contextmanager
    def kept(self, trigger: Trigger | None) -> Iterator[None]:
        """Accept a picture of a claimed trigger, which learns where that fails."""
        try:
            yield
        except Exception as e:
            if trigger is not None:
                self._board.failed(trigger, str(e))
            raise

    def taken(self, frame: NewFrame, trigger: Trigger | None, receipt: Receipt) -> None:
        """A frame was accepted. One that came before, under the same key, is no trigger's new picture.

        Args:
            frame: what was accepted.
            trigger: what was claimed for it here; None where its source did so.
            receipt: the spool's.
        """
        if receipt.duplicate and trigger is not None:
            self._board.failed(trigger, "the picture is one that came before")
        else:
            self._board.taken(frame.capture, receipt.seq)

    def _wall(self, trigger: Trigger) -> float:
        """When a trigger came, seconds since the epoch."""
        return time.time() - (time.perf_counter() - trigger.at)
