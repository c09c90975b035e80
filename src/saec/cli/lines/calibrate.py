"""saec calibrate: redo a line's thresholds, P(defect) and trust in a cloud without refitting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.lines.certificate_text import certificate_lines
from saec.cli.options.settings_command import settings_command
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.profile import OPEN
from saec.schedule.calibration.rule_words import rule_words
from saec.settings import CloudConfig, DataConfig, PartsConfig
from saec.settings.setting_fields import Argument, ExistingFolder, ExistingPath, Option

if TYPE_CHECKING:
    from saec.profile import Calibration, Gate

_BASES = {"p_defect": "from P(defect)", "goods": "from good images only", "certified": "certified"}


class CalibrateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [calibrate]: the line, and the images that it is calibrated on.

    Attributes:
        line: The folder of the line that `saec fit` made.
        dataset: The line's data set. Its train defects calibrate P(defect) and the threshold.
        goods: A folder that holds only further good images. Give it several times for several folders.
        defects: A folder that holds only labelled defects. Give it several times for several folders.
    """

    line: Argument[ExistingFolder]
    dataset: Argument[ExistingPath | None] = None
    goods: Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")] = ()
    defects: Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")] = ()


@settings_command()
def command(
    calibrate: CalibrateSettings,
    thresholds: RecalibrationRequest,
    cloud: CloudConfig,
    data: DataConfig,
    parts: PartsConfig,
) -> None:
    """Make the next calibration of LINE without a new fit. The older ones stay in its folder.

    Labelled defects are those of DATASET's train split, and those of --defects. They give P(defect). You
    cannot calibrate on an image that is held out.

    Choose the threshold with one of --overkill-rate, --escape-rate and --cost. Without any the line's rule
    stays. A new line takes 5 % false rejects, from good images alone. Where defects are labelled it takes
    the threshold with the fewest errors of both kinds, for 5 to 20 % false rejects. A table shows what other
    choices would give.

    With --cloud the cloud judges the labelled calibration images, too. The better its results here, the more
    its answers count on this line. Images that it was tuned on are left out.

    The gate is the range of scores in which the edge is not sure: inside it the cloud is asked. --threshold,
    --gate-low and --gate-high stay until you choose the threshold otherwise or give --goods. --p-low and
    --p-high stay until you give them again.

    With --certify-escape-rate and --certify-overkill-rate you get a gate outside which the edge alone stays
    below both rates (docs/risk.md). --certify-risk is the chance that it does not. Later calibrations certify
    too, until you give --gate-low, --gate-high, --p-low or --p-high.

    \b
    saec calibrate lines/bottle --overkill-rate 0.02
    saec calibrate lines/bottle mvtec/bottle --cost missed_defect=10 false_reject=1
    saec calibrate lines/bottle mvtec/bottle --defects known_defects/ --cloud small
    saec calibrate lines/bottle --certify-escape-rate 0.05 --certify-overkill-rate 0.05
    saec calibrate lines/bottle mvtec/bottle --certify-escape-rate 0.05 --stand-ins 60
    """
    from saec.api.line_trials import calibrated
    from saec.data.parts import requested_parts
    from saec.frame.requested_cloud import requested_cloud
    from saec.profile import LineProfile

    profile = LineProfile.open(calibrate.line)
    after, notes = calibrated(
        profile,
        thresholds,
        dataset=calibrate.dataset,
        goods=calibrate.goods,
        defects=calibrate.defects,
        cloud=requested_cloud(cloud),
        layout=data.layout,
        parts=requested_parts(parts),
    )
    _tell(profile.calibration, after.calibration)
    for note in notes:
        click.echo(note)


def _ends(gate: Gate) -> str:
    low = "open" if gate.low == -OPEN else f"{gate.low:.4g}"
    high = "open" if gate.high == OPEN else f"{gate.high:.4g}"
    return f"{low} .. {high}"


def _tell(old: Calibration, new: Calibration) -> None:
    click.echo(f"calibration {old.version} -> {new.version}")
    click.echo(
        f"images     good {len(old.goods)} -> {len(new.goods)}, "
        f"defects {len(old.defects)} -> {len(new.defects)}"
    )
    click.echo(f"threshold  {old.threshold:.4g} -> {new.threshold:.4g}, {rule_words(new)}")
    click.echo(f"gate       {_ends(old.gate)} -> {_ends(new.gate)} ({_BASES[new.gate.basis]})")
    for sentence in certificate_lines(new):
        click.echo(sentence)
    others = ", ".join(f"{float(rate):.0%}: {score:.4g}" for rate, score in new.thresholds_at.items())
    click.echo(f"threshold for an overkill of {others}")
    if new.by_hand:
        click.echo(
            "by hand    "
            + ", ".join(f"--{name.replace('_', '-')} {value:.4g}" for name, value in new.by_hand.items())
            + " (scores stay until --overkill-rate, --escape-rate, --cost or --goods)"
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
