"""Finds what people are to be asked about: walks over new final verdicts, draws frames, and chooses others.

It runs beside the line, as a thread of its own, and writes nothing where frames are judged. How far it has
come stands in the transaction that counts the frames, so each frame counts once, wherever the process dies.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from saec.errors import ReviewError, SpoolError
from saec.profile import Calibration
from saec.schedule.review_order.label_worth import LabelFacts, label_facts, label_worth
from saec.station.review.asked_frames import review_row
from saec.station.review.collecting.kept_calibrations import KeptCalibrations
from saec.station.review.collecting.ordered_choice import encoded_facts, likely_best, order_waiting
from saec.station.review.collecting.population import add_offered, mark_counted, uncounted
from saec.station.review.collecting.review_upkeep import (
    drop_picture,
    make_room,
    sweep_pictures,
    unlink_pictures,
)
from saec.station.review.picture_uses import stated_use
from saec.station.review.random_draw import stratum_of
from saec.station.review.review_pictures import keep_picture
from saec.station.review.review_records import ReviewFrame, ReviewState
from saec.station.review.review_settings import ReviewSettings
from saec.station.review.review_store import ReviewStore
from saec.station.storage.frame_search import FoundFrame
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool import Spool
from saec.station.storage.spool_reader import SpoolReader
from saec.station.threads import Stopping

_EACH_S = 5.0
_TOLD_S = 15.0
"""Seconds between two looks at how the review stands."""

_STEP = 200
"""Verdicts of one transaction."""

_CURSOR, _LAST_N, _LAST_SEQ = "cursor", "last final n", "last final seq"
"""Marks: how far the walk has come, and the last final verdict on its way, by which it knows its spool."""

_FIRST, _IGNORED = "last before the first", "ignored up to"
"""Marks: the last frame before the review began; and the same once the spool is walked over anew."""

_YOUNG_S = 600.0
"""Seconds for which a picture without a row is left alone."""

Calibrations = Callable[[str, str], Calibration | None]
"""The calibration of a line's version; None where it is gone."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Batch:
    """What one look at new verdicts has found.

    Attributes:
        drawn: the frames that are drawn, with the bytes of their pictures; None where the spool forgot it.
        chosen: others by their lines, with what is known of them.
        rows: the rows of those, with the bytes of their pictures.
    """

    drawn: dict[int, tuple[ReviewFrame, int] | None] = field(default_factory=dict)
    chosen: dict[str, dict[int, LabelFacts]] = field(default_factory=dict)
    rows: dict[int, tuple[ReviewFrame, int]] = field(default_factory=dict)


