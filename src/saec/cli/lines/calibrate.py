"""saec calibrate: redo a line's thresholds, P(defect) and trust in a cloud without refitting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.lines.certificate_text import certificate_lines
from saec.cli.options.cloud_model import cloud_options, open_cloud
from saec.cli.options.inputs import FOLDER
from saec.errors import ConfigError
from saec.profile import OPEN
from saec.settings import GateConfig, RiskConfig
from saec.types import DEFECT, GOOD

if TYPE_CHECKING:
    from saec.profile import Calibration, Gate

_GATE, _RISK = GateConfig(), RiskConfig()
_BASES = {"p_defect": "from P(defect)", "goods": "from goods alone", "certified": "certified"}
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("line", type=FOLDER)
@click.argument("dataset", type=FOLDER, required=False)
@click.option("--overkill", type=_SHARE, help="Share of goods that may be rejected. Default: as it is.")
@click.option("--prevalence", type=_SHARE, help="Share of defects at which P(defect) is stated.")
@click.option("--goods", type=FOLDER, help="Further goods: a folder of nothing else.")
@click.option("--defects", type=FOLDER, help="Labelled defects: a folder of nothing else.")
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
@click.option(
    "--alpha",
    type=_SHARE,
    help=f"Certify the gate: share of defects that the edge may pass. Default: as it is, at first "
    f"{_RISK.alpha:g}.",
)
@click.option("--beta", type=_SHARE, help=f"And share of goods that it may reject. At first {_RISK.beta:g}.")
@click.option("--delta", type=_SHARE, help=f"The chance that either is exceeded. At first {_RISK.delta:g}.")
@click.option(
    "--stand-ins",
    type=click.IntRange(min=0),
    help="Paint so many procedural defects on the line's goods, for a certificate where real defects are too "
    "few; 0 forgets them.",
)
@click.option("--parts-pattern", help="Regular expression whose group is the part id in a file name.")
@click.option(
    "--parts-csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table with path and part (and lot). A certificate counts parts, not images.",
)
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@cloud_options
def command(
    line: Path,
    dataset: Path | None,
    goods: Path | None,
    defects: Path | None,
    parts_pattern: str | None,
    parts_csv: Path | None,
    layout: str,
    **others: Any,
) -> None:
    """Make the next calibration of LINE; the older ones stay in its folder, nothing is refitted.

    The threshold is from the goods' cross-fitted scores, which the line keeps. Labelled defects (those in
    DATASET's train split, or --defects) give P(defect). With --cloud the cloud judges the labelled
    calibration images too, and from how well it does follows what it may say on this line; those that it
    was tuned on are left out. No image that DATASET or the line's own data set holds out may be among
    them, and no good among --defects.

    What is given by hand stays: --threshold and the ends of the gate until --overkill or --goods set the
    threshold anew, --p-low and --p-high until they are given again.

    --alpha, --beta or --delta certify the gate: the edge then passes and rejects alone only what keeps both
    rates with confidence 1 - delta (docs/risk.md). Later calibrations do so too, until an end of the gate is
    given otherwise.

    \b
    saec calibrate lines/bottle --overkill 0.02
    saec calibrate lines/bottle mvtec/bottle --defects known_defects/ --cloud small
    saec calibrate lines/bottle --alpha 0.05 --beta 0.05 --delta 0.1
    saec calibrate lines/bottle mvtec/bottle --alpha 0.05 --stand-ins 60
    """
    from saec.data.dataset import open_dataset
    from saec.data.parts import PartIds
    from saec.data.user_folders import pictures_of
    from saec.lines.recalibration import recalibrate
    from saec.lines.requested_calibration import RecalibrationRequest
    from saec.profile import LineProfile
    from saec.runs.description import now

    profile = LineProfile.open(line)
    wish = RecalibrationRequest(**{name: others.pop(name) for name in RecalibrationRequest.__struct_fields__})
    opened = open_cloud(**others)
    if opened is not None and dataset is None and goods is None:
        raise ConfigError("--cloud without images to judge it on", "name the line's data set")
    after = recalibrate(
        profile,
        wish,
        created=now(),
        goods=pictures_of(goods, GOOD) if goods else (),
        defects=pictures_of(defects, DEFECT) if defects else (),
        dataset=open_dataset(dataset, layout=layout) if dataset else None,
        parts=PartIds(parts_pattern, parts_csv) if parts_pattern or parts_csv else None,
        cloud=opened,
    )
    _tell(profile.calibration, after.calibration)
    if opened is not None:
        from saec.frame.judges import standing

        click.echo(standing(opened, after.calibration, "gate").reason)


def _ends(gate: Gate) -> str:
    low = "open" if gate.low == -OPEN else f"{gate.low:.4g}"
    high = "open" if gate.high == OPEN else f"{gate.high:.4g}"
    return f"{low} .. {high}"


def _tell(old: Calibration, new: Calibration) -> None:
    click.echo(f"calibration {old.version} -> {new.version}")
    click.echo(
        f"goods      {len(old.goods)} -> {len(new.goods)}, defects {len(old.defects)} -> {len(new.defects)}"
    )
    click.echo(f"overkill   {old.overkill:.1%} -> {new.overkill:.1%} asked")
    click.echo(f"threshold  {old.threshold:.4g} -> {new.threshold:.4g}")
    click.echo(f"gate       {_ends(old.gate)} -> {_ends(new.gate)} ({_BASES[new.gate.basis]})")
    for sentence in certificate_lines(new):
        click.echo(sentence)
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
    if old.certificate is not None and new.certificate is None:
        click.echo("no longer certified: the gate was given otherwise")
    if dropped := sorted(set(old.clouds) - set(new.clouds)):
        click.echo(
            f"no longer trusted, as their fusion was fitted on the old calibration: {', '.join(dropped)}; "
            "calibrate with --cloud again"
        )
