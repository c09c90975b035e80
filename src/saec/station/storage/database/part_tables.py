"""The tables of parts that get a verdict of their own, and of the frames that show them."""

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
