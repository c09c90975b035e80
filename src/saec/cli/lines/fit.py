"""saec fit: make a line profile from good images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from saec.edge.detector_kinds import DETECTORS, FitChoices, detector_fit, detector_kind
from saec.errors import ConfigError
from saec.settings import FitConfig, GateConfig
from saec.types import GOOD

_D = FitConfig()
_LOOKED_AT = 16
"""Goods whose depth is compared with --bits after a fit; `saec data check` looks at all."""
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


class _Rectangle(click.ParamType):  # type: ignore[type-arg]
    name = "x0,y0,x1,y1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            x0, y0, x1, y1 = (int(v) for v in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not four whole numbers x0,y0,x1,y1", param, ctx)
        return (x0, y0, x1, y1)


@click.command()
@click.argument("dataset", type=_FOLDER, required=False)
@click.option("--goods", type=_FOLDER, multiple=True,
              help="Folder of goods, instead of DATASET or its train goods; may be repeated.")  # fmt: skip
@click.option("--holdout", type=_SHARE, default=_D.holdout, show_default=True,
              help="Share of goods and of each kind of defect to hold out, without splits.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the line profile.")
@click.option("--detector", type=click.Choice(list(DETECTORS)), default="patch", show_default=True)
@click.option("--backbone", default=_D.backbone, show_default=True, help="Frozen feature extractor.")
@click.option("--side", type=click.IntRange(128, 2048), default=_D.side, show_default=True,
              help="The input has about side x side pixels; the aspect is kept.")  # fmt: skip
@click.option("--memory", type=click.IntRange(64, 65536), default=_D.memory, show_default=True,
              help="Good patches that the memory keeps.")  # fmt: skip
@click.option("--overkill", type=_SHARE, default=_D.overkill, show_default=True,
              help="Share of goods that may be rejected; sets the threshold.")  # fmt: skip
@click.option("--prevalence", type=_SHARE, default=_D.prevalence, show_default=True,
              help="Share of defects at which P(defect) is stated.")  # fmt: skip
@click.option("--precision", type=click.Choice(["f32", "bf16"]), default=_D.precision, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=_D.threads, show_default=True,
              help="Threads at the line.")  # fmt: skip
@click.option("--folds", type=click.IntRange(2, 50), default=_D.folds, show_default=True,
              help="Folds of the cross-fit that scores goods as if unseen.")  # fmt: skip
@click.option("--references", type=click.IntRange(1, 64), default=_D.references, show_default=True,
              help="Good images kept for the cloud.")  # fmt: skip
@click.option("--roi", type=_Rectangle(), help="Judge this rectangle of the frame only, in pixels.")
@click.option("--roi-mask", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Judge where this image is not zero.")  # fmt: skip
@click.option("--bits", type=click.IntRange(8, 16), default=_D.bits, show_default=True,
              help="Significant bits of 16-bit images.")  # fmt: skip
@click.option("--parts-pattern", help="Regular expression whose group is the part id in a file name.")
@click.option("--parts-csv", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Table with path and part (and lot).")  # fmt: skip
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@click.option("--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="With --detector yolo: the classifier (OpenVINO, ONNX, TFLite or .pt).")  # fmt: skip
@click.option("--smax", type=float, help="With yolo: least top probability of a good (else from goods).")
@click.option("--margin", type=float, help="With yolo: least lead of the top class.")
@click.option("--entropy", type=float, help="With yolo: greatest entropy.")
@click.option("--onnx", is_flag=True, help="Write detector.onnx too.")
@click.option("--seed", type=int, default=_D.seed, show_default=True)
@click.option("--force", is_flag=True, help="Replace a profile that stands at --out.")
def command(
    dataset: Path | None,
    goods: tuple[Path, ...],
    out: Path,
    detector: str,
    roi_mask: Path | None,
    parts_pattern: str | None,
    parts_csv: Path | None,
    layout: str,
    weights: Path | None,
    smax: float | None,
    margin: float | None,
    entropy: float | None,
    onnx: bool,
    force: bool,
    **config: Any,
) -> None:
    """Make a line profile of DATASET's good training images.

    Defects in its train split only calibrate P(defect); nothing of the hold-out is looked at. Of a data set
    without splits (good/ and defect/) a share is drawn and held out, and `saec evaluate` judges that. A root
    with several data sets (every category of MVTec AD) gives one profile for each, under --out. Folders of
    goods alone are named by --goods.

    \b
    saec fit mvtec/bottle --out lines/bottle
    saec fit --goods photos/ --out lines/bottle
    saec fit mvtec --out lines
    saec fit mvtec/bottle --out lines/yolo --detector yolo --weights yolo11n-cls.onnx
    """
    from saec.data.dataset import categories, open_dataset
    from saec.data.parts import PartIds
    from saec.data.user_folders import goods_set, with_goods

    if dataset is None and not goods:
        raise ConfigError("nothing to fit on", "name a data set, or a folder of good images with --goods")
    parts = PartIds(parts_pattern, parts_csv) if parts_pattern or parts_csv else None
    choices = FitChoices(weights=weights, smax=smax, margin=margin, entropy=entropy, onnx=onnx)
    making = FitConfig(**config), detector_fit(detector, choices), roi_mask, force
    if dataset is None:
        _fit(goods_set(goods, parts), out, *making)
        return
    roots = categories(dataset)
    several = len(roots) > 1 or roots[0] != dataset
    if several and goods:
        raise ConfigError(f"--goods with the {len(roots)} data sets of {dataset}", "name one of them")
    for root in roots:
        opened = open_dataset(root, layout=layout, parts=parts)
        for sentence in opened.said():
            click.echo(f"warning: {sentence}", err=True)
        opened = with_goods(opened, goods, parts) if goods else opened
        _fit(opened, out / root.name if several else out, *making)


def _fit(
    dataset: Any, out: Path, config: FitConfig, fit_detector: Any, roi_mask: Path | None, force: bool
) -> None:
    from saec.cli.options.progress_bar import bar
    from saec.lines.line_fit import fit_line
    from saec.runs.description import now

    with bar() as progress:
        profile, summary = fit_line(
            dataset,
            out,
            fit_detector,
            config=config,
            gate=GateConfig(),
            created=now(),
            roi_mask=roi_mask,
            force=force,
            progress=progress,
        )
    for sentence in [*tell(profile, summary), *depth_warnings(dataset, config.bits)]:
        click.echo(sentence)


def depth_warnings(dataset: Any, bits: int) -> list[str]:
    """What the first goods say against the stated significant bits: frames too dark, or cut at white."""
    from saec.data.checks.set_faults import _SeenImage, significant_bits
    from saec.data.images.pixels import decode_native, read_bytes

    seen = []
    for item in dataset.select(("train", ""), GOOD)[:_LOOKED_AT]:
        pixels = decode_native(read_bytes(item.path), str(item.path))
        deepest = int(pixels.max()) if pixels.dtype.name == "uint16" else None
        height, width = pixels.shape[:2]
        seen.append(_SeenImage(item, "", height, width, deepest))
    return [f"warning: {fault.message}: {fault.remedy}" for fault in significant_bits(seen, bits)]


def tell(profile: Any, summary: Any) -> list[str]:
    """What a fit has to say, as sentences."""
    p, c = profile.line.preparation, profile.calibration
    copies = f" ({summary.duplicates} exact copies left out)" if summary.duplicates else ""
    basis = (
        "by P(defect)"
        if c.gate.basis == "p_defect"
        else "by the goods alone: P(defect) needs labelled defects"
    )
    threshold = (
        f"threshold {c.threshold:.3f} for {100 * c.overkill:g} % false rejects (overkill), "
        f"from the goods alone; for 2 % it would be {c.thresholds_at['0.02']:.3f}"
    )
    if detector_kind(profile.line.detector.kind).own_rule:
        rejected = sum(score >= c.threshold for score in c.goods) / len(c.goods)
        threshold = f"the rule's own thresholds, which reject {100 * rejected:.0f} % of these goods"
    lines = [
        f"{profile.folder}: {summary.goods} goods{copies}, {summary.defects} defects for calibration, "
        f"input {p.width} x {p.height}",
        threshold,
        f"the edge is not sure between {c.gate.low:.3f} and {c.gate.high:.3f} ({basis})",
        *summary.notes,
    ]
    if summary.contaminated:
        shown = ", ".join(summary.contaminated[:5])
        lines.append(
            f"warning: {len(summary.contaminated)} of the good images look unusual, check them: {shown}"
        )
    return lines
