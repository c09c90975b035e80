"""What waits for lines and sinks that the settings no longer name; nobody sees to it, nor may forget it."""

from __future__ import annotations

from collections.abc import Collection

from saec.errors import LineError
from saec.frame.verdicts import error_verdict
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.types import Source

_STEP = 200


class Orphans:
    """Watches over frames without a final verdict whose line is gone, and verdicts whose sink is.

    They wait for it to be named again. After the age limit of waiting frames such frames get an error as
    their final verdict, and such deliveries are given up and counted, so that nothing waits for ever.

    Args:
        spool: holds the frames.
        lines: names of those in the settings.
    """

    def __init__(self, spool: Spool, lines: Collection[str]) -> None:
        self._spool, self._lines = spool, frozenset(lines)
        self.waiting: dict[str, int] = {}
        self.sinks: dict[str, int] = {}
        self.look()

    def look(self) -> None:
        """Count anew: frames by line, deliveries by sink."""
        open_frames = self._spool.open_by_line()
        self.waiting = {line: count for line, count in open_frames.items() if line not in self._lines}
        self.sinks = self._spool.outbox.lost(self._spool.sinks)

    def tell(self) -> None:
        """Raise an alarm for each line and each sink that is gone."""
        for line in self.waiting:
            self._spool.alarm("no-such-line", self._line(line), about=line)
        for sink in self.sinks:
            self._spool.alarm("no-such-sink", self._sink(sink), about=sink)

    def problems(self) -> list[str]:
        """Why the station is not ready, a sentence for each line and sink that is gone."""
        return [*map(self._line, list(self.waiting)), *map(self._sink, list(self.sinks))]

    def give_up(self, limit: float) -> int:
        """Give frames that were accepted before a time their final verdict, and older deliveries up.

        Returns:
            number of frames.
        """
        for sink in list(self.sinks):
            self._spool.outbox.trim(sink, self.sinks[sink], limit)
        count = 0
        for line in list(self.waiting):
            for state in ("accepted", "asked"):
                while frames := self._spool.frames(state, line=line, most=_STEP):
                    old = [frame for frame in frames if frame.accepted < limit]
                    for frame in old:
                        self.reject(frame)
                    count += len(old)
                    if len(old) < len(frames):
                        break
        return count

    def reject(self, frame: SpooledFrame) -> None:
        """One frame's final verdict: an error that names the line."""
        what = f"the settings have no product line {frame.line} ([[line]])"
        verdict = error_verdict(
            Source(id=frame.id, path=frame.image),
            frame.line,
            LineError(what, "add it to the settings again"),
            sha256=frame.sha256,
            time=frame.captured,
            seq=frame.seq,
            stage="line",
        )
        self._spool.decide(frame.seq, "final", verdict, in_time=False)

    def _line(self, line: str) -> str:
        return (
            f"{self.waiting[line]} frames wait for the line {line}, which the settings lack. Add it again "
            f"to have them judged; after {self._hours} they end as errors"
        )

    def _sink(self, sink: str) -> str:
        return (
            f"{self.sinks[sink]} verdicts wait for the sink {sink}, which the settings lack. Add it again "
            f"to have them delivered; after {self._hours} they are deleted"
        )

    @property
    def _hours(self) -> str:
        return f"{self._spool.limits.wait_hours:g} h"
