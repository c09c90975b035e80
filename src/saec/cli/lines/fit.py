"""saec fit: make a line profile from good images, and labelled defects if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.progress_bar import bar
from saec.cli.options.settings_command import settings_command
from saec.edge.detector_kinds import DETECTORS, FitChoices
from saec.errors import ConfigError
from saec.settings import DataConfig, FitConfig, PartsConfig
from saec.settings.setting_fields import Argument, Everyday, ExistingFile, ExistingFolder, Option

if TYPE_CHECKING:
    from saec.data.dataset import Dataset
    from saec.data.parts import PartIds


class NewLineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [new_line]: what a line is made of, and where.

    Attributes:
        dataset: The data set with the good images. A folder of several data sets gives one line for each,
            below --out.
        goods: A folder that holds only good images. You need no DATASET then. If you give one, the folder
            replaces its good training images. Give it several times for several folders.
        out: Make the line in this folder.
        roi_mask: A mask image of the frame's size. Only where it is not 0 is judged.
        force: Replace the line that stands at --out.
    """

    dataset: Argument[ExistingFolder | None] = None
    goods: Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")] = ()
    out: Path
    roi_mask: Everyday[ExistingFile | None] = None
    force: Everyday[bool] = False


@settings_command(types={"detector": click.Choice(list(DETECTORS))})
def command(
    new_line: NewLineSettings, fit: FitConfig, detector: FitChoices, data: DataConfig, parts: PartsConfig
) -> None:
    """Make a line profile of DATASET's good training images.

    It learns from defects of the train split, too, as far as they prove to help. They also give P(defect),
    the probability of a defect, and the threshold. The hold-out is not read.

    Choose the threshold with one of --overkill-rate, --escape-rate and --cost. A table shows what other
    choices would give.

    If the data set has only the folders good/ and defect/ and no split, a share is drawn and held out. `saec
    evaluate` judges that share. Several data sets in one folder, such as the categories of MVTec AD, give one
    line each. Use --goods for folders that hold only good images.

    \b
    saec fit mvtec/bottle --out lines/bottle
    saec fit --goods photos/ --out lines/bottle
    saec fit mvtec --out lines
    saec fit mvtec/bottle --out lines/bottle --cost missed_defect=10 false_reject=1
    saec fit mvtec/bottle --out lines/yolo --detector yolo --yolo yolo11n-cls.onnx
    """
    from saec.api.line_making import fit_images
    from saec.data.parts import requested_parts

    mask, force = new_line.roi_mask, new_line.force
    for dataset, out in _sets(new_line, data.layout, requested_parts(parts)):
        with bar() as progress:
            line = fit_images(dataset, out, fit, detector, roi_mask=mask, force=force, progress=progress)
        for sentence in line.notes:
            click.echo(sentence)


def _sets(new_line: NewLineSettings, layout: str, parts: PartIds | None) -> Iterator[tuple[Dataset, Path]]:
    """Each data set to fit on, with the folder of its line."""
    from saec.data.dataset import categories
    from saec.data.user_folders import goods_set

    if new_line.dataset is None:
        if not new_line.goods:
            raise ConfigError(
                "there is nothing to fit on", "give a data set, or a folder of good images with --goods"
            )
        yield goods_set(new_line.goods, parts), new_line.out
        return
    root, goods = new_line.dataset, new_line.goods
    roots = categories(root)
    several = roots != [root]
    if several and goods:
        raise ConfigError(
            f"--goods can be used with one data set only, and {root} holds {len(roots)}",
            f"give one of them, such as {roots[0]}",
        )
    for one in roots:
        out = new_line.out / one.name if several else new_line.out
        yield _opened(one, layout, goods, parts), out


def _opened(root: Path, layout: str, goods: Sequence[Path], parts: PartIds | None) -> Dataset:
    """A data set, its good training images replaced where others are named; what was odd in it is told."""
    from saec.data.dataset import open_dataset
    from saec.data.user_folders import with_goods

    opened = open_dataset(root, layout=layout, parts=parts)
    for sentence in opened.said():
        click.echo(f"warning: {sentence}", err=True)
    return with_goods(opened, goods, parts) if goods else opened
