"""The spool as it is read: frames, verdicts, words, alarms. By its owner, or beside it and without effect."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saec.decoding import decode
from saec.errors import SpoolError
from saec.station.challenge_records import ChallengeRecord
from saec.station.storage.alarms import read_alarms
from saec.station.storage.counts.decider_sums import DeciderSums, sum_by_decider
from saec.station.storage.counts.verdict_counts import VerdictCounts, count_verdicts
from saec.station.storage.crash_attempts import read_quarantine
from saec.station.storage.database.damage import (
    NotingConnection,
    as_spool_errors,
    check_there,
    decode_record,
)
from saec.station.storage.database.side_reader import SideReader
from saec.station.storage.frame_search import (
    FoundFrame,
    FrameQuery,
    changed_frames,
    last_number,
    newer_frames,
    newest_verdict,
    search_frames,
)
from saec.station.storage.parts.part_search import PartStanding, part_shown, parts_named
from saec.station.storage.records import Alarm, OpenDelivery, SpooledFrame, frame_id
from saec.station.storage.results.challenge_table import newest_runs
from saec.types import Capture, Explanation, VerdictRecord

_FRAME = (
    "seq, line, source, key, sha256, image, size, captured, accepted, state, edge, version, "
    "part, recipe, capture, challenge"
)


class SpoolReader:
    """Reads a spool's database; safe to use from several threads.

    Args:
        folder: the spool's folder.
        db: the open connection, the owner's or a read-only one.
    """

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self.folder = folder
        self._db = db
        self._lock = threading.RLock()
        damage = db.damage if isinstance(db, NotingConnection) else None
        self._side = SideReader(folder / "spool.sqlite", damage)

    @classmethod
    def beside(cls, folder: Path) -> SpoolReader:
        """Read a spool that a running station may own.

        Raises:
            SpoolError: there is none, or it is damaged.
        """
        path = folder / "spool.sqlite"
        check_there(path)
        with as_spool_errors(path):
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=30.0)
            db.execute("SELECT 1 FROM frames LIMIT 1")
        return cls(folder, db)

    def close(self) -> None:
        self._side.close()
        with self._lock:
            self._db.close()

    def frames(
        self,
        state: str,
        *,
        line: str | None = None,
        after: int = 0,
        most: int = 100,
        without_verdict: bool = False,
    ) -> list[SpooledFrame]:
        """Frames of a state in the order in which they were accepted, those after ``after`` in seq."""
        values: list[Any] = [state, after]
        where = "state = ? AND seq > ?"
        if state != "done":
            where += " AND state <> 'done'"  # said again, for SQLite to see that its small index serves
        if line is not None:
            where, values = where + " AND +line = ?", [*values, line]
        if without_verdict:
            where += " AND NOT EXISTS (SELECT 1 FROM verdicts WHERE verdicts.seq = frames.seq)"
        return self._select(f"WHERE {where} ORDER BY seq LIMIT ?", (*values, most))

    def open_by_line(self) -> dict[str, int]:
        """How many frames of each line have no final verdict."""
        with self._lock:
            return dict(
                self._db.execute("SELECT line, COUNT(*) FROM frames WHERE state <> 'done' GROUP BY line")
            )

    def frame(self, seq: int) -> SpooledFrame | None:
        found = self._select("WHERE seq = ?", (seq,))
        return found[0] if found else None

    def verdicts(self, seq: int) -> dict[str, VerdictRecord]:
        """The verdicts of a frame by state."""
        with self._lock:
            rows = self._db.execute("SELECT state, verdict FROM verdicts WHERE seq = ?", (seq,)).fetchall()
        told = {state: decode_record(self._db, blob, VerdictRecord) for state, blob in rows}
        return {state: verdict for state, verdict in told.items() if verdict is not None}

    def acted(self, seq: int) -> VerdictRecord | None:
        """The verdict of a frame that the line acts on; None where none was in time so far."""
        with self._lock:
            row = self._db.execute(
                "SELECT verdict FROM verdicts WHERE seq = ? AND act = 1", (seq,)
            ).fetchone()
        return None if row is None else decode_record(self._db, row[0], VerdictRecord)

    def words(self, seq: int) -> Explanation | None:
        with self._lock:
            row = self._db.execute("SELECT words FROM words WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else decode_record(self._db, row[0], Explanation)

    def challenges(
        self, line: str | None = None, most: int = 50, before: int | None = None
    ) -> list[ChallengeRecord]:
        """The runs of golden parts, newest first; see ``newest_runs``."""
        return newest_runs(self._side, line, most, before)

    # by the newest verdicts; who asks here keeps nobody else waiting

    def search(self, query: FrameQuery, most: int = 50) -> list[FoundFrame]:
        """The frames that a query means, newest verdict first."""
        return search_frames(self._side, query, most)

    def newer(self, query: FrameQuery, after_n: int, most: int = 1) -> list[FoundFrame]:
        """The frames that a query means with a verdict since the one with this number, oldest first."""
        return newer_frames(self._side, query, after_n, most)

    def newest(self, seq: int) -> FoundFrame | None:
        """A frame by its newest verdict; None where it has none."""
        return newest_verdict(self._side, seq)

    def deliveries(self, seq: int) -> list[OpenDelivery]:
        """The deliveries of a frame's verdicts that no sink has taken yet, oldest first."""
        rows = self._side.rows(
            "SELECT sink, state, attempts, error, dead FROM outbox WHERE seq = ? ORDER BY n", (seq,)
        )
        return [OpenDelivery(*row) for row in rows]

    def part_visits(self, part: str, most: int = 50) -> list[PartStanding]:
        """The visits of a part to lines whose parts get a verdict, the newest first."""
        return parts_named(self._side, part, most)

    def part_of(self, seq: int) -> PartStanding | None:
        """The visit of a part that a frame is of; None where its part gets no verdict."""
        return part_shown(self._side, seq)

    def changes(self, after_n: int, most: int = 500) -> list[FoundFrame]:
        """The frames with a verdict since the one with this number, in the order of their newest verdicts."""
        return changed_frames(self._side, after_n, most)

    def last_change(self) -> int:
        """The number ``n`` that a verdict got last; 0 before the first."""
        return last_number(self._side)

    def verdict_counts(
        self, since: float, until: float, step_s: float, line: str | None = None
    ) -> list[VerdictCounts]:
        """What the newest verdicts of frames add up to, see ``verdict_counts.count_verdicts``."""
        return count_verdicts(self._side, since, until, step_s, line)

    def decider_sums(
        self, line: str, since: float, until: float, version: str | None = None
    ) -> list[DeciderSums]:
        """What a line's frames add up to by who decided them, see ``decider_sums.sum_by_decider``."""
        return sum_by_decider(self._side, line, since, until, version)

    def alarms(self, most: int = 50, *, after: int = 0) -> list[Alarm]:
        """The alarms that came last, newest first; ``after`` leaves out those up to this n."""
        with self._lock:
            return read_alarms(self._db, most, after)

    def quarantine(self) -> list[tuple[SpooledFrame, str]]:
        """The frames in quarantine and why, oldest first."""
        with self._lock, as_spool_errors(self.folder / "spool.sqlite"):
            rows = read_quarantine(self._db)
            found = [(self.frame(seq), why) for seq, why in rows]
        return [(frame, why) for frame, why in found if frame is not None]

    def counters(self) -> dict[str, int]:
        with self._lock:
            return dict(self._db.execute("SELECT name, value FROM counters").fetchall())

    def kept(self, *, after: int = 0, most: int = 500) -> list[SpooledFrame]:
        """Frames whose image is held and whose verdict is final, oldest first."""
        return self._select(
            "WHERE image <> '' AND state = 'done' AND seq > ? ORDER BY seq LIMIT ?", (after, most)
        )

    def aged(self, before: float, *, most: int = 500) -> list[SpooledFrame]:
        """Such frames that were accepted before a time, the oldest by the clock first."""
        return self._select(
            "WHERE image <> '' AND state = 'done' AND accepted < ? ORDER BY accepted LIMIT ?", (before, most)
        )

    def settled(self) -> int:
        """The last frame up to which all have their final verdict."""
        with self._lock:
            ((first,),) = self._db.execute("SELECT MIN(seq) FROM frames WHERE state <> 'done'")
            ((last,),) = self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM frames")
        return int(last if first is None else first - 1)

    def frames_since(self, line: str, seq: int) -> int:
        """How many frames of a line there are after a number, golden parts left out."""
        ((count,),) = self._side.rows(
            "SELECT COUNT(*) FROM frames WHERE line = ? AND seq > ? AND challenge = ''", (line, seq)
        )
        return int(count)

    def last_frame(self) -> int:
        """The number of the frame that was accepted last; 0 before the first."""
        with self._lock:
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'frames'").fetchone()
        return 0 if row is None else int(row[0])

    def mark(self, name: str) -> float | None:
        """A number that was kept under a name, see ``Spool.set_mark``."""
        with self._lock:
            row = self._db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return None if row is None else float(row[0])

    def path(self, frame: SpooledFrame) -> Path:
        """The image file of a frame.

        Raises:
            SpoolError: retention has removed it.
        """
        if not frame.image:
            raise SpoolError(
                f"{frame.id}: its image was deleted to free space",
                "to keep images longer, raise [retention] image_days or [spool] size_gb",
            )
        return self.folder / frame.image

    def _select(self, rest: str, values: Sequence[Any]) -> list[SpooledFrame]:
        with self._lock:
            rows = self._db.execute(f"SELECT {_FRAME} FROM frames {rest}", values).fetchall()
        return [_held(row) for row in rows]


def _held(row: tuple[Any, ...]) -> SpooledFrame:
    names = ("seq", "line", "source", "key", "sha256", "image", "size", "captured", "accepted", "state")
    fields = dict(
        zip((*names, "edge", "version", "part", "recipe", "capture", "challenge"), row, strict=True)
    )
    if fields["capture"] is not None:
        fields["capture"] = decode(fields["capture"], Capture)
    return SpooledFrame(id=frame_id(fields["line"], fields["seq"]), **fields)
