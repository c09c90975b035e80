"""saec calibrate: redo a line's thresholds, P(defect) and trust in a cloud without refitting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.judging import FOLDER, cloud_options, open_cloud
from saec.config import GateConfig
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.line import Calibration

_GATE = GateConfig()
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("line", type=FOLDER)
@click.argument("dataset", type=FOLDER, required=False)
@click.option("--overkill", type=_SHARE, help="Share of goods that may be rejected. Default: as it is.")
@click.option("--prevalence", type=_SHARE, help="Share of defects at which P(defect) is stated.")
@click.option("--goods", type=FOLDER, help="Further goods: a folder of images.")
@click.option("--defects", type=FOLDER, help="Labelled defects: a folder of images.")
@click.option("--threshold", type=float, help="The threshold by hand, as a score.")
@click.option("--gate-low", type=float, help="Score below which the edge is sure of a good.")
@click.option("--gate-high", type=float, help="Score above which the edge is sure of a defect.")
@click.option(
    "--p-low",
    type=_SHARE,
    help=f"P(defect) below which the edge is sure, where defects are known. Default: as it is, at first "
    f"{_GATE.p_low:g}.",
)
@click.option("--p-high", type=_SHARE, help=f"And above which. Default: as it is, at first {_GATE.p_high:g}.")
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@cloud_options
def command(
    line: Path,
    dataset: Path | None,
    overkill: float | None,
    prevalence: float | None,
    goods: Path | None,
    defects: Path | None,
    threshold: float | None,
    gate_low: float | None,
    gate_high: float | None,
    p_low: float | None,
    p_high: float | None,
    layout: str,
    **cloud: Any,
) -> None:
    """Make the next calibration of LINE; the older ones stay in its folder, nothing is refitted.

    The threshold is from the goods' cross-fitted scores, which the line keeps. Labelled defects (those in
    DATASET's train split, or --defects) give P(defect). With --cloud the cloud judges the labelled
    calibration images too, and from how well it does follows what it may say on this line. No image of
    DATASET's hold-out may be among them.

    What is given by hand stays: --threshold and the ends of the gate until --overkill or --goods set the
    threshold anew, --p-low and --p-high until they are given again.

    \b
    saec calibrate lines/bottle --overkill 0.02
    saec calibrate lines/bottle mvtec/bottle --defects known_defects/ --cloud small
    """
    from saec.data.dataset import open_dataset
    from saec.data.images import find_images
    from saec.line import LineProfile
    from saec.pipeline.calibrating import Wish, recalibrate
    from saec.pipeline.describe import now

    profile = LineProfile.open(line)
    opened = open_cloud(**cloud)
    if opened is not None and dataset is None and goods is None:
        raise ConfigError("--cloud without images to judge it on", "name the line's data set")
    after = recalibrate(
        profile,
        Wish(
            overkill=overkill,
            prevalence=prevalence,
            threshold=threshold,
            gate_low=gate_low,
            gate_high=gate_high,
            p_low=p_low,
            p_high=p_high,
        ),
        created=now(),
        goods=find_images(goods) if goods else (),
        defects=find_images(defects) if defects else (),
        dataset=open_dataset(dataset, layout=layout) if dataset else None,
        cloud=opened,
    )
    _tell(profile.calibration, after.calibration)
    if opened is not None:
        from saec.pipeline.loading import standing

        click.echo(standing(opened, after.calibration, "gate").reason)


def _tell(old: Calibration, new: Calibration) -> None:
    click.echo(f"calibration {old.version} -> {new.version}")
    click.echo(
        f"goods      {len(old.goods)} -> {len(new.goods)}, defects {len(old.defects)} -> {len(new.defects)}"
    )
    click.echo(f"overkill   {old.overkill:.1%} -> {new.overkill:.1%} asked")
    click.echo(f"threshold  {old.threshold:.4g} -> {new.threshold:.4g}")
    click.echo(
        f"gate       {old.gate.low:.4g} .. {old.gate.high:.4g} -> {new.gate.low:.4g} .. {new.gate.high:.4g} "
        f"(from {'P(defect)' if new.gate.basis == 'p_defect' else 'goods alone'})"
    )
    others = ", ".join(f"{float(rate):.0%}: {score:.4g}" for rate, score in new.thresholds_at.items())
    click.echo(f"threshold for an overkill of {others}")
    if new.by_hand:
        click.echo(
            "by hand    "
            + ", ".join(f"--{name.replace('_', '-')} {value:.4g}" for name, value in new.by_hand.items())
            + " (scores stay until --overkill or further goods)"
        )
    if undone := sorted(set(old.by_hand) - set(new.by_hand)):
        click.echo(f"no longer by hand: {', '.join(name.replace('_', ' ') for name in undone)}")
    if dropped := sorted(set(old.clouds) - set(new.clouds)):
        click.echo(
            f"no longer trusted, as their fusion was fitted on the old calibration: {', '.join(dropped)}; "
            "calibrate with --cloud again"
        )
