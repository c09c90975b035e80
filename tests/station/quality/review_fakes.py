"""A review with answers, written through its own store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from saec.station.review.random_draw import stratum_of
from saec.station.review.review_records import ReviewAnswer, ReviewFrame
from saec.station.review.review_store import ReviewStore

HOUR = 3600.0
BEGIN = 500_000 * HOUR


def offer(
    data: Path,
    label: int,
    frames: int,
    drawn: int,
    *,
    hour: float = BEGIN,
    chance: float = 0.1,
    line: str = "cell",
) -> None:
    """So many final verdicts of a label came in an hour, and so many of them were drawn."""
    with closing(ReviewStore(data)) as store, store.transaction() as db:
        db.execute(
            "INSERT INTO offered (line, version, hour, stratum, probability, frames, drawn, lost) "
            "VALUES (?, '1', ?, ?, ?, ?, ?, 0)",
            (line, int(hour // HOUR), stratum_of(label), chance, frames, drawn),
        )


def review(
    data: Path,
    first: int,
    verdicts: Sequence[int],
    answers: Sequence[Sequence[int | None]],
    *,
    hour: float = BEGIN,
    chance: float | None = 0.1,
    line: str = "cell",
) -> None:
    """Frames from a number on, with their verdicts, and what people answered of each."""
    with closing(ReviewStore(data)) as store:
        for at, (verdict, said) in enumerate(zip(verdicts, answers, strict=True)):
            seq = first + at
            store.put(
                ReviewFrame(
                    seq=seq,
                    frame=f"{line}-{seq:010d}",
                    line=line,
                    sha256=f"{seq:064x}",
                    image="",
                    part="",
                    version="1",
                    label=verdict,
                    decided_by="edge",
                    accepted=hour + at,
                    why="random" if chance is not None else "gate",
                    probability=chance,
                    worth=0.0,
                    use="prove" if chance is not None else "teach",
                )
            )
            for person, label in enumerate(said):
                store.answer(f"person-{person}", seq, ReviewAnswer(label=label, seconds=2.0))
