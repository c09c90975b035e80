"""What goes first where room is short, and what of the records: the oldest and least wanted first.

Images of good frames that every sink knows of, then of the other frames that they know of, then of frames
whose final verdict a sink has not taken (the verdict itself stays for it), last what was set aside. An image
whose frame has no final verdict never goes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from saec.station.storage.alarms import add_to_counter, raise_alarm
from saec.station.storage.database.database_writer import DatabaseWriter
from saec.station.storage.space.set_aside import SetAsideFiles
from saec.station.storage.storage_quota import on_disk

_STEP = 64
_ALL = 2**62

_FINAL = "image <> '' AND state = 'done'"
_ORDER = (
    "worth = 0 AND seq < :undelivered",
    "worth = 1 AND seq < :undelivered",
    "worth = 0",
    "worth = 1",
)


def _unseen() -> None:
    """Nobody asks whether there is progress."""


class Eviction:
    """Removes images and records from a spool; safe to use from several threads.

    Args:
        folder: the station's data.
        writer: writes to its database.
    """

    def __init__(self, folder: Path, writer: DatabaseWriter) -> None:
        self._folder, self._writer = folder, writer
        self.aside = SetAsideFiles(folder)

    def free(self, size: int) -> tuple[int, int]:
        """Remove images until so many bytes are free, in the stated order.

        Returns:
            bytes that are free now, and the number of images that went for it.
        """
        freed = images = 0
        for where in _ORDER:
            while freed < size:
                dropped = self._drop_some(where, size - freed)
                if not dropped:
                    break
                freed += sum(dropped)
                images += len(dropped)
        if freed < size and (gone := self.aside.drop_oldest(size - freed)):
            freed += gone
            self._writer.quota.measure()
        return freed, images

    def _drop_some(self, where: str, size: int) -> list[int]:
        with self._writer.transaction() as db:
            rows = db.execute(
                f"SELECT seq, image, size FROM frames WHERE {_FINAL} AND {where} ORDER BY seq LIMIT :most",
                {"undelivered": undelivered(db), "most": _STEP},
            ).fetchall()
            chosen: list[tuple[int, str, int]] = []
            for row in rows:
                if sum(on_disk(size) for _, _, size in chosen) >= size:
                    break
                chosen.append(row)
            self._forget_images(db, chosen)
        self._unlink(chosen)
        return [on_disk(size) for _, _, size in chosen]

    def drop_images(self, seqs: list[int]) -> int:
        """Remove the images of frames and keep their records; how many were there."""
        with self._writer.transaction() as db:
            marks = ",".join("?" * len(seqs))
            rows = db.execute(
                f"SELECT seq, image, size FROM frames WHERE image <> '' AND seq IN ({marks})", seqs
            ).fetchall()
            self._forget_images(db, rows)
        self._unlink(rows)
        return len(rows)

    def _forget_images(self, db: sqlite3.Connection, rows: list[tuple[int, str, int]]) -> None:
        """The rows are changed first, so that no row lacks its image."""
        db.executemany("UPDATE frames SET image = '' WHERE seq = ?", [(seq,) for seq, _, _ in rows])
        self._writer.quota.images -= sum(on_disk(size) for _, _, size in rows)

    def _unlink(self, rows: list[tuple[int, str, int]]) -> None:
        for _, image, _ in rows:
            with suppress(FileNotFoundError):
                (self._folder / image).unlink()

    def forget_before(self, limit: float, most: int = 500, turn: Callable[[], None] = _unseen) -> int:
        """Delete records of frames accepted before a time that are done, delivered and without image.

        Alarms that came last before that time go as well, and keys of files that were not seen since.
        ``turn`` is called before each step.
        """
        deleted = 0
        while True:
            turn()
            with self._writer.transaction() as db:
                db.execute("DELETE FROM alarms WHERE last < ?", (limit,))
                db.execute("DELETE FROM files_left WHERE seen < ?", (limit,))
                step = db.execute(
                    "DELETE FROM frames WHERE seq IN (SELECT seq FROM frames WHERE image = '' "
                    "AND accepted < ? AND state = 'done' AND NOT EXISTS "
                    "(SELECT 1 FROM outbox WHERE outbox.seq = frames.seq) ORDER BY accepted LIMIT ?)",
                    (limit, most),
                ).rowcount
            deleted += step
            if step < most:
                return deleted

    def shrink(self, most: int, now: float, turn: Callable[[], None] = _unseen) -> int:
        """Delete the oldest records that are done until the database takes at most so many bytes.

        Those first that every sink knows of. Where there is no other, those go whose verdict a sink has not
        taken: it is counted, and an alarm says so. ``turn`` is called after each step.

        Returns:
            number of records.
        """
        deleted = 0
        while self._pages() > most and (step := self._delete_oldest(now)):
            turn()
            deleted += step
        if self._pages(free=True) > most:  # of a limit that was lowered: the disk is given back what is free
            with self._writer.lock:
                self._writer.db.executescript(
                    f"PRAGMA incremental_vacuum({_VACUUM})"
                )  # execute does one page
        return deleted

    def _pages(self, *, free: bool = False) -> int:
        """Bytes of the database that are in use, and of those that are free for what comes."""
        with self._writer.lock:
            size, pages, unused = (
                self._writer.db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_size", "page_count", "freelist_count")
            )
        return int(size * (pages if free else pages - unused))

    def _delete_oldest(self, now: float) -> int:
        with self._writer.transaction() as db:
            rows = _oldest(db, "seq < :undelivered") or _oldest(db, "TRUE")
            if not rows:
                return 0
            self._forget_images(db, [row for row in rows if row[1]])
            marks = ",".join(str(seq) for seq, _, _ in rows)
            lost = Counter(sink for (sink,) in db.execute(f"SELECT sink FROM outbox WHERE seq IN ({marks})"))
            db.execute(f"DELETE FROM outbox WHERE seq IN ({marks})")
            db.execute(f"DELETE FROM frames WHERE seq IN ({marks})")
            for sink, count in lost.items():
                add_to_counter(db, f"dropped:{sink}", count)
                text = (
                    f"{sink}: its oldest undelivered verdicts were deleted, because the data folder is full: "
                    "repair the receiver, or allow more in [spool] size_gb"
                )
                raise_alarm(db, now, "undelivered", text, about=sink)
        self._unlink([row for row in rows if row[1]])
        return len(rows)


_VACUUM = 2000
"""Pages that are given back to the disk at once."""


def undelivered(db: sqlite3.Connection) -> int:
    """The first frame of which a sink has a verdict still to take; one beyond all where there is none."""
    ((first,),) = db.execute("SELECT MIN(seq) FROM outbox WHERE dead IS NULL").fetchall()
    return _ALL if first is None else int(first)


def _oldest(db: sqlite3.Connection, where: str) -> list[tuple[int, str, int]]:
    return db.execute(
        f"SELECT seq, image, size FROM frames WHERE state = 'done' AND {where} ORDER BY seq LIMIT :most",
        {"undelivered": undelivered(db), "most": 500},
    ).fetchall()
