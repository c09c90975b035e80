"""Labels that other programs made, taken into the review as answers of the people who gave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from saec.data.dataset import open_dataset
from saec.data.items import Item
from saec.data.manifest import hash_item
from saec.data.masks import mask_pixels
from saec.errors import SaecError
from saec.settings import DataConfig
from saec.station.review.place_checks import checked_place
from saec.station.review.place_masks import mask_outlines
from saec.station.review.review_lookup import find_picture, last_label
from saec.station.review.review_pictures import upright_size
from saec.station.review.review_records import MarkedPlace, ReviewAnswer, ReviewFrame
from saec.station.review.review_store import ReviewStore
from saec.types import DEFECT

Admit = Callable[[str], ReviewFrame]
"""Takes a frame of the station's record, by its id, into the review; SaecError where that cannot be."""


class GivenLabel(msgspec.Struct, frozen=True, kw_only=True):
    """One label of another program.

    Attributes:
        frame: id of the frame, as the file says it; "" when unknown.
        sha256: hash of the picture, "" when unknown.
        person: who answered.
        answer: what the person said.
        where: the place in the file, for errors.
    """

    frame: str
    sha256: str
    person: str
    answer: ReviewAnswer
    where: str


class LabelImport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an import.

    Attributes:
        taken: labels that are new.
        known: labels that were there already.
        refused: why others were not taken, one sentence each.
    """

    taken: int
    known: int
    refused: list[str]


def import_labels(
    store: ReviewStore, labels: Iterable[GivenLabel], *, origin: str, admit: Admit
) -> LabelImport:
    """Take labels into the review; an answer that stands is never changed.

    Args:
        store: the review.
        labels: what another program gave.
        origin: the file that they come from, as each record says it.
        admit: takes frames in that are not of the review yet.
    """
    with store.transaction() as db:
        newest = last_label(db)
    taken, known = set[int](), 0
    refused: list[str] = []
    for label in labels:
        try:
            frame = _frame_of(store, label, admit)
            given = store.answer(label.person, frame.seq, _within(store, frame, label.answer), origin)
            known += given.n <= newest or given.n in taken
            if given.n > newest:
                taken.add(given.n)
        except SaecError as e:
            refused.append(f"{label.where}: {e.what}")
    return LabelImport(taken=len(taken), known=known, refused=refused)


def dataset_labels(root: Path, person: str, *, layout: str = DataConfig().layout) -> Iterator[GivenLabel]:
    """The labels of a data set in any layout that is read; pictures are known by their bytes, else by name.

    Args:
        root: the data set, such as an export that was labelled further.
        person: who answered.
        layout: see ``open_dataset``.

    Raises:
        DataError: it cannot be read.
    """
    for item in open_dataset(root, layout=layout).items:
        if item.label is not None:
            kind = "" if item.kind == "good" else item.kind
            answer = ReviewAnswer(
                label=item.label, kind=kind if item.label == DEFECT else "", place=_place(item)
            )
            yield GivenLabel(
                frame=item.path.stem,
                sha256=hash_item(item),
                person=person,
                answer=answer,
                where=str(item.path),
            )


def _place(item: Item) -> MarkedPlace | None:
    if item.mask is None or item.label != DEFECT:
        return None
    try:
        width, height = upright_size(item.path)
    except OSError:
        return None
    marked = mask_pixels(item.mask, (height, width))
    outlines = mask_outlines(np.asarray(marked, np.bool_))
    return MarkedPlace(outlines=outlines) if outlines else None


def _frame_of(store: ReviewStore, label: GivenLabel, admit: Admit) -> ReviewFrame:
    with store.transaction() as db:
        found = find_picture(db, label.sha256, label.frame)
    return found or admit(label.frame)


def _within(store: ReviewStore, frame: ReviewFrame, answer: ReviewAnswer) -> ReviewAnswer:
    """An answer whose place lies in the picture."""
    if answer.place is None:
        return answer
    try:
        width, height = upright_size(store.picture(frame))
    except OSError:
        return msgspec.structs.replace(answer, place=None)
    return msgspec.structs.replace(answer, place=checked_place(answer.place, width, height))
