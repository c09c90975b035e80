"""What a person is shown of a frame that waits for an answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from saec.data.images.pixels import decode_image
from saec.errors import SaecError
from saec.profile import LineProfile
from saec.station.line.version_store import VersionStore
from saec.station.page.live.frame_cards import FrameCard, frame_card
from saec.station.page.page_tools import PageTools
from saec.station.review.review_records import ReviewFrame, ReviewTask

_KEPT = 64
"""Versions whose kinds are kept."""

SHOWN_AS_IT_IS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}
"""Media types of the files that browsers show; a file of another kind is turned into a PNG."""


@dataclass(frozen=True, slots=True)
class ReviewCard:
    """A frame to answer, as the page shows it.

    Attributes:
        name: the name of its file, else its id.
        card: its verdict; None for a second opinion, which is given without it, and where it was deleted.
        picture: address of the picture; "" where there is none.
        map: address of the picture with its heat map; "" where there is none, and for a second opinion.
        kinds: the kinds of defect of its line; the first nine have digits.
    """

    task: ReviewTask
    name: str
    card: FrameCard | None
    picture: str
    map: str
    kinds: list[str]


def review_cards(tools: PageTools, tasks: list[ReviewTask]) -> list[ReviewCard]:
    """The cards of some tasks, in their order."""
    kinds = {line: kinds_of(tools, line) for line in {task.frame.line for task in tasks}}
    return [_card(tools, task, kinds[task.frame.line]) for task in tasks]


def kinds_of(tools: PageTools, line: str) -> list[str]:
    """The kinds of a line: those that its version tells apart, then those that people have used."""
    known = _version_kinds(tools.settings.station.data / "lines" / line)
    return [*known, *(kind for kind in tools.review.kinds(line) if kind not in known)]


def browser_picture(path: Path) -> tuple[bytes, str]:
    """A picture that a browser shows, and its media type.

    Raises:
        OSError: the file is gone.
        ImageError: it cannot be read.
    """
    data, kind = path.read_bytes(), SHOWN_AS_IT_IS.get(path.suffix.lower())
    if kind is not None:
        return data, kind
    import cv2

    image = decode_image(data, name=path.name)
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes(), "image/png"


def _card(tools: PageTools, task: ReviewTask, kinds: list[str]) -> ReviewCard:
    frame = task.frame
    found = tools.reader.newest(frame.seq)
    card = None if task.second or found is None else frame_card(tools.reader, found)
    drawn = card is not None and card.verdict is not None and card.verdict.map is not None
    return ReviewCard(
        task=task,
        name=frame.frame if found is None else found.name or frame.frame,
        card=card,
        picture=picture_address(frame),
        map=f"/v1/frames/{frame.frame}/map" if drawn else "",
        kinds=kinds,
    )


def picture_address(frame: ReviewFrame) -> str:
    """Where the page serves a frame's picture; "" once it is gone."""
    return f"/page/review/picture/{frame.seq}" if frame.image else ""


def _version_kinds(folder: Path) -> tuple[str, ...]:
    """The kinds of the version that judges; none where it cannot be read."""
    store = VersionStore(folder)
    try:
        return _kinds_in(store.path(store.state().current))
    except (SaecError, OSError):
        return ()


@lru_cache(maxsize=_KEPT)
def _kinds_in(profile: Path) -> tuple[str, ...]:
    """A version never changes after it was added, so it is read once."""
    return LineProfile.open(profile, verify=False).line.kinds
