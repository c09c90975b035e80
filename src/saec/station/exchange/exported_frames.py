"""What is handed out of a review: pictures as they are, what people agree on, and what each is for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from saec.data.images.pixels import decode_image
from saec.data.items import stated_kind
from saec.errors import ImageError, ReviewError
from saec.station.review.place_masks import PlaceMask, marked_pixels
from saec.station.review.review_records import ReviewedFrame
from saec.station.review.review_store import ReviewStore
from saec.types import DEFECT, GOOD

LABELS_FILE = "labels.jsonl"
"""Beside every export: what people said of each picture, its hash, its part and its use."""

UNNAMED = "defect"
"""The kind of a defect whose kind nobody has named."""

_WORDS = {GOOD: "good", DEFECT: "defect", None: ""}


@dataclass(frozen=True, slots=True)
class ExportedFrame:
    """A frame with its picture.

    Attributes:
        reviewed: the frame and its answers.
        picture: the file.
        width, height: size of the picture in pixels.
    """

    reviewed: ReviewedFrame
    picture: Path
    width: int
    height: int

    @property
    def name(self) -> str:
        """The name of the file in an export: the frame's id with the picture's ending."""
        return f"{self.reviewed.frame.frame}{self.picture.suffix.lower()}"

    @property
    def kind(self) -> str:
        """The kind of a defect as a folder or a category names it."""
        return stated_kind(self.reviewed.kind.replace("/", "-").replace("\\", "-")) or UNNAMED

    @property
    def mask(self) -> PlaceMask | None:
        """Where the defect is; None where nobody has marked it."""
        place = self.reviewed.place
        if self.reviewed.settled != DEFECT or place is None:
            return None
        return marked_pixels(place, self.width, self.height)


class ExportedLabel(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``LABELS_FILE``.

    Attributes:
        file: the picture in the export.
        frame: id of the frame.
        sha256: hash of the picture.
        part: id of the part, "" when unknown.
        use: "prove" or "teach"; a picture that proves must not be taught.
        label: good, defect, or "" where people do not agree yet.
        verdict: what the line said, good or defect.
        answers: what each person said.
    """

    file: str
    frame: str
    line: str
    sha256: str
    part: str
    use: str
    version: str
    label: str
    kind: str
    verdict: str
    answers: list[dict[str, Any]]


def exported_frames(store: ReviewStore, frames: Iterator[ReviewedFrame]) -> Iterator[ExportedFrame]:
    """The frames whose pictures are kept; others are left out.

    Raises:
        ReviewError: a picture cannot be decoded.
    """
    for reviewed in frames:
        if not reviewed.frame.image or not (picture := store.picture(reviewed.frame)).is_file():
            continue
        try:
            image = decode_image(picture.read_bytes(), name=str(picture))
        except ImageError as e:
            raise ReviewError(f"{picture} is no picture", "restore the folder review from a backup") from e
        yield ExportedFrame(reviewed, picture, image.shape[1], image.shape[0])


def copy_picture(frame: ExportedFrame, target: Path) -> None:
    """Copy a picture with its bytes as they are, so that its hash stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(frame.picture, target)


def write_labels(rows: Sequence[tuple[str, ExportedFrame]], out: Path) -> None:
    """Write ``LABELS_FILE`` of pictures and their names in the export."""
    with (out / LABELS_FILE).open("wb") as f:
        for file, frame in rows:
            f.write(msgspec.json.encode(exported_label(file, frame)) + b"\n")


def exported_label(file: str, frame: ExportedFrame) -> ExportedLabel:
    """What is said of a picture."""
    reviewed, kept = frame.reviewed, frame.reviewed.frame
    answers = [
        {
            "person": label.person,
            "time": label.time,
            "label": _WORDS[label.answer.label] or "not sure",
            "kind": label.answer.kind,
            "place": msgspec.to_builtins(label.answer.place),
            "shown_version": label.shown_version,
        }
        for label in reviewed.labels
    ]
    return ExportedLabel(
        file=file,
        frame=kept.frame,
        line=kept.line,
        sha256=kept.sha256,
        part=kept.part,
        use=kept.use,
        version=kept.version,
        label=_WORDS[reviewed.settled],
        kind=reviewed.kind,
        verdict=_WORDS[kept.label],
        answers=answers,
    )
