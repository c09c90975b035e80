"""What the page shows of one frame: its verdict, its picture, and where in it the cloud sees a defect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saec.data.images.headers import read_header
from saec.errors import SaecError
from saec.station.storage.frame_search import FoundFrame
from saec.station.storage.records import SpooledFrame
from saec.station.storage.spool_reader import SpoolReader
from saec.types import Box, Explanation, VerdictRecord


@dataclass(frozen=True, slots=True)
class BoxOverlay:
    """A box over a picture, all in pixels of the frame.

    Attributes:
        width, height: the frame's.
        box: x0, y0, x1, y1.
    """

    width: int
    height: int
    box: Box


@dataclass(frozen=True, slots=True)
class FrameCard:
    """A frame as the page shows it.

    Attributes:
        found: its newest verdict as it stands in the table that is searched.
        verdict: that verdict as a whole; None where it was deleted meanwhile.
        words: what the cloud said of a defect.
        picture: address of the picture to show; "" where there is none.
        instead: address of the picture to show where that one is gone; "" where there is none.
        overlay: the box of the cloud's words.
    """

    found: FoundFrame
    verdict: VerdictRecord | None
    words: Explanation | None
    picture: str
    instead: str
    overlay: BoxOverlay | None


def frame_card(reader: SpoolReader, found: FoundFrame) -> FrameCard:
    """Everything that the page shows of a frame."""
    verdicts = reader.verdicts(found.seq)
    verdict = verdicts.get("final") or verdicts.get("provisional")
    words, frame = reader.words(found.seq), reader.frame(found.seq)
    place = f"/v1/frames/{found.id}"
    image = f"{place}/image" if frame is not None and frame.image and found.state != "error" else ""
    drawn = verdict is not None and verdict.map is not None
    overlay = None if words is None or frame is None else _overlay(reader, frame, words)
    return FrameCard(
        found=found,
        verdict=verdict,
        words=words,
        picture=f"{place}/map" if drawn else image,
        instead=image if drawn else "",
        overlay=overlay,
    )


def _overlay(reader: SpoolReader, frame: SpooledFrame, words: Explanation) -> BoxOverlay | None:
    if words.box is None or not frame.image:
        return None
    size = _size(reader.folder / frame.image)
    if size is None:
        return None
    drawn = _size(reader.folder / "maps" / f"{frame.id}.jpg")
    width, height = size
    if drawn is not None and (drawn[0] > drawn[1]) != (width > height):
        width, height = height, width  # the camera lay on its side; a map's picture is upright
    return BoxOverlay(width, height, words.box)


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height by a file's header alone; None where it cannot be told."""
    try:
        header = read_header(path.read_bytes(), path.name)
    except (OSError, SaecError):
        return None
    return header.width, header.height
