"""The file of a review, DATA/review/review.sqlite: frames, labels, leases, uses, and what was offered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from saec.decoding import decode
from saec.errors import ReviewError
from saec.station.review.review_records import Label, ReviewAnswer, ReviewFrame
from saec.station.storage.database.shared_database import SharedDatabase

REVIEW = "review"
"""The review's folder in the data folder."""

FILE = "review.sqlite"

_SCHEMA = """
CREATE TABLE frames (
    seq INTEGER PRIMARY KEY, frame TEXT NOT NULL, line TEXT NOT NULL, sha256 TEXT NOT NULL,
    image TEXT NOT NULL, part TEXT NOT NULL, version TEXT NOT NULL, label INTEGER NOT NULL,
    decided_by TEXT NOT NULL, accepted REAL NOT NULL, why TEXT NOT NULL, probability REAL,
    worth REAL NOT NULL, use TEXT NOT NULL, size INTEGER NOT NULL, asked INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'second', 'done', 'lost')),
    mixed REAL NOT NULL DEFAULT 0, place INTEGER NOT NULL DEFAULT 0, facts BLOB);
CREATE INDEX frames_waiting ON frames (state, line, why, worth, seq) WHERE state IN ('waiting', 'second');
CREATE INDEX frames_kept ON frames (accepted) WHERE image <> '';
CREATE INDEX frames_pictures ON frames (sha256);
CREATE INDEX frames_line ON frames (line, accepted);
CREATE TABLE labels (
    n INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL REFERENCES frames (seq),
    person TEXT NOT NULL, time REAL NOT NULL, answer BLOB NOT NULL, shown_version TEXT NOT NULL,
    shown_label INTEGER, withdrawn REAL, origin TEXT NOT NULL);
CREATE UNIQUE INDEX labels_standing ON labels (seq, person) WHERE withdrawn IS NULL;
CREATE INDEX labels_person ON labels (person, n);
CREATE TABLE leases (
    seq INTEGER PRIMARY KEY REFERENCES frames (seq) ON DELETE CASCADE, person TEXT NOT NULL,
    until REAL NOT NULL);
CREATE TABLE uses (key TEXT PRIMARY KEY, use TEXT NOT NULL, since REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE offered (
    line TEXT NOT NULL, version TEXT NOT NULL, hour INTEGER NOT NULL, stratum TEXT NOT NULL,
    probability REAL NOT NULL, frames INTEGER NOT NULL, drawn INTEGER NOT NULL, lost INTEGER NOT NULL,
    PRIMARY KEY (line, version, hour, stratum, probability)) WITHOUT ROWID;
CREATE TABLE counted (block INTEGER PRIMARY KEY, bits BLOB NOT NULL);
CREATE TABLE retired (line TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
"""``mixed`` is a uniform number: the drawn frames of a day are shown in its order, so that those that were
answered are a random choice of them. ``place``: that of a frame in the order of worth, 0 first. ``facts``:
what that order is made of. ``counted`` has a bit for each frame that is in ``offered``. ``retired``: lines
that are not in the settings any more.
"""

FRAME_COLUMNS = (
    "seq, frame, line, sha256, image, part, version, label, decided_by, accepted, why, probability, "
    "worth, use"
)
LABEL_COLUMNS = (
    "labels.n, labels.seq, frames.frame, frames.line, labels.person, labels.time, labels.answer, "
    "labels.shown_version, labels.shown_label, labels.withdrawn, labels.origin"
)


def open_review(folder: Path) -> SharedDatabase:
    """The database of a review's folder; made where there is none.

    Raises:
        ReviewError: it is damaged, or of another version.
    """
    remedy = "restore the folder review from a backup; or move it away, and the review begins anew"
    return SharedDatabase(folder / FILE, _SCHEMA, error=ReviewError, remedy=remedy)


def frame_row(row: Iterable[Any]) -> ReviewFrame:
    """A frame from its ``FRAME_COLUMNS``."""
    names = ReviewFrame.__struct_fields__
    return ReviewFrame(**dict(zip(names, row, strict=True)))


def label_row(row: Iterable[Any]) -> Label:
    """A label from its ``LABEL_COLUMNS``."""
    n, seq, frame, line, person, time, answer, version, shown, withdrawn, origin = row
    return Label(
        n=n,
        seq=seq,
        frame=frame,
        line=line,
        person=person,
        time=time,
        answer=decode(answer, ReviewAnswer),
        shown_version=version,
        shown_label=shown,
        withdrawn=withdrawn,
        origin=origin,
    )
