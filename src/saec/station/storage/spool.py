"""The spool: what was accepted is on the disk before it is acknowledged, and is judged exactly once.

SQLite in WAL mode with synchronous=FULL: a transaction that has returned survives a power cut. An image is
written and synced before its row, so a row always has its image; an image without a row is set aside at the
next start. Frames that come at once share the sync of their names and
their rows (a group commit), so that a burst waits for few of them. A verdict, the frame's new state, its
alarms and its deliveries to the sinks are one transaction (a transactional outbox), so no verdict is made and
not delivered. A second final verdict of a frame is refused by the table itself.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import structlog

from saec.errors import SpoolError, SpoolFullError, is_transient
from saec.station.storage.alarms import add_to_counter, raise_alarm
from saec.station.storage.crash_attempts import CrashAttempts
from saec.station.storage.database.captures import as_captured
from saec.station.storage.database.damage import Damage, as_spool_errors
from saec.station.storage.database.database_writer import DatabaseWriter
from saec.station.storage.database.group_commit import GroupCommit
from saec.station.storage.database.schema import (
    begin_after,
    is_disk_full,
    open_beside,
    sync_folder,
    unused_number,
)
from saec.station.storage.outbox import Outbox
from saec.station.storage.parts.part_book import PartBook
from saec.station.storage.parts.part_rules import PartRules
from saec.station.storage.parts.verdict_watches import VerdictWatches
from saec.station.storage.records import (
    NewFrame,
    Receipt,
    SpoolLimits,
    VerdictState,
    frame_id,
    plausible_time,
)
from saec.station.storage.results.challenge_table import ChallengeTable
from saec.station.storage.results.verdict_effects import follow_verdict
from saec.station.storage.space.eviction import Eviction
from saec.station.storage.space.image_files import ImageFiles
from saec.station.storage.spool_reader import SpoolReader
from saec.station.storage.storage_quota import StorageQuota, on_disk
from saec.types import GOOD, Explanation, VerdictRecord

_GOLDEN = "SELECT seq FROM frames WHERE state <> 'done' AND challenge <> ''"

_Row = tuple[NewFrame, Path, int, str]
"""A frame that is to be accepted: its image, synced, the image's bytes and sha256."""

log = structlog.get_logger()


