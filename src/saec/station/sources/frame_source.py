"""What a source is given and must be: a thread's body that hands frames over until the station stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import cv2
from numpy.typing import NDArray

from saec.errors import SpoolError
from saec.station.section_types import FieldFault, Name, Section
from saec.station.storage.records import NewFrame, Receipt
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import TriggerBoard

LARGEST = 64 * 1024 * 1024
"""Bytes of the largest file that is read."""

REST = 2.0
"""Seconds to wait after the spool has refused a frame."""


class AcceptFrame(Protocol):
    """Hands a frame to the spool; what it raises says why it was not taken.

    Raises:
        SpoolFullError: no room; it has been counted, and an alarm raised.
        SaecError: another reason, for ``FrameRefused``.
    """

    def __call__(self, frame: NewFrame, data: bytes) -> Receipt: ...


class FrameRefused(Protocol):
    """Told the source's name and the reason of each frame that was not taken, but for want of room.

    ``kind`` is that of the alarm: "refused" is raised once a spell, any other each time.
    """

    def __call__(self, source: str, reason: str, kind: str = "refused") -> None: ...


Remember = Callable[[str, Sequence[str]], None]
"""Told a line's name and the keys of files that were accepted and are still there."""

SourceAlarm = Callable[[str, str], None]
"""Told the kind and the text of what a person should know."""


CountOf = Callable[[str, int], None]
"""Told what a source counts, such as "incomplete", and how many more there were."""

FOR_TRIGGERS = (
    'name an industrial camera whose trigger is "software" or "hardware", a watched folder, or http:CLIENT'
)
"""What to do where a source cannot take the pictures of triggers."""

HANGS = "hangs"
"""State of a source that waits for its driver, which may never return."""


class SourceBody(Protocol):
    state: str
    """One word for status and page."""

    def run(self, stopping: Stopping) -> None:
        """Hand frames over until the station stops."""
        ...


def pnm_bytes(image: NDArray[Any]) -> tuple[bytes, str]:
    """PGM or PPM, uncompressed, and the file's ending; the image as for ``png_bytes``."""
    suffix = ".pgm" if image.ndim == 2 else ".ppm"
    _, data = cv2.imencode(suffix, image if image.ndim == 2 else image[..., ::-1])
    return data.tobytes(), suffix


def png_bytes(image: NDArray[Any]) -> bytes:
    """PNG of little compression: what the edge sees is what the camera gave.

    Args:
        image: H x W grey or H x W x 3 RGB, uint8 or uint16.
    """
    bgr = image if image.ndim == 2 else image[..., ::-1]
    done, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise SpoolError(f"a frame of shape {image.shape} cannot be stored", "check the camera's settings")
    return data.tobytes()


class SourceHooks(NamedTuple):
    """What a source is given to hand frames over.

    Attributes:
        accept: hands a frame to the spool.
        refused: is told of a frame that was not taken.
        alarm: is told what a person should know.
        remember: keeps the keys of a watched folder's files that stay where they are.
        triggers: the triggers that wait for a picture. A source that takes pictures on a trigger claims it
            before it hands the picture over, and tells it where that fails.
        counted: adds to what the source counts of its pictures.
    """

    accept: AcceptFrame
    refused: FrameRefused
    alarm: SourceAlarm
    remember: Remember
    triggers: TriggerBoard
    counted: CountOf


class SourceSettings(Section, frozen=True, kw_only=True):
    """What every [[source]] has.

    Attributes:
        name: The source's name.
        line: The name of the line that judges its frames.
    """

    name: Name
    line: Name

    ends: ClassVar[bool] = False
    """Whether its thread may end, as a video's does."""

    sets_features: ClassVar[bool] = False
    """Whether recipes may set features of its camera: its body is a ``FeatureReceiver``."""

    def make_source(self, hooks: SourceHooks) -> SourceBody:
        """The source; nothing is opened yet."""
        raise NotImplementedError

    def faults(self) -> Iterator[FieldFault]:
        """What the types of the fields cannot say: what contradicts itself, or cannot be meant."""
        yield from ()

    def by_itself(self) -> str:
        """Why a picture may be older than a trigger, so that no [[plc]] and no [[input]] may name the source.

        The words go after "the source NAME"; "" where one may name it.
        """
        return ""

    def notes(self) -> Iterator[str]:
        """What a check of the settings says of it, beside its kind."""
        yield from ()

    def watched(self) -> Path | None:
        """The folder that it watches, or None."""
        return None

    def reads(self) -> Path | None:
        """The file or folder that others write for it, or None."""
        return None
