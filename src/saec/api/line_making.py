"""``saec.fit``: a line from good images, as ``saec fit`` makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Unpack

from saec.api.given_settings import check_layout, given_fit, given_folders, given_parts, given_path
from saec.api.product_line import Line
from saec.data.dataset import Dataset, categories, open_dataset
from saec.data.parts import PartIds
from saec.data.user_folders import goods_set, with_goods
from saec.edge.detector_kinds import FitChoices, detector_fit
from saec.errors import ConfigError, DataError
from saec.lines.fit_sentences import bit_warnings, fit_sentences
from saec.lines.line_fit import fit_line
from saec.runs.description import now
from saec.settings import DataConfig, FitConfig, GateConfig
from saec.settings.keyword_fields import FitFields


def fit(
    dataset: str | PathLike[str] | None = None,
    *,
    out: str | PathLike[str],
    goods: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    config: FitConfig | None = None,
    detector: FitChoices | str | None = None,
    roi_mask: str | PathLike[str] | None = None,
    layout: str = DataConfig().layout,
    parts: PartIds | None = None,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    **settings: Unpack[FitFields],
) -> Line:
    """Make a line of good images, and of labelled defects if there are any.

    It learns from defects among the training images, too, as far as they prove to help; they also give
    P(defect) and the threshold. Nothing of the hold-out is looked at.

    >>> line = saec.fit(gears, out=folder / "gears", side_px=128, memory_patches=512, folds=4)
    >>> line.name
    'gears'
    >>> line.notes[0].endswith("14 good images, 4 defects for calibration, input 128 x 128")
    True

    Args:
        dataset: a data set of one product: good images to learn from, and what is held out.
        out: the folder of the line profile; made.
        goods: folders that hold good images alone, instead of ``dataset`` or its training goods.
        config: the settings; None takes the defaults.
        detector: "patch", the default, or "yolo"; or the kind with its own choices, such as
            ``saec.FitChoices(kind="yolo", yolo=file)`` for a classifier of your own.
        roi_mask: an image of the frames' size; the line judges where it is not zero.
        layout: the data set's layout.
        parts: where part ids come from.
        force: replace a line profile that stands at ``out``.
        progress: called with what is being done, how many are done, and of how many.
        settings: fields of ``saec.FitConfig`` in place of those of ``config``.

    Raises:
        DataError: there are no or too few good images, or several data sets.
        LeakError: a training image stands in the hold-out, too.
        LineError: ``out`` exists.
        ConfigError: there is no such setting, or its value is out of range.
        ExtraError: torch is not installed.
    """
    chosen, kind = given_fit(config, detector, settings)
    target = given_path("out", out)
    mask = None if roi_mask is None else given_path("roi_mask", roi_mask)
    root = None if dataset is None else given_path("dataset", dataset)
    check_layout(layout)
    images = _images(root, given_folders("goods", goods), layout, given_parts(parts))
    return fit_images(images, target, chosen, kind, roi_mask=mask, force=force, progress=progress)


def fit_images(
    images: Dataset,
    out: Path,
    config: FitConfig | None = None,
    detector: FitChoices | None = None,
    *,
    roi_mask: Path | None = None,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Line:
    """``fit`` on a data set that is open already; see there."""
    config = config or FitConfig()
    profile, summary = fit_line(
        images,
        out,
        detector_fit(detector or FitChoices()),
        config=config,
        gate=GateConfig(),
        created=now(),
        roi_mask=roi_mask,
        force=force,
        progress=progress or (lambda _what, _done, _of: None),
    )
    said = [*fit_sentences(profile, summary), *bit_warnings(images, config.bits)]
    return Line(profile, notes=tuple(said))


def _images(root: Path | None, goods: Sequence[Path], layout: str, parts: PartIds | None) -> Dataset:
    if root is None:
        if not goods:
            raise ConfigError(
                "there are no images to fit on", "give a data set, or a folder of good images as goods"
            )
        return goods_set(goods, parts)
    roots = categories(root)
    if roots != [root]:
        names = ", ".join(folder.name for folder in roots[:8])
        raise DataError(
            f"{root} holds {len(roots)} data sets: {names}", f"fit a line on each alone, such as {roots[0]}"
        )
    opened = open_dataset(root, layout=layout, parts=parts)
    return with_goods(opened, goods, parts) if goods else opened
