"""Frames of the station's record that are taken into the review because somebody has a label for them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Self

from saec.errors import SpoolError
from saec.station.maintenance.frame_replay import find_frame
from saec.station.review.review_pictures import keep_picture
from saec.station.review.review_records import ReviewFrame
from saec.station.review.review_store import ReviewStore
from saec.station.storage.spool_reader import SpoolReader

_WORTH = 1.0


class RecordedFrames:
    """The frames of a station, read beside it.

    Args:
        data: the station's data folder.
        store: the review that takes them.

    Raises:
        SpoolError: there is no spool.
    """

    def __init__(self, data: Path, store: ReviewStore) -> None:
        self._reader, self._store = SpoolReader.beside(data), store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def admit(self, id: str) -> ReviewFrame | None:
        """Take a frame into the review, to teach; None where it is not there, has no label or no picture."""
        try:
            frame = find_frame(self._reader, id)
        except SpoolError:
            return None
        verdict = self._reader.verdicts(frame.seq).get("final")
        if verdict is None or verdict.label is None or not frame.image:
            return None
        with suppress(FileNotFoundError):  # retention was faster
            source = self._reader.path(frame)
            image = keep_picture(source, self._store.folder, frame.seq)
            return self._store.put(
                ReviewFrame(
                    seq=frame.seq,
                    frame=frame.id,
                    line=frame.line,
                    sha256=frame.sha256,
                    image=image,
                    part=verdict.part,
                    version=frame.version,
                    label=verdict.label,
                    decided_by=verdict.decided_by,
                    accepted=frame.accepted,
                    why="asked",
                    probability=None,
                    worth=_WORTH,
                    use="teach",
                ),
                frame.size,
            )
        return None
