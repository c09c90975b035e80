"""What a job teaches: the chosen frames whose labels still stand, with pictures and masks of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from saec.data.images.pixels import read_image
from saec.data.items import Item
from saec.errors import DataError, SaecError
from saec.frame.frame_region import region_of
from saec.lines.line_fit import whole
from saec.profile import write_json
from saec.station.review.place_masks import marked_pixels
from saec.station.review.review_records import ReviewedFrame
from saec.station.review.review_store import ReviewStore
from saec.station.teaching.job_desk import JobDesk
from saec.station.teaching.job_records import ChosenFrame, TeachJob
from saec.station.teaching.label_choice import is_disputed
from saec.station.teaching.line_base import recipe_base
from saec.texts import read_json
from saec.types import DEFECT, Box, Mask


class TaughtPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as it is taught.

    Attributes:
        chosen: the label that is taught.
        part: id of the part, "" when unknown.
        picture: name of its picture, of the judged region alone.
        mask: name of the mask that says where the defect is, "" without one.
        picked: it was shown for its score while the line's scores did not drift, so goods like it are rarer
            than what is taught of them.
    """

    chosen: ChosenFrame
    part: str
    picture: str
    mask: str = ""
    picked: bool = False


def taught_items(desk: JobDesk, work: TeachJob, reviews: ReviewStore, bits: int) -> list[Item]:
    """The labelled images of a job; what was gathered once stays, however often the job is begun.

    Args:
        desk: the job's.
        work: what is to be taught.
        reviews: says whether a label still stands.
        bits: significant bits of 16-bit images.

    Raises:
        DataError: no label stands any more, or a picture cannot be read.
    """
    folder = desk.work / "material"
    if not folder.is_dir():
        region = recipe_base(desk.data, desk.job.line, work.recipe).region
        with whole(folder) as partial:
            found = _gathered(desk, work, reviews, partial, region, bits)
            write_json(partial / "frames.json", found)
    frames: list[TaughtPicture] = read_json(
        folder / "frames.json", list[TaughtPicture], error=DataError, remedy="start it again"
    )
    if len(frames) < len(work.frames):
        missing = len(work.frames) - len(frames)
        desk.note(
            f"not taught, as they were taken back, changed or lost since they were chosen: {missing} labels"
        )
    if not frames:
        raise DataError("no label that was chosen stands any more", "choose labels again")
    return [_item(folder, frame) for frame in frames]


def labels_changed(desk: JobDesk, reviews: ReviewStore) -> int:
    """How many labels that a job has taught do not stand any more."""
    path = desk.work / "material" / "frames.json"
    kind = list[TaughtPicture]
    frames: list[TaughtPicture] = read_json(path, kind, error=DataError, remedy="start it again")
    return sum(_standing(reviews, frame.chosen) is None for frame in frames)


def _gathered(
    desk: JobDesk, work: TeachJob, reviews: ReviewStore, folder: Path, region: Box | None, bits: int
) -> Sequence[TaughtPicture]:
    found = []
    for at, chosen in enumerate(work.frames, 1):
        desk.progress("labels", at, len(work.frames))
        reviewed = _standing(reviews, chosen)
        if reviewed is None or not reviewed.frame.image:
            desk.say(f"frame {chosen.seq}: its label does not stand any more, or its picture is gone")
            continue
        frame = reviewed.frame
        use = reviews.claim_use(frame.line, frame.sha256, frame.part, "teach")
        if use != "teach":
            desk.say(f"frame {chosen.seq}: its picture is for use {use!r}")
            continue
        found.append(_kept(reviewed, chosen, reviews.picture(frame), folder, region, bits))
    return found


def _standing(reviews: ReviewStore, chosen: ChosenFrame) -> ReviewedFrame | None:
    """The frame with its answers, where they still say what was chosen."""
    reviewed = reviews.reviewed_frame(chosen.seq)
    if reviewed is None or is_disputed(reviewed):
        return None
    same = (reviewed.settled, reviewed.kind) == (chosen.label, chosen.kind)
    return reviewed if same and reviewed.frame.sha256 == chosen.sha256 else None


def _kept(
    reviewed: ReviewedFrame, chosen: ChosenFrame, picture: Path, folder: Path, region: Box | None, bits: int
) -> TaughtPicture:
    """The picture and the mask of a frame, kept for the job as the line judges them."""
    place = reviewed.place if chosen.label == DEFECT else None
    shape: tuple[int, int] | None = None
    if region is None:
        name = f"{chosen.sha256}{picture.suffix}"
        _link(picture, folder / name)
        if place is not None:
            shape = read_image(picture, bits=bits).shape[:2]
    else:
        image = read_image(picture, bits=bits)
        shape = image.shape[:2]
        name = f"{chosen.sha256}.png"
        _write(folder / name, region_of(image, region, reviewed.frame.frame)[:, :, ::-1])
    mask = ""
    if place is not None and shape is not None:
        marked = marked_pixels(place, shape[1], shape[0])
        if region is not None:
            marked = marked[region[1] : region[3], region[0] : region[2]]
        if marked.any():
            mask = f"{chosen.sha256}.mask.png"
            _write(folder / mask, marked.astype(np.uint8) * 255)
    picked = reviewed.frame.why not in ("drift", "random")
    return TaughtPicture(chosen=chosen, part=reviewed.frame.part, picture=name, mask=mask, picked=picked)


def _link(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError as e:
        raise SaecError(f"the picture {source.name} is gone", "choose labels again") from e


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.write_bytes(cv2.imencode(".png", np.ascontiguousarray(image))[1].tobytes())


def _item(folder: Path, frame: TaughtPicture) -> Item:
    mask = Mask(files=(folder / frame.mask,)) if frame.mask else None
    return Item(
        path=folder / frame.picture,
        label=frame.chosen.label,
        split="train",
        kind=frame.chosen.kind,
        mask=mask,
        part=frame.part,
        picked=frame.picked,
    )
