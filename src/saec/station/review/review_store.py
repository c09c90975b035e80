"""The review of a station: frames that people are asked about, and what they answered.

The station, the page and the command line each have their own ``ReviewStore`` on the same folder. Each change
is one transaction, so two people never get one frame, and an answer is there once or not at all.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from saec.errors import ReviewError
from saec.station.review import review_sums
from saec.station.review.picture_uses import settle_part, state_use, stated_use
from saec.station.review.random_draw import RandomDraw, draw_secret
from saec.station.review.review_database import (
    FRAME_COLUMNS,
    LABEL_COLUMNS,
    REVIEW,
    frame_row,
    label_row,
    open_review,
)
from saec.station.review.review_queue import lease_frames, lend_frame, next_reasons
from saec.station.review.review_records import (
    Label,
    OfferedCount,
    ReviewAnswer,
    ReviewedFrame,
    ReviewFrame,
    ReviewState,
    ReviewTask,
    Use,
)
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.settled_answers import reviewed_frame, same_answer, wants_opinion
from saec.station.storage.database.shared_database import SharedDatabase

_LABELS = f"SELECT {LABEL_COLUMNS} FROM labels JOIN frames USING (seq) "


class ReviewStore:
    """Frames, labels and leases; safe to use from several threads, and from several processes at once.

    Args:
        data: the station's data folder.
        settings: the section [review].
        clock: seconds since the epoch.

    Attributes:
        folder: the review's folder.

    It is opened at its first use, so who has it works on where it is damaged. Each method raises ReviewError
    then, or where it is of another version.
    """

    def __init__(
        self, data: Path, settings: ReviewSettings | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self.settings, self._clock = data / REVIEW, settings or ReviewSettings(), clock
        with suppress(OSError):  # what needs it says so
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._opening = threading.RLock()
        self._opened: SharedDatabase | None = None

    @cached_property
    def draw(self) -> RandomDraw:
        """Draws frames at random."""
        with self._opening:
            return RandomDraw(draw_secret(self.folder))

    @property
    def _db(self) -> SharedDatabase:
        with self._opening:
            if self._opened is None:
                self._opened = open_review(self.folder)
            return self._opened

    def close(self) -> None:
        with self._opening:
            if self._opened is not None:
                self._opened.close()

    # people

    def take(self, person: str, line: str | None = None, most: int = 2) -> list[ReviewTask]:
        """The next frames for a person: those that the person has already, second opinions, then new ones.

        Args:
            person: who is asked.
            line: takes this line only; None takes all.
            most: how many; with two, the next is there when the first is answered.
        """
        with self._db.transaction() as db:
            return lease_frames(db, person, line, most, self._clock(), self.settings.lease_s)

    def release(self, person: str) -> None:
        """Others may have the frames that a person has and has not answered."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM leases WHERE person = ?", (person,))

    def answer(self, person: str, seq: int, answer: ReviewAnswer, origin: str = "page") -> Label:
        """Record what a person says of a frame. The same answer again is the same record.

        Args:
            person: who answers.
            seq: the frame.
            answer: what the person says.
            origin: where it comes from, see ``Label``.

        Raises:
            ReviewError: no such frame, another person has it now, or this person has answered otherwise.
        """
        with self._db.transaction() as db:
            frame = self._frame(db, seq)
            known = self._standing(db, seq)
            for label in known:
                if label.person == person:
                    if same_answer(label.answer, answer):
                        return label
                    raise ReviewError(
                        f"you have answered {frame.frame} already", "take that answer back first"
                    )
            holder = db.execute("SELECT person, until FROM leases WHERE seq = ?", (seq,)).fetchone()
            if holder is not None and holder[0] != person and holder[1] > self._clock():
                raise ReviewError(f"somebody else has {frame.frame} now", "go on with the next frame")
            blind = bool(known) or (origin != "page" and (holder is None or holder[0] != person))
            shown = ("", None) if blind else (frame.version, frame.label)
            values = (seq, person, self._clock(), msgspec.json.encode(answer), *shown, origin)
            into = "labels (seq, person, time, answer, shown_version, shown_label, origin)"
            sql = f"INSERT INTO {into} VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING n"
            ((n,),) = db.execute(sql, values).fetchall()
            db.execute("DELETE FROM leases WHERE seq = ?", (seq,))
            if frame.probability is None:
                use = settle_part(db, frame.line, frame.part, frame.use, self._clock())
                db.execute("UPDATE frames SET use = ? WHERE seq = ?", (use, seq))
            self._restate(db, frame)
            return self._label(db, n)

    def undo(self, person: str) -> ReviewTask | None:
        """Take back the newest answer that a person gave here, and hand the frame back."""
        rows = self._db.rows(
            "SELECT n FROM labels WHERE person = ? AND withdrawn IS NULL AND origin IN ('page', 'http') "
            "ORDER BY n DESC LIMIT 1",
            (person,),
        )
        return self.withdraw(person, rows[0][0]) if rows else None

    def withdraw(self, person: str, n: int) -> ReviewTask | None:
        """Take one answer of a person back, and hand the frame back; None where there is none that stands.

        The record stays, with the time at which it was taken back.
        """
        with self._db.transaction() as db:
            row = db.execute(
                "UPDATE labels SET withdrawn = ? WHERE n = ? AND person = ? AND withdrawn IS NULL "
                "RETURNING seq",
                (self._clock(), n, person),
            ).fetchone()
            if row is None:
                return None
            frame = self._frame(db, row[0])
            state = self._restate(db, frame)
            until = self._clock() + self.settings.lease_s
            if state in ("waiting", "second"):
                lend_frame(db, person, frame.seq, self._clock(), self.settings.lease_s)
            return ReviewTask(frame=frame, second=state == "second", until=until)

    def ask_second(self, seq: int) -> None:
        """Ask another person about a frame, whatever was answered.

        Raises:
            ReviewError: no such frame.
        """
        with self._db.transaction() as db:
            frame = self._frame(db, seq)
            db.execute("UPDATE frames SET asked = 1 WHERE seq = ?", (seq,))
            self._restate(db, frame)

    # frames in

    def put(self, frame: ReviewFrame, size: int = 0) -> ReviewFrame:
        """Take a frame in; one that is there already stays as it is, but for a reason to ask.

        What was stated of the picture's use before holds: the frame that is returned says so.

        Args:
            frame: its row; the picture lies in the folder.
            size: bytes of the picture.
        """
        with self._db.transaction() as db:
            return self.put_within(db, frame, size)

    def put_within(self, db: sqlite3.Connection, frame: ReviewFrame, size: int) -> ReviewFrame:
        """``put`` within a transaction of the caller's."""
        use = stated_use(db, frame.line, frame.sha256, frame.part) or frame.use
        part = frame.part if frame.probability is not None else ""  # else it is stated with a label
        state_use(db, frame.line, frame.sha256, part, use, self._clock())
        kept = msgspec.structs.replace(frame, use=use)
        db.execute(
            f"INSERT OR IGNORE INTO frames ({FRAME_COLUMNS}, size, mixed) VALUES ({', '.join('?' * 16)})",
            (*msgspec.structs.astuple(kept), size, self.draw.mixed(frame.line, frame.seq)),
        )
        if frame.why == "asked":
            db.execute(
                "UPDATE frames SET why = CASE WHEN probability IS NULL THEN 'asked' ELSE why END, "
                "worth = MAX(worth, ?) WHERE seq = ?",
                (frame.worth, frame.seq),
            )
        return self._frame(db, frame.seq)

    def transaction(self) -> Any:
        """One transaction, for what writes several things at once."""
        return self._db.transaction()

    # what is known

    def frame(self, seq: int) -> ReviewFrame | None:
        """A frame's row; None where it is not of the review."""
        rows = self._db.rows(f"SELECT {FRAME_COLUMNS} FROM frames WHERE seq = ?", (seq,))
        return next(map(frame_row, rows), None)

    def reviewed_frame(self, seq: int) -> ReviewedFrame | None:
        """A frame with its answers; None where it is not of the review."""
        frame = self.frame(seq)
        if frame is None:
            return None
        return reviewed_frame(frame, self._labels("labels.seq = ? AND withdrawn IS NULL", (seq,)))

    def reviewed(
        self,
        line: str | None = None,
        *,
        since: float | None = None,
        until: float | None = None,
        version: str | None = None,
        use: Use | None = None,
        settled_only: bool = False,
    ) -> Iterator[ReviewedFrame]:
        """The frames with answers that stand, by the time at which they came.

        Args:
            line: takes this line only.
            since, until: accepted in this window, seconds since the epoch; ``until`` is left out.
            version: takes what this version judged.
            use: takes this use only.
            settled_only: only frames on which people agree.
        """
        conditions = {
            "line = ?": line,
            "accepted >= ?": since,
            "accepted < ?": until,
            "version = ?": version,
            "use = ?": use,
        }
        given = {sql: value for sql, value in conditions.items() if value is not None}
        rows = self._db.rows(
            f"SELECT {FRAME_COLUMNS} FROM frames WHERE EXISTS (SELECT 1 FROM labels "
            "WHERE labels.seq = frames.seq AND withdrawn IS NULL)"
            f"{''.join(f' AND {sql}' for sql in given)} ORDER BY accepted, seq",
            list(given.values()),
        )
        answers: dict[int, list[Label]] = {}
        for label in self._labels(" AND ".join(["withdrawn IS NULL", *given]), list(given.values())):
            answers.setdefault(label.seq, []).append(label)
        for frame in map(frame_row, rows):
            if labels := answers.get(frame.seq):
                found = reviewed_frame(frame, labels)
                if found.settled is not None or not settled_only:
                    yield found

    def labels(
        self, person: str | None = None, line: str | None = None, most: int = 20, *, withdrawn: bool = False
    ) -> list[Label]:
        """The newest labels.

        Args:
            person: takes this person only.
            line: takes this line only.
            most: how many.
            withdrawn: those that were taken back as well.
        """
        conditions = ["TRUE" if withdrawn else "withdrawn IS NULL"]
        values = list[Any]()
        for sql, value in (("labels.person = ?", person), ("frames.line = ?", line)):
            if value is not None:
                conditions.append(sql)
                values.append(value)
        rest = f"ORDER BY labels.n DESC LIMIT {int(most)}"
        return list(self._labels(" AND ".join(conditions), values, rest))

    def kinds(self, line: str | None = None) -> list[str]:
        """The kinds of defects that people have named."""
        return review_sums.named_kinds(self._db, line)

    def offered(
        self,
        line: str | None = None,
        since: float | None = None,
        until: float | None = None,
        version: str | None = None,
    ) -> list[OfferedCount]:
        """How many final verdicts there were and how many were drawn, by hour; whole hours in the window.

        An hour belongs to the window in which it begins.
        """
        return review_sums.offered_counts(self._db, line, since, until, version)

    def counts(self, line: str | None = None) -> dict[str, int]:
        """How many frames wait, by why they are shown ("second" where another person is asked)."""
        return review_sums.waiting_by_reason(self._db, line)

    def last_frame(self) -> int:
        """The last frame that the review knows or has counted; 0 before the first."""
        return review_sums.last_reviewed(self._db)

    def states(self) -> dict[str, ReviewState]:
        """How the review of each line stands, by its name."""
        return review_sums.review_states(self._db)

    def upcoming(self, line: str | None = None, most: int = 100) -> dict[str, int]:
        """What the next frames are shown for, and how many; the largest number first."""
        with self._db.transaction() as db:
            return next_reasons(db, line, most)

    def lend(self, person: str, seq: int) -> bool:
        """Show a person one certain frame next; False where somebody else has it now."""
        with self._db.transaction() as db:
            return lend_frame(db, person, seq, self._clock(), self.settings.lease_s)

    def answered_since(self, since: float, person: str | None = None, line: str | None = None) -> int:
        """How many answers that stand were given since a time."""
        return review_sums.labels_since(self._db, since, person, line)

    def picture(self, frame: ReviewFrame) -> Path:
        """The picture of a frame.

        Raises:
            ReviewError: it is not kept any more.
        """
        if not frame.image:
            what = f"the picture of {frame.frame} is not kept any more"
            raise ReviewError(what, "go on with another frame")
        return self.folder / frame.image

    # what pictures are for

    def claim_use(self, line: str, sha256: str, part: str, use: Use) -> Use:
        """State what a picture, and its part, may be used for; the first statement holds and is returned."""
        with self._db.transaction() as db:
            return state_use(db, line, sha256, part, use, self._clock())

    def use_of(self, line: str, sha256: str, part: str = "") -> Use | None:
        """What a picture or its part may be used for; None where nothing was stated."""
        with self._db.transaction() as db:
            return stated_use(db, line, sha256, part)

    # within

    def _frame(self, db: sqlite3.Connection, seq: int) -> ReviewFrame:
        row = db.execute(f"SELECT {FRAME_COLUMNS} FROM frames WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            raise ReviewError(f"the frame {seq} is not in the review", "load the page again")
        return frame_row(row)

    def _standing(self, db: sqlite3.Connection, seq: int) -> list[Label]:
        rows = db.execute(
            f"{_LABELS} WHERE labels.seq = ? AND withdrawn IS NULL ORDER BY labels.n", (seq,)
        ).fetchall()
        return [label_row(row) for row in rows]

    def _label(self, db: sqlite3.Connection, n: int) -> Label:
        return label_row(db.execute(f"{_LABELS} WHERE labels.n = ?", (n,)).fetchone())

    def _labels(
        self, where: str, values: Sequence[Any], rest: str = "ORDER BY labels.n"
    ) -> tuple[Label, ...]:
        return tuple(label_row(row) for row in self._db.rows(f"{_LABELS} WHERE {where} {rest}", values))

    def _restate(self, db: sqlite3.Connection, frame: ReviewFrame) -> str:
        """What a frame waits for now, by the answers that stand."""
        ((asked,),) = db.execute("SELECT asked FROM frames WHERE seq = ?", (frame.seq,)).fetchall()
        labels = self._standing(db, frame.seq)
        drawn = frame.probability is not None
        wished = bool(asked) or any(label.answer.second for label in labels)
        wished = wished or (drawn and self.draw.asks_twice(frame.line, frame.seq, self.settings.second))
        answers = [label.answer.label for label in labels]
        state = "done" if labels else "waiting"
        if wants_opinion(frame.label, answers, drawn=drawn, asked=wished):
            state = "second"
        db.execute("UPDATE frames SET state = ? WHERE seq = ?", (state, frame.seq))
        return state