class Spool(SpoolReader):
    """The station's durable queue; safe to use from several threads, owned by one process.

    Args:
        folder: where the database and the images lie; made where it is missing.
        sinks: names of the sinks that every verdict is delivered to.
        limits: the bounds beyond which frames are refused.
        clock: seconds since the epoch.
        parts: the rules of lines whose parts get a verdict of their own.

    Attributes:
        images: their files.
        outbox: what the sinks have still to take.
        damage: what was noticed of damage to the database.
        quota: what is held and how much may be.
        eviction: removes what is no longer wanted, or for which there is no room.
        attempts: frames that may have ended a process, and how often.
        parts: the parts that wait for their verdict.
        runs, golden: the runs of golden parts; the frames that show one and have no final verdict yet.
        acting: called with a frame's number and the verdict that its line acts on, once a frame at most.

    Raises:
        SpoolError: another process owns the folder, it is damaged, or of another version.
    """

    def __init__(
        self,
        folder: Path,
        sinks: Sequence[str] = (),
        limits: SpoolLimits | None = None,
        clock: Callable[[], float] = time.time,
        parts: Mapping[str, PartRules] | None = None,
    ) -> None:
        self.images = ImageFiles(folder / "images")
        self.sinks, self.limits, self._clock = tuple(sinks), limits or SpoolLimits(), clock
        self.quota = StorageQuota(folder, self.limits)
        self._watches: VerdictWatches[VerdictRecord] = VerdictWatches()
        self._freeing = threading.Lock()
        self.acting: list[Callable[[int, VerdictRecord], None]] = []
        self.damage = Damage(path := folder / "spool.sqlite")
        self._writer = DatabaseWriter(folder, self.quota, self.damage)
        super().__init__(folder, open_beside(path, self.damage))
        self.parts = PartBook(self._transaction, parts or {}, self.sinks, clock)
        self.outbox = Outbox(self._transaction, self._db, self._lock, clock)
        self.runs = ChallengeTable(self._transaction, self.sinks, clock)
        self.golden: set[int] = set()
        self.attempts = CrashAttempts(self._transaction, self._db, self._lock, clock)
        self.eviction = Eviction(folder, self._writer)
        self._rows: GroupCommit[_Row, Receipt | SpoolError] = GroupCommit(self._insert)
        try:
            with as_spool_errors(path):
                self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """What an earlier process left: unknown files; then count."""
        unknown = self.images.set_aside(self._held, self.eviction.aside, self._clock())
        if unknown:
            self._tell_unknown(unknown)
        ((self.quota.open_frames,),) = self._db.execute("SELECT COUNT(*) FROM frames WHERE state <> 'done'")
        ((self.quota.images,),) = self._db.execute(
            "SELECT COALESCE(SUM((size + 4095) / 4096 * 4096), 0) FROM frames WHERE image <> ''"
        )
        self.quota.measure()
        self.golden.update(n for (n,) in self._db.execute(_GOLDEN))
        self.parts.load(self._db)

    def _tell_unknown(self, files: int) -> None:
        """Raise an alarm; under a new database the numbers of frames begin where no sink knows one."""
        if not self.last_frame():
            self.number_beyond(unused_number(self._clock()))
        text = f"{files} image files that the database does not know were moved to "
        text += f"{self.eviction.aside.folder}: put them into a watched folder to judge them, or delete them"
        try:
            self.alarm("aside", text)
        except sqlite3.OperationalError as e:
            if not is_disk_full(e):
                raise
            log.warning("alarm not stored, as the disk is full", text=text)

    def number_beyond(self, last: int) -> None:
        """Give no frame that comes a number up to this one."""
        if self.last_frame() < last:
            with self._transaction() as db:
                begin_after(db, "frames", last)

    def close(self) -> None:
        """Checkpoint and let the folder go."""
        super().close()
        self._writer.close()

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._writer.transaction()

    # frames in

    def accept(self, frame: NewFrame, data: bytes) -> Receipt:
        """Take a frame over: when this returns, its image and its row are on the disk.

        Raises:
            SpoolFullError: no room, a damaged database, or no image can be written; it is counted and the
                caller keeps the frame.
            SpoolError: the key was used for another image.
        """
        if self.damage.reason:
            raise SpoolFullError(
                f"the station stores no more frames: {self.damage.reason}",
                "keep the image and send it again later",
            )
        sha256 = hashlib.sha256(data).hexdigest()
        with self._lock:
            known = self._known(self._db, frame, sha256)
        if known is not None:
            return known
        try:
            with self._freeing:  # one at a time, so that nothing goes twice for the same want
                if (short := self.quota.short(on_disk(len(data)))) > 0:
                    self.eviction.free(short)
            with self.quota.keep(len(data)):
                return self._take(frame, data, sha256)
        except (OSError, sqlite3.OperationalError) as e:
            if is_disk_full(e):
                raise SpoolFullError(f"the disk under {self.folder} is full", "make room on the disk") from e
            if is_transient(e):
                raise
            what = f"{self.images.folder} cannot be written: {e}"
            raise SpoolFullError(what, "keep the image; check the folder and its permissions") from e

    def _known(self, db: sqlite3.Connection, frame: NewFrame, sha256: str) -> Receipt | None:
        one = (frame.line, frame.key)
        left = db.execute("SELECT seq, sha256 FROM files_left WHERE line = ? AND key = ?", one).fetchone()
        row = db.execute(
            "SELECT seq, sha256, accepted FROM frames WHERE line = ? AND key = ?", one
        ).fetchone() or (left and (*left, None))
        if row is None:
            return None
        if row[1] != sha256:
            raise SpoolError(
                f"the key {frame.key!r} of line {frame.line} was already used for another image",
                "give the new image a new key",
            )
        since = row[2] if left is None else None
        return Receipt(row[0], frame_id(frame.line, row[0]), duplicate=True, since=since)

    def _take(self, frame: NewFrame, data: bytes, sha256: str) -> Receipt:
        """Image and row to the disk; of two frames with one key that come at once, one is a duplicate."""
        image = self.images.write(data, sha256, frame.suffix, self._clock())
        taken: Receipt | SpoolError | None = None
        try:
            taken = self._rows.do((frame, image, len(data), sha256))
        finally:
            if not isinstance(taken, Receipt) or taken.duplicate:
                image.unlink(missing_ok=True)
        if isinstance(taken, SpoolError):
            raise taken
        return taken

    def _insert(self, rows: list[_Row]) -> list[Receipt | SpoolError]:
        """The group's images are synced; now their names and their rows, all with one sync each."""
        for folder in {image.parent for _, image, _, _ in rows}:
            sync_folder(folder)
        with self._transaction() as db:
            return [self._insert_one(db, *row) for row in rows]

    def _insert_one(
        self, db: sqlite3.Connection, frame: NewFrame, image: Path, size: int, sha256: str
    ) -> Receipt | SpoolError:
        try:
            known = self._known(db, frame, sha256)  # from another thread, a moment ago
        except SpoolError as e:
            return e
        if known is not None:
            return known
        now = self._clock()
        taken = None if frame.capture is None else msgspec.json.encode(frame.capture)
        values = (frame.line, frame.source, frame.key, sha256, str(image.relative_to(self.folder)), size)
        ((seq,),) = db.execute(
            "INSERT INTO frames (line, source, key, sha256, image, size, captured, accepted, part, recipe, "
            "capture, challenge, state) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'accepted') RETURNING seq",
            (
                *values,
                plausible_time(frame.captured, now),
                now,
                frame.part,
                frame.recipe,
                taken,
                frame.challenge,
            ),
        ).fetchall()
        if frame.challenge:
            self.golden.add(seq)
        else:
            self.parts.join(db, seq, frame.line, frame.part, now)
        self.quota.open_frames += 1
        self.quota.images += on_disk(size)
        return Receipt(seq, frame_id(frame.line, seq))

    def remember(self, line: str, keys: Sequence[str]) -> None:
        """Frames with these keys came from files that are still there.

        The keys are known also after the records have gone, until the files have not been seen for as long as
        records are kept.
        """
        now = self._clock()
        with self._transaction() as db:
            for key in keys:
                held = "UPDATE files_left SET seen = ? WHERE line = ? AND key = ?"
                if db.execute(held, (now, line, key)).rowcount == 0:
                    db.execute(
                        "INSERT INTO files_left SELECT line, key, seq, sha256, ? FROM frames "
                        "WHERE line = ? AND key = ?",
                        (now, line, key),
                    )

    # frames on their way

    def ask(self, seq: int, edge: bytes, version: str) -> None:
        """The edge has spoken and the cloud is to be asked: keep what the answer will be fused with."""
        with self._transaction() as db:
            db.execute(
                "UPDATE frames SET state = 'asked', edge = ?, version = ? "
                "WHERE seq = ? AND state = 'accepted'",
                (edge, version, seq),
            )

    def decide(
        self,
        seq: int,
        state: VerdictState,
        verdict: VerdictRecord,
        *,
        in_time: bool = True,
        edge: bytes | None = None,
        version: str | None = None,
        alarms: Sequence[tuple[str, str]] = (),
    ) -> bool:
        """Write a verdict with all that follows from it, in one transaction.

        The line acts on a frame's first verdict and on no other. A final verdict with another label than
        the provisional one that was acted on raises an alarm.

        Args:
            in_time: the line can still act on it.
            edge, version: see ``ask``; given where they are not yet known.
            alarms: (kind, text) of what else it gives rise to.

        Returns:
            False, and nothing is written, where the frame already has its final verdict (or this very
            provisional one): an answer that came twice changes nothing.
        """
        with self._transaction() as db:
            earlier = dict(db.execute("SELECT state, label FROM verdicts WHERE seq = ?", (seq,)).fetchall())
            if "final" in earlier or state in earlier:
                return False
            verdict = as_captured(db, seq, verdict)
            act = in_time and not earlier and not verdict.challenge
            row = (seq, state, int(act), self._clock(), verdict.label, msgspec.json.encode(verdict))
            db.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", row)
            after = "done" if state == "final" else "asked"
            db.execute(
                "UPDATE frames SET state = ?, edge = COALESCE(?, edge), version = COALESCE(?, version), "
                "worth = ? WHERE seq = ?",
                (after, edge, version, int(verdict.label != GOOD), seq),
            )
            follow_verdict(
                db, seq, state, verdict, now=row[3], earlier=earlier, sinks=self.sinks, alarms=alarms
            )
            of_part = None if verdict.challenge else self.parts.note(db, seq, verdict)
            self.quota.open_frames -= after == "done"
            self.golden -= {seq} if after == "done" else set()
        self._watches.tell(seq, verdict)
        for acted in self.acting if act else ():
            acted(seq, verdict)
        self.parts.tell(of_part)
        return True

    def watch(self, seq: int, told: Callable[[VerdictRecord], None]) -> AbstractContextManager[None]:
        """Have a function called with each verdict on a frame, by the thread that has written it."""
        return self._watches.watch(seq, told)

    def explain(self, seq: int, words: Explanation) -> None:
        """Keep the cloud's words on a frame; they come after its verdict and change nothing of it."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO words VALUES (?, ?)", (seq, msgspec.json.encode(words)))

    # what a person should know

    def alarm(self, kind: str, text: str, frame: str = "", about: str = "") -> None:
        """Raise an alarm; see ``alarms.raise_alarm``."""
        with self._transaction() as db:
            raise_alarm(db, self._clock(), kind, text, frame=frame, about=about)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter that outlives the process."""
        with self._transaction() as db:
            add_to_counter(db, name, by)

    def set_mark(self, name: str, value: float) -> None:
        """Keep a number under a name."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def depth(self) -> dict[str, int]:
        """Frames by state short of done, deliveries by sink, bytes of images."""
        with self._lock:
            states = dict(
                self._db.execute(
                    "SELECT state, COUNT(*) FROM frames WHERE state <> 'done' GROUP BY state"
                ).fetchall()
            )
            waiting = dict(
                self._db.execute(
                    "SELECT sink, COUNT(*) FROM outbox WHERE dead IS NULL GROUP BY sink"
                ).fetchall()
            )
        return {
            "accepted": states.get("accepted", 0),
            "asked": states.get("asked", 0),
            "bytes": self.quota.images,
            **{f"sink:{sink}": waiting.get(sink, 0) for sink in self.sinks},
        }

    # housekeeping

    def _held(self, folder: str) -> set[str]:
        """Names of the images in a folder that have a row."""
        rows = self._db.execute(
            "SELECT image FROM frames WHERE image <> '' AND image >= ? AND image < ?",
            (f"images/{folder}/", f"images/{folder}0"),  # "0" comes next after "/"
        )
        return {Path(image).name for (image,) in rows}
