"""What a review keeps no longer: pictures beyond their budget or their days, names beyond theirs.

A frame that somebody has answered stays as a record. Its picture stays as long as its labels may teach.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import structlog

from saec.errors import ReviewError
from saec.station.review.collecting.population import add_offered
from saec.station.review.random_draw import stratum_of
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore

_GIGABYTE = 1e9
_DAY = 86_400.0
_STEP = 200
_EACH_S = 3600.0
_NAME = "reviewer-"

_UNHELD = "image <> '' AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.seq = frames.seq)"
_UNANSWERED = "NOT EXISTS (SELECT 1 FROM labels WHERE labels.seq = frames.seq)"
_GOING = (
    f"{_UNANSWERED} AND {_UNHELD} AND state = 'waiting' AND probability IS NULL "
    "ORDER BY place DESC, worth, seq",
    f"{_UNANSWERED} AND {_UNHELD} AND state = 'waiting' AND probability IS NOT NULL ORDER BY accepted, seq",
    f"{_UNHELD} AND state = 'done' AND use <> 'teach' ORDER BY accepted, seq",
)
"""Whose pictures go for want of room, one after the other: frames that nobody has answered, those that help
least first; drawn ones, the oldest first; answered ones that do not teach."""

log = structlog.get_logger()


def kept_bytes(db: sqlite3.Connection) -> int:
    """Bytes of the pictures that are kept."""
    ((size,),) = db.execute("SELECT COALESCE(SUM(size), 0) FROM frames WHERE image <> ''")
    return int(size)


def make_room(store: ReviewStore, coming: int = 0) -> bool:
    """Delete pictures until so many bytes more have room; whether they have."""
    budget = int(store.settings.images_gb * _GIGABYTE)
    gone: list[str] = []
    with store.transaction() as db:
        over = kept_bytes(db) + coming - budget
        for which in _GOING:
            while over > 0:
                rows = db.execute(f"SELECT seq, size FROM frames WHERE {which} LIMIT {_STEP}").fetchall()
                for seq, size in rows:
                    if over > 0:
                        gone.append(drop_picture(db, seq))
                        over -= size
                if not rows:
                    break
    unlink_pictures(store.folder, gone)
    return over <= 0


def drop_unanswered(store: ReviewStore, before: float) -> int:
    """Delete the pictures of frames that nobody has answered and that came before a time; how many."""
    gone: list[str] = []
    sql = f"SELECT seq FROM frames WHERE accepted < ? AND {_UNHELD} AND {_UNANSWERED} LIMIT {_STEP}"
    while True:
        with store.transaction() as db:
            seqs = [seq for (seq,) in db.execute(sql, (before,)).fetchall()]
            found = [drop_picture(db, seq) for seq in seqs]
        unlink_pictures(store.folder, found)
        gone += found
        if len(found) < _STEP:
            return len(gone)


def drop_picture(db: sqlite3.Connection, seq: int) -> str:
    """Forget a frame's picture, whose path is returned; one that was neither drawn nor labelled goes whole.

    A drawn frame that nobody has answered is counted as lost.
    """
    row = db.execute(
        "SELECT image, line, version, accepted, label, probability, "
        "EXISTS (SELECT 1 FROM labels WHERE labels.seq = frames.seq), "
        "EXISTS (SELECT 1 FROM labels WHERE labels.seq = frames.seq AND withdrawn IS NULL) "
        "FROM frames WHERE seq = ?",
        (seq,),
    ).fetchone()
    image, line, version, accepted, label, probability, recorded, answered = row
    if probability is None and not recorded:
        db.execute("DELETE FROM frames WHERE seq = ?", (seq,))
    elif answered:
        db.execute("UPDATE frames SET image = '' WHERE seq = ?", (seq,))
    else:
        db.execute("UPDATE frames SET image = '', state = 'lost' WHERE seq = ?", (seq,))
        if probability is not None:
            add_offered(db, line, version, accepted, stratum_of(label), probability, lost=1)
    return str(image)


def forget_names(store: ReviewStore, before: float) -> int:
    """Put a random name for each person in place of the name in labels older than a time; how many labels.

    One person's labels share it, so that what a person tends to get wrong is still known. The name itself is
    then nowhere in the review. A person who answers again gets a new one next time.
    """
    with store.transaction() as db:
        rows = db.execute(
            "SELECT DISTINCT person FROM labels WHERE time < ? AND person NOT LIKE ?", (before, f"{_NAME}%")
        ).fetchall()
        count = 0
        for (person,) in rows:
            changed = db.execute(
                "UPDATE labels SET person = ? WHERE person = ? AND time < ?",
                (f"{_NAME}{secrets.token_hex(6)}", person, before),
            )
            count += changed.rowcount
    return count


def sweep_pictures(store: ReviewStore, before: float) -> int:
    """Delete pictures without a row, which a process that died has left; how many.

    Args:
        before: those that were put there before, seconds since the epoch: a newer one may get its row yet.
    """
    folder, gone = store.folder / "images", 0
    if not folder.is_dir():
        return 0
    with store.transaction() as db:
        known = {Path(image).name for (image,) in db.execute("SELECT image FROM frames WHERE image <> ''")}
    for path in folder.iterdir():
        if path.name not in known and path.stat().st_ctime < before:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def unlink_pictures(folder: Path, images: Iterable[str]) -> None:
    """Delete pictures that no row names any more.

    Args:
        folder: the review's folder.
        images: their paths in it; "" is none.
    """
    for image in images:
        if image:
            (folder / image).unlink(missing_ok=True)


class ReviewRetention:
    """Deletes what is kept for too long, once an hour.

    Args:
        store: the review's store.
        settings: how long it is kept.
    """

    def __init__(self, store: ReviewStore, settings: ReviewSettings) -> None:
        self._store, self._settings = store, settings
        self._last: float | None = None

    def keep_within(self, now: float | None) -> None:
        """Delete what is older than the settings allow; what fails is logged, and done the next time.

        Args:
            now: seconds since the epoch; None where the clock is not trusted, so that nothing is deleted.
        """
        if now is None or (self._last is not None and 0 <= now - self._last < _EACH_S):
            return
        self._last = now
        try:
            pictures = drop_unanswered(self._store, now - self._settings.days * _DAY)
            names = forget_names(self._store, now - self._settings.name_days * _DAY)
        except (ReviewError, OSError, sqlite3.Error) as e:
            log.error("old pictures of the review not deleted", error=str(e))
            return
        if pictures or names:
            log.info("old data of the review deleted", pictures=pictures, names=names)
