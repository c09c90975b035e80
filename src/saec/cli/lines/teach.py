"""saec teach: make the next version of a line from new labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.progress_bar import bar
from saec.cli.options.settings_command import settings_command
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.settings import DataConfig, PartsConfig
from saec.settings.setting_fields import (
    Argument,
    Everyday,
    ExistingFile,
    ExistingFolder,
    ExistingPath,
    Option,
)


class TeachSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [teach]: the line, and the new images that it learns from.

    Attributes:
        line: The folder of the line. It is not changed.
        dataset: The line's data set. What its train split holds is taught, too.
        goods: A folder that holds only new good images. Give it several times for several folders.
        defects: A folder that holds only new defects. Each folder in it may be a kind of defect. Give it
            several times for several folders.
        kinds: A table (CSV) of the new defects, with the columns file and kind. `file` is a name,
            a path or a sha256.
        out: Make the next version in this folder. Default: beside the line, as LINE-v2, LINE-v3 and so on.
    """

    line: Argument[ExistingFolder]
    dataset: Argument[ExistingPath | None] = None
    goods: Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")] = ()
    defects: Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")] = ()
    kinds: Everyday[ExistingFile | None] = None
    out: Everyday[Path | None] = None


@settings_command()
def command(
    teach: TeachSettings, thresholds: RecalibrationRequest, data: DataConfig, parts: PartsConfig
) -> None:
    """Make the next version of LINE from new labelled images.

    You need neither the images of earlier versions nor torch: the line keeps what it needs of them. LINE
    itself is not changed. What it is taught one by one, in any order, gives what one fit on all of it gives.

    The threshold, P(defect) and the gate are made anew, with the settings of the line. The options change
    them, as in `saec calibrate`.

    \b
    saec teach lines/bottle --defects new_defects/
    saec teach lines/bottle --goods new_goods/ --defects new_defects/ --out lines/bottle-june
    """
    from saec.api.line_teaching import NewFrames, taught
    from saec.data.parts import requested_parts
    from saec.profile import LineProfile

    frames = NewFrames(
        teach.dataset, teach.goods, teach.defects, teach.kinds, data.layout, requested_parts(parts)
    )
    with bar() as progress:
        _, notes = taught(LineProfile.open(teach.line), frames, thresholds, out=teach.out, progress=progress)
    for sentence in notes:
        click.echo(sentence)
