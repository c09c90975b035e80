"""The next version of a line: what ``saec teach`` and ``saec forget`` call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from saec.data.dataset import open_dataset
from saec.data.items import Item
from saec.data.parts import PartIds
from saec.data.user_folders import pictures_of
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.lines.teaching import TeachSummary, forget_frames, next_version, teach_line
from saec.profile import LineProfile
from saec.runs.description import now
from saec.types import DEFECT, GOOD

Progress = Callable[[str, int, int], None]


def no_progress(_what: str, _done: int, _of: int) -> None:
    """Tells nobody."""


def taught(
    profile: LineProfile,
    request: RecalibrationRequest,
    *,
    out: Path | None,
    dataset: Path | None,
    goods: Sequence[Path],
    defects: Sequence[Path],
    layout: str,
    parts: PartIds | None,
    progress: Progress,
) -> tuple[LineProfile, tuple[str, ...]]:
    """The next version, and what there is to say; see ``Line.teach``."""
    after, summary = teach_line(
        profile,
        out or next_version(profile.folder),
        goods=_items(goods, GOOD, parts),
        defects=_items(defects, DEFECT, parts),
        dataset=open_dataset(dataset, layout=layout, parts=parts) if dataset else None,
        wish=request,
        created=now(),
        progress=progress,
    )
    return after, (_sentence(after, summary), *summary.notes)


def forgotten(
    profile: LineProfile, hashes: Sequence[str], *, out: Path | None, progress: Progress
) -> tuple[LineProfile, tuple[str, ...]]:
    """The version without these frames, and what there is to say; see ``Line.forget``."""
    after, summary = forget_frames(
        profile, out or next_version(profile.folder), hashes, created=now(), progress=progress
    )
    left = f"{len(after.calibration.goods)} good images, {len(after.calibration.defects)} defects"
    return after, (f"{after.folder}: version {after.line.version}, {left}", *summary.notes)


def _items(folders: Sequence[Path], label: int, parts: PartIds | None) -> list[Item]:
    found = dict.fromkeys(path for folder in folders for path in pictures_of(folder, label))
    return [
        Item(path=path, label=label, split="train", part=parts.of(path)[0] if parts else "") for path in found
    ]


def _sentence(after: LineProfile, summary: TeachSummary) -> str:
    known = f" ({summary.known} images were known before)" if summary.known else ""
    return (
        f"{after.folder}: version {after.line.version}, taught {summary.goods} good images and "
        f"{summary.defects} defects{known}"
    )