class ReviewCollector:
    """A thread of the station's process.

    Args:
        spool: where the verdicts are.
        data: the station's data folder.
        settings: the section [review].
        lines: names of those in the settings.
        calibration: that of a line's version; None reads those in the data folder.
        drifts: whether the scores of a line drift.
        alarm: told the kind, the text, and what it is about.
        clock: seconds since the epoch.

    Attributes:
        store: the review's store.
        states: how the review of each line stands, as it was seen last; empty at first.
    """

    def __init__(
        self,
        spool: SpoolReader,
        data: Path,
        settings: ReviewSettings,
        lines: Collection[str],
        *,
        calibration: Calibrations | None = None,
        drifts: Callable[[str], bool],
        alarm: Callable[[str, str, str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool, self._data, self._settings, self._lines = spool, data, settings, frozenset(lines)
        self._calibration = calibration or KeptCalibrations(data / "lines")
        self._drifts, self._alarm = drifts, alarm
        self.store = ReviewStore(data, settings, clock)
        self.states: dict[str, ReviewState] = {}
        self._begun, self._complaints, self._told = False, dict[str, str](), -_TOLD_S

    def close(self) -> None:
        self.store.close()

    def run(self, stopping: Stopping) -> None:
        """A thread's body. What fails is told once, and tried again: the line goes on meanwhile."""
        while not stopping.is_set():
            try:
                while self.turn() and not stopping.is_set():
                    pass
                self._complain("thread", "")
                self._tell()
            except (ReviewError, SpoolError, OSError, sqlite3.Error) as e:
                self._complain("thread", f"no frames are collected for review: {e}")
            stopping.wait(_EACH_S)

    def _tell(self) -> None:
        if time.monotonic() - self._told >= _TOLD_S:
            self.states, self._told = self.store.states(), time.monotonic()

    def turn(self) -> bool:
        """Look at the next new verdicts; whether there may be more.

        Raises:
            ReviewError, OSError, sqlite3.Error: nothing of them was counted, and all of it can be done again.
        """
        store = self.store
        if not self._begun:
            self._begin(store)
        with store.transaction() as db:
            cursor = _mark(db, _CURSOR)
        found = self._spool.changes(cursor, _STEP)
        if not found:
            return False
        with store.transaction() as db:
            finals = [one for one in found if _may_count(one, _mark(db, _IGNORED))]
            fresh = uncounted(db, [one.seq for one in finals])
        finals = [one for one in finals if one.seq in fresh]
        batch = self._look(store, finals)
        self._write(store, cursor, found, finals, batch)
        return len(found) == _STEP

    # at the start

    def number_frames(self, spool: Spool) -> None:
        """Have no frame get a number that the review knows from a spool that was lost or restored.

        Where the review cannot be read, it says so later; the line begins.
        """
        with suppress(ReviewError, OSError, sqlite3.Error):
            spool.number_beyond(self.store.last_frame())

    def _begin(self, store: ReviewStore) -> None:
        """Which lines there are, and whether the spool is the one whose verdicts were walked over."""
        with store.transaction() as db:
            db.execute("DELETE FROM retired")
            known = {line for (line,) in db.execute("SELECT DISTINCT line FROM frames")}
            db.executemany("INSERT INTO retired VALUES (?)", [(line,) for line in known - self._lines])
            if db.execute("SELECT 1 FROM marks WHERE name = ?", (_CURSOR,)).fetchone() is None:
                _set_mark(db, _CURSOR, self._spool.last_change())  # what came before was never drawn from
                _set_mark(db, _FIRST, self._spool.last_frame())
            elif not self._knows_spool(db):
                log.warning("the spool is another one, or was repaired: all its verdicts are looked at again")
                _set_mark(db, _CURSOR, 0)
                _set_mark(db, _IGNORED, _mark(db, _FIRST))
        swept = sweep_pictures(store, time.time() - _YOUNG_S)
        if swept:
            log.info("pictures without a record deleted", count=swept)
        self._begun = True

    def _knows_spool(self, db: sqlite3.Connection) -> bool:
        if self._spool.last_change() < _mark(db, _CURSOR):
            return False
        if not (seq := _mark(db, _LAST_SEQ)):
            return True
        newest = self._spool.newest(seq)
        return newest is not None and newest.n == _mark(db, _LAST_N)

    # one look

    def _look(self, store: ReviewStore, finals: Sequence[FoundFrame]) -> _Batch:
        """Which of these frames are drawn, which others may be shown; their pictures are kept."""
        batch, others = _Batch(), dict[str, list[tuple[FoundFrame, LabelFacts]]]()
        for one in finals:
            probability = self._probability(one)
            if store.draw.draws(one.line, one.seq, probability):
                batch.drawn[one.seq] = None
                if (frame := self._spool.frame(one.seq)) is not None:
                    image = self._keep(store, frame)
                    row = review_row(
                        frame,
                        image,
                        one.label or 0,
                        one.decided_by,
                        why="random",
                        use="prove",
                        probability=probability,
                    )
                    batch.drawn[one.seq] = (row, frame.size)
            elif self._settings.ordered and (facts := self._facts(one)) is not None:
                others.setdefault(one.line, []).append((one, facts))
        for line, some in others.items():
            batch.chosen[line] = self._choose(store, line, some, batch)
        return batch

    def _choose(
        self, store: ReviewStore, line: str, some: Sequence[tuple[FoundFrame, LabelFacts]], batch: _Batch
    ) -> dict[int, LabelFacts]:
        """Those of the new frames that have a place in the order of worth, and whose picture is there."""
        best = [some[at] for at in likely_best([facts for _, facts in some])]
        with store.transaction() as db:
            new = {one.seq: facts for one, facts in best}
            places, _ = order_waiting(db, line, new, self._settings.ordered)
        kept: dict[int, LabelFacts] = {}
        for one, facts in best:
            frame = self._spool.frame(one.seq) if one.seq in places else None
            if frame is None or not self._may_teach(store, frame):
                continue
            if image := self._keep(store, frame):
                worth = label_worth(facts)
                row = review_row(
                    frame,
                    image,
                    one.label or 0,
                    one.decided_by,
                    why=worth.why,
                    use="teach",
                    worth=worth.worth,
                )
                batch.rows[one.seq], kept[one.seq] = (row, frame.size), facts
        return kept

    def _may_teach(self, store: ReviewStore, frame: SpooledFrame) -> bool:
        """Not where it proves, is golden, or was shown already: the same picture teaches nothing twice."""
        with store.transaction() as db:
            if stated_use(db, frame.line, frame.sha256, frame.part) not in (None, "teach"):
                return False
            sql = "SELECT 1 FROM frames WHERE sha256 = ?"
            return db.execute(sql, (frame.sha256,)).fetchone() is None

    def _keep(self, store: ReviewStore, frame: SpooledFrame) -> str:
        """Keep a frame's picture; "" where it is gone, or there is no room for it."""
        if not frame.image:
            return ""
        has_room = make_room(store, frame.size)
        text = (
            f"[review] images_gb = {self._settings.images_gb:g} is full of pictures whose labels teach, "
            "so no picture is kept for review; allow more"
        )
        self._complain("room", "" if has_room else text)
        if not has_room:
            return ""
        try:
            return keep_picture(self._spool.path(frame), store.folder, frame.seq)
        except FileNotFoundError:
            return ""

    def _facts(self, one: FoundFrame) -> LabelFacts | None:
        """What makes a label of a frame worth something; None where too little is known."""
        verdicts = self._spool.verdicts(one.seq)
        final, early = verdicts.get("final"), verdicts.get("provisional")
        calibration = self._calibration(one.line, one.version)
        if final is None or final.label is None or final.score is None or calibration is None:
            return None
        changed = early is not None and early.label != final.label
        return label_facts(final, calibration, changed=changed, drifting=self._drifts(one.line))

    def _write(
        self,
        store: ReviewStore,
        cursor: int,
        found: Sequence[FoundFrame],
        finals: Sequence[FoundFrame],
        batch: _Batch,
    ) -> None:
        """Counts, frames and cursor at once; then the pictures go whose frames had to make place."""
        gone: list[str] = []
        with store.transaction() as db:
            if _mark(db, _CURSOR) != cursor:  # another collector was faster
                return
            for one in finals:
                self._count(store, db, one, batch)
            mark_counted(db, [one.seq for one in finals])
            for line, facts in batch.chosen.items():
                gone += self._place(store, db, line, facts, batch)
            if finals:
                _set_mark(db, _LAST_N, finals[-1].n)
                _set_mark(db, _LAST_SEQ, finals[-1].seq)
            _set_mark(db, _CURSOR, found[-1].n)
        unlink_pictures(store.folder, gone)

    def _count(self, store: ReviewStore, db: sqlite3.Connection, one: FoundFrame, batch: _Batch) -> None:
        """Count a frame, and put it before people where it is drawn. Without a picture it is lost."""
        drawn, found = one.seq in batch.drawn, batch.drawn.get(one.seq)
        lost = drawn and (found is None or not found[0].image)
        probability = self._probability(one)
        sums = {"frames": 1, "drawn": int(drawn), "lost": int(lost)}
        add_offered(db, one.line, one.version, one.time, stratum_of(one.label or 0), probability, **sums)
        if found is None:
            return
        store.put_within(db, *found)
        as_drawn = "UPDATE frames SET why = 'random', probability = ? WHERE seq = ? AND probability IS NULL"
        db.execute(as_drawn, (probability, one.seq))  # of a frame that somebody had asked for before
        db.execute("UPDATE frames SET state = 'lost' WHERE seq = ? AND image = ''", (one.seq,))

    def _place(
        self,
        store: ReviewStore,
        db: sqlite3.Connection,
        line: str,
        facts: dict[int, LabelFacts],
        batch: _Batch,
    ) -> list[str]:
        """Put new frames among those that wait; the pictures of those that no longer do."""
        places, left = order_waiting(db, line, facts, self._settings.ordered)
        gone = []
        for seq in facts:
            row, size = batch.rows[seq]
            stated = stated_use(db, line, row.sha256, row.part)  # by a draw a moment ago
            if seq in places and stated in (None, "teach"):
                store.put_within(db, row, size)
                db.execute("UPDATE frames SET facts = ? WHERE seq = ?", (encoded_facts(facts[seq]), seq))
            else:
                gone.append(row.image)
        db.executemany("UPDATE frames SET place = ? WHERE seq = ?", [(at, seq) for seq, at in places.items()])
        for seq in left:
            held = db.execute("SELECT 1 FROM leases WHERE seq = ?", (seq,)).fetchone()
            if seq not in facts and held is None:
                gone.append(drop_picture(db, seq))
        return gone

    def _probability(self, one: FoundFrame) -> float:
        passed = stratum_of(one.label or 0) == "passed"
        return self._settings.passed if passed else self._settings.rejected

    def _complain(self, about: str, text: str) -> None:
        """An alarm for what is wrong, once as long as it is the same; "" where all is well."""
        if text and text != self._complaints.get(about):
            log.error("review", error=text)
            self._alarm("review", text, "review")
        self._complaints[about] = text


def _may_count(one: FoundFrame, ignored: int) -> bool:
    return one.state == "final" and one.label is not None and one.seq > ignored


def _mark(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def _set_mark(db: sqlite3.Connection, name: str, value: int) -> None:
    db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))
