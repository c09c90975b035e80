"""Frames of a person's own choice, put into the review whatever they were judged."""

from __future__ import annotations

from saec.errors import ReviewError
from saec.station.review.review_pictures import keep_picture
from saec.station.review.review_records import ReviewFrame, Use, Why
from saec.station.review.review_store import ReviewStore
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool_reader import SpoolReader

_REMEDY = "choose a newer frame"


def put_asked(store: ReviewStore, reader: SpoolReader, frame: SpooledFrame) -> ReviewFrame:
    """Put a frame into the review because somebody asks for it; one that is there already stays as it is.

    It was not drawn, so it says nothing about rates, unless it was drawn before or is drawn later.

    Raises:
        ReviewError: it has no final verdict with a label, shows a golden part, or its picture is gone.
    """
    verdict = reader.verdicts(frame.seq).get("final")
    if verdict is None or verdict.label is None or frame.challenge:
        why = "shows a golden part" if frame.challenge else "has no final verdict with a label"
        raise ReviewError(f"the frame {frame.id} {why}", _REMEDY)
    try:
        if not frame.image:
            raise FileNotFoundError
        image = keep_picture(reader.folder / frame.image, store.folder, frame.seq)
    except FileNotFoundError as e:
        raise ReviewError(f"the picture of {frame.id} was deleted", _REMEDY) from e
    asked = review_row(frame, image, verdict.label, verdict.decided_by, why="asked", use="teach")
    return store.put(asked, frame.size)


def review_row(
    frame: SpooledFrame,
    image: str,
    label: int,
    decided_by: str,
    *,
    why: Why,
    use: Use,
    probability: float | None = None,
    worth: float = 0.0,
) -> ReviewFrame:
    """The row of a frame of the spool.

    Args:
        frame: the frame, whose verdict is final.
        image: path of its picture in the review's folder; "" without one.
        label, decided_by: those of its verdict.
        why, use, probability, worth: see ``ReviewFrame``.
    """
    return ReviewFrame(
        seq=frame.seq,
        frame=frame.id,
        line=frame.line,
        sha256=frame.sha256,
        image=image,
        part=frame.part,
        version=frame.version,
        label=label,
        decided_by=decided_by,
        accepted=frame.accepted,
        why=why,
        probability=probability,
        worth=worth,
        use=use,
    )
