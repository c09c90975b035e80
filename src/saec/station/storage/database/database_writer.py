"""The one connection that writes to the spool's database; all writes are transactions, one at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saec.station.storage.database.damage import Damage
from saec.station.storage.database.schema import lock_folder, open_database
from saec.station.storage.storage_quota import StorageQuota


class DatabaseWriter:
    """Owns the data folder and writes to its database; safe to use from several threads.

    Args:
        folder: the station's data; made where it is missing.
        quota: its counts go back with a transaction that fails.
        damage: is told where the database is damaged.

    Attributes:
        db: the connection, for who holds ``lock``.
        lock: held while something is synced, so by no one who may not wait.

    Raises:
        SpoolError: another process owns the folder, or the database is damaged or of another version.
    """

    def __init__(self, folder: Path, quota: StorageQuota, damage: Damage) -> None:
        self.quota, self.lock = quota, threading.RLock()
        self._owner = lock_folder(folder / "spool.lock")
        try:
            self.db = open_database(folder / "spool.sqlite", damage)
        except BaseException:
            os.close(self._owner)
            raise

    def close(self) -> None:
        """Checkpoint and let the folder go."""
        with self.lock:
            self.db.close()
            os.close(self._owner)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is on the disk when this returns, or nothing of it ever is."""
        with self.lock:
            before = self.quota.open_frames, self.quota.images
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                self.quota.open_frames, self.quota.images = before
                raise
