"""Frames of lines that the settings no longer name: nobody judges them, and nobody may forget them."""

from __future__ import annotations

from collections.abc import Collection

from saec.errors import LineError
from saec.pipeline.judge import error_verdict
from saec.pipeline.sources import Source
from saec.station.storage.records import Held
from saec.station.storage.spool import Spool

_STEP = 200


class Strays:
    """Watches over acknowledged frames without a final verdict whose line is gone.

    They wait for the line to be named again. After the age limit of waiting frames they get an error as their
    final verdict, so that nothing waits for ever.

    Args:
        spool: holds the frames.
        lines: names of those in the settings.
    """

    def __init__(self, spool: Spool, lines: Collection[str]) -> None:
        self._spool, self._lines = spool, frozenset(lines)
        self.waiting: dict[str, int] = {}
        self.look()

    def look(self) -> None:
        """Count anew: frames by line."""
        open_frames = self._spool.open_by_line()
        self.waiting = {line: count for line, count in open_frames.items() if line not in self._lines}

    def tell(self) -> None:
        """Raise an alarm for each line that is gone."""
        for line in self.waiting:
            self._spool.alarm("no-such-line", self._sentence(line), about=line)

    def problems(self) -> list[str]:
        """Why the station is not ready, a sentence for each line that is gone."""
        return [self._sentence(line) for line in self.waiting]

    def give_up(self, limit: float) -> int:
        """Give those that were accepted before a time their final verdict; how many."""
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

    def reject(self, frame: Held) -> None:
        """One frame's final verdict: an error that names the line."""
        what = f"the settings name no line {frame.line}"
        verdict = error_verdict(
            Source(id=frame.id, path=frame.image),
            frame.line,
            LineError(what, "name it again"),
            sha256=frame.sha256,
            time=frame.captured,
            seq=frame.seq,
            stage="line",
        )
        self._spool.decide(frame.seq, "final", verdict, in_time=False)

    def _sentence(self, line: str) -> str:
        hours = self._spool.limits.hours
        return (
            f"{self.waiting[line]} frames wait for line {line}, which the settings do not name: name it "
            f"again with its profile to have them judged; after {hours:g} h their final verdict is an error"
        )
