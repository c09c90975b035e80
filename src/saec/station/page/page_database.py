"""The page's own small database, DATA/page/page.sqlite: what was acknowledged, and how the links were."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_PATIENCE = 10.0
"""Seconds that a write waits for one of another connection."""


def open_page_database(folder: Path, schema: str) -> sqlite3.Connection:
    """A connection of one's own, for any thread that holds one's lock.

    Args:
        folder: the page's; made where it is missing, for this account alone.
        schema: makes one's tables where there are none.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "page.sqlite"
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(schema)
    return db
