"""The next version of a line: what ``saec teach`` and ``saec forget`` call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saec.api.given_settings import check_layout, given_folders, given_parts, given_path
from saec.data.dataset import open_dataset
from saec.data.items import Item
from saec.data.layouts.defect_kinds import defect_kinds
from saec.data.parts import PartIds
from saec.data.user_folders import pictures_of
from saec.errors import ConfigError
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.lines.fit_sentences import threshold_sentences
from saec.lines.teaching import TeachSummary, forget_frames, next_version, teach_line
from saec.profile import LineProfile
from saec.runs.description import now
from saec.types import DEFECT, GOOD

Progress = Callable[[str, int, int], None] | None


@dataclass(frozen=True, slots=True)
class NewFrames:
    """New labelled frames, as a user names them.

    Attributes:
        dataset: a data set whose train split is taught, or None.
        goods, defects: folders of good images, and of defects.
        kinds: a table of the defects' kinds, or None.
        layout: the data set's layout.
        parts: where part ids come from, or None.
    """

    dataset: Path | None
    goods: Sequence[Path]
    defects: Sequence[Path]
    kinds: Path | None
    layout: str
    parts: PartIds | None

    @classmethod
    def given(
        cls, *, dataset: Any, goods: Any, defects: Any, kinds: Any, layout: str, parts: PartIds | None
    ) -> NewFrames:
        """What a caller gives, looked at before work begins.

        Raises:
            ConfigError: an argument is something else than a path, or a list of them.
        """
        check_layout(layout)
        return cls(
            None if dataset is None else given_path("dataset", dataset),
            given_folders("goods", goods),
            given_folders("defects", defects),
            None if kinds is None else given_path("kinds", kinds),
            layout,
            given_parts(parts),
        )

    def items(self, label: int, known_kinds: Sequence[str]) -> list[Item]:
        """The images of the folders of a label, each once.

        Raises:
            DataError: a folder without images or with some of the other label, or a kind that cannot be.
        """
        found = {
            folder: pictures_of(folder, label) for folder in (self.goods if label == GOOD else self.defects)
        }
        kinds: dict[Path, str] = {}
        if label == DEFECT and found:
            kinds = defect_kinds(found, table=self.kinds, known=known_kinds)
        return [
            Item(
                path=path,
                label=label,
                split="train",
                kind=kinds.get(path, ""),
                part=self.parts.of(path)[0] if self.parts else "",
            )
            for path in dict.fromkeys(path for pictures in found.values() for path in pictures)
        ]


def given_target(out: Any) -> Path | None:
    """The folder of a next version as a caller gives it."""
    return None if out is None else given_path("out", out)


def taught(
    profile: LineProfile,
    frames: NewFrames,
    request: RecalibrationRequest,
    *,
    out: Path | None,
    progress: Progress,
) -> tuple[LineProfile, tuple[str, ...]]:
    """The next version, and what there is to say; see ``Line.teach``."""
    if frames.kinds is not None and not frames.defects:
        raise ConfigError("there are no defects whose kinds the table gives", "name their folder as defects")
    dataset, layout, parts = frames.dataset, frames.layout, frames.parts
    after, summary = teach_line(
        profile,
        out or next_version(profile.folder),
        goods=frames.items(GOOD, profile.line.kinds),
        defects=frames.items(DEFECT, profile.line.kinds),
        dataset=open_dataset(dataset, layout=layout, parts=parts) if dataset else None,
        wish=request,
        created=now(),
        progress=progress or _tell_nobody,
    )
    return after, (_sentence(after, summary), *threshold_sentences(after), *summary.notes)


def forgotten(
    profile: LineProfile, hashes: Sequence[str], *, out: Path | None, progress: Progress
) -> tuple[LineProfile, tuple[str, ...]]:
    """The version without these frames, and what there is to say; see ``Line.forget``."""
    after, summary = forget_frames(
        profile,
        out or next_version(profile.folder),
        hashes,
        created=now(),
        progress=progress or _tell_nobody,
    )
    left = f"{len(after.calibration.goods)} good images, {len(after.calibration.defects)} defects"
    told = f"{after.folder}: version {after.line.version}, {left}"
    return after, (told, *threshold_sentences(after), *summary.notes)


def _tell_nobody(_what: str, _done: int, _of: int) -> None:
    """Where nobody wants to know how far it is."""


def _sentence(after: LineProfile, summary: TeachSummary) -> str:
    known = f" ({summary.known} images were known before)" if summary.known else ""
    return (
        f"{after.folder}: version {after.line.version}, taught {summary.goods} good images and "
        f"{summary.defects} defects{known}"
    )
