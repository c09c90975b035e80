"""Frames of the station's record that are taken into the review because somebody has a label for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from saec.station.exchange.label_import import Admit
from saec.station.maintenance.frame_replay import find_frame
from saec.station.review.asked_frames import put_asked
from saec.station.review.review_store import ReviewStore
from saec.station.storage.spool_reader import SpoolReader


@contextmanager
def recorded_frames(data: Path, store: ReviewStore) -> Iterator[Admit]:
    """What takes frames of a station's record into its review, to teach.

    Args:
        data: the station's data folder.
        store: the review that takes them.

    Raises:
        SpoolError: there is no spool.
    """
    with closing(SpoolReader.beside(data)) as reader:
        yield lambda id: put_asked(store, reader, find_frame(reader, id))
