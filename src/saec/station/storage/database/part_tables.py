"""The tables of parts that get a verdict of their own with the frames that show them, and of challenges."""

from __future__ import annotations

PARTS = """
CREATE TABLE IF NOT EXISTS parts (
    seq INTEGER PRIMARY KEY REFERENCES frames (seq) ON DELETE CASCADE,
    line TEXT NOT NULL, part TEXT NOT NULL, begun REAL NOT NULL, due REAL NOT NULL,
    decided REAL, act INTEGER NOT NULL DEFAULT 0, verdict BLOB);
CREATE INDEX IF NOT EXISTS parts_named ON parts (part, line, seq);
CREATE INDEX IF NOT EXISTS parts_open ON parts (due) WHERE decided IS NULL;
CREATE TABLE IF NOT EXISTS views (
    seq INTEGER PRIMARY KEY REFERENCES frames (seq) ON DELETE CASCADE, first INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS views_first ON views (first, seq);
"""
"""A part that comes is a row of ``parts``, by the number of its first frame; when it comes again it is
another row. ``due`` is when its missing frames are missed, ``decided`` when its one verdict was written.
``views`` has a row for each frame of such a part; ``first`` is the part's number."""

CHALLENGES = """
CREATE TABLE IF NOT EXISTS challenges (
    n INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL, begun REAL NOT NULL, state TEXT NOT NULL,
    last INTEGER NOT NULL DEFAULT 0, record BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS challenges_line ON challenges (line, n);
CREATE INDEX IF NOT EXISTS challenges_last ON challenges (last) WHERE last > 0;
"""
"""``last`` is the number of the run's last frame, under which sinks are sent its result; 0 until then."""
