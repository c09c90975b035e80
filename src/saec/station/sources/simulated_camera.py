"""A camera that is played from a folder: for tests, demonstrations and commissioning."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import cv2
import msgspec
import numpy as np

from saec.errors import DataError, SaecError, SpoolFullError
from saec.station.cameras.camera_mishaps import CameraMishaps, Mishap
from saec.station.sources.frame_source import SourceHooks, SourceSettings, png_bytes
from saec.station.sources.played_pictures import PlayedOrder, PlayedPicture, check_parts_differ, pictures_in
from saec.station.storage.records import NewFrame
from saec.station.threads import Stopping
from saec.station.triggers.trigger_board import Trigger
from saec.types import Capture

_LOOK = 0.1
"""Seconds for which a trigger is waited for at a time."""

_GIVEN_UP = 0.005
"""Seconds between two looks whether a trigger was given up, whose picture is not taken on purpose."""

_WIDE = 31
"""Width of the blur of a blurred picture, in pixels."""


class SimulatedCameraSource(SourceSettings, frozen=True, kw_only=True, tag_field="kind", tag="simulated"):
    """A [[source]] of kind "simulated": a camera that is played from a folder of pictures.

    It takes a picture for each trigger of the PLC that names it. With per_s it takes them by itself.

    Attributes:
        path: The folder with the pictures, and folders in it.
        order: By name, or drawn at random in each pass.
        loop: Begin again after the last picture.
        per_s: Pictures a second without a trigger. Default: one for each trigger.
        exposure_s: Seconds from a trigger to its picture.
        part_from: Where a part's id is: in the file's name, in the folder's name, or nowhere. A folder whose
            name is a number is the recipe.
        table: A CSV with the columns file, part and recipe, instead of part_from.
        seed: Fixes what is drawn at random.
        mishaps: what goes wrong on purpose.
    """

    path: Path
    order: Literal["name", "random"] = "name"
    loop: bool = True
    per_s: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None
    exposure_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.01
    part_from: Literal["none", "name", "folder"] = "none"
    table: Path | None = None
    seed: int = 0
    mishaps: CameraMishaps = CameraMishaps()

    ends: ClassVar[bool] = True

    def reads(self) -> Path:
        return self.path

    def make_source(self, hooks: SourceHooks) -> SimulatedCamera:
        return SimulatedCamera(self, hooks)

    def by_itself(self) -> str:
        return "" if self.per_s is None else "has per_s, and so takes pictures without a trigger"

    def notes(self) -> Iterator[str]:
        """How many pictures it plays, or why it cannot."""
        try:
            yield f"plays {len(self.pictures())} pictures"
        except DataError as e:
            yield f"cannot play: {e}"

    def pictures(self) -> PlayedOrder:
        """What it plays.

        Raises:
            DataError: there are no pictures, the table cannot be used, or two pictures that are taken on
                triggers show one part.
        """
        found = pictures_in(self.path, self.part_from, self.table)
        if self.per_s is None:
            check_parts_differ(found, self.path)
        return PlayedOrder(found, self.order, loop=self.loop, seed=self.seed)


class SimulatedCamera:
    """Plays pictures, each for its trigger: the one of the trigger's part, else the next one.

    Like a camera with a software trigger it knows for which trigger a picture was taken. One whose trigger
    has been given up in the meantime is a stray: counted, and handed to no other.
    """

    def __init__(self, settings: SimulatedCameraSource, hooks: SourceHooks) -> None:
        self._s, self._hooks = settings, hooks
        self._chance = random.Random(settings.seed)
        self._begun, self._number = time.time(), 0
        self.state = "waiting"

    def run(self, stopping: Stopping) -> None:
        try:
            pictures = self._s.pictures()
        except DataError as e:
            self.state = "lost"
            self._hooks.alarm("camera", f"{self._s.name} cannot play: {e}")
            return
        self.state = "playing"
        played = iter(pictures)
        if self._s.per_s is None:
            while not stopping.is_set() and self._take_one(pictures, played, stopping):
                pass
        else:
            self._play(played, self._s.per_s, stopping)
        if not stopping.is_set():
            self.state = "ended"

    def _play(self, played: Iterator[PlayedPicture], per_s: float, stopping: Stopping) -> None:
        due = time.monotonic()
        for picture in played:
            stopping.wait(max(0.0, due - time.monotonic()))
            if stopping.is_set():
                return
            due = max(due, time.monotonic() - 1.0) + 1.0 / per_s
            mishap = self._s.mishaps.chosen(self._chance)
            for _ in range(2 if mishap == "doubled" else mishap != "missed"):
                self._hand_over(picture, mishap, None)

    def _take_one(self, pictures: PlayedOrder, played: Iterator[PlayedPicture], stopping: Stopping) -> bool:
        """One look for a trigger, and its picture; False where there are no more pictures."""
        board, name = self._hooks.triggers, self._s.name
        drained = board.withdrawn(name)
        trigger = board.wait_for(name, _LOOK)
        if trigger is None or board.withdrawn(name) != drained:
            return True
        picture = pictures.of_part(trigger.part) or next(played, None)
        if picture is None:
            return False
        mishap = self._s.mishaps.chosen(self._chance)
        if mishap == "missed":
            while board.wait_for(name, 0.0) == trigger and not stopping.is_set():
                stopping.wait(_GIVEN_UP)
            return True
        stopping.wait(self._s.exposure_s + (self._s.mishaps.late_s if mishap == "late" else 0.0))
        for _ in range(2 if mishap == "doubled" else 1):
            if board.claim(name, drained=drained) is None:
                self._hooks.counted("stray", 1)
            else:
                self._hand_over(picture, mishap, trigger)
        return True

    def _hand_over(self, picture: PlayedPicture, mishap: Mishap | None, trigger: Trigger | None) -> None:
        self._number += 1
        now = time.time()
        capture = Capture() if trigger is None else trigger.capture
        frame = NewFrame(
            line=self._s.line,
            source=self._s.name,
            key=f"{self._s.name}/{self._begun:.6f}/{self._number}/{picture.path.name}",
            suffix=picture.path.suffix.lower() if mishap not in ("black", "blurred") else ".png",
            captured=now,
            part=picture.part if trigger is None else trigger.part,
            recipe=picture.recipe if trigger is None else trigger.recipe,
            capture=msgspec.structs.replace(capture, number=self._number, camera_time=now - self._begun),
        )
        try:
            self._hooks.accept(frame, _shown(picture.path, mishap))
        except SpoolFullError as e:  # counted already
            self._fail(trigger, e)
        except (SaecError, OSError) as e:
            self._hooks.refused(self._s.name, str(e))
            self._fail(trigger, e)

    def _fail(self, trigger: Trigger | None, why: Exception) -> None:
        if trigger is not None:
            self._hooks.triggers.failed(trigger, str(why))


def _shown(path: Path, mishap: Mishap | None) -> bytes:
    """The bytes of a picture, spoilt where that is wanted."""
    data = path.read_bytes()
    if mishap not in ("black", "blurred"):
        return data
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} is not an image that can be read", "remove it")
    spoilt = np.zeros_like(image) if mishap == "black" else cv2.GaussianBlur(image, (_WIDE, _WIDE), 0)
    return png_bytes(spoilt[..., ::-1])
