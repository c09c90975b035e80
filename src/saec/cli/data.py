"""``saec data``: check data sets, and build them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.output_file import write_json_to
from saec.cli.options.progress_bar import tracked
from saec.cli.options.settings_command import settings_command
from saec.errors import ConfigError
from saec.settings import (
    DataConfig,
    DrawingConfig,
    FitConfig,
    HoldoutConfig,
    Ksdd2Config,
    PartsConfig,
    SftConfig,
)
from saec.settings.setting_fields import Argument, Everyday, ExistingFolder, ExistingPath, NewFile, Option

if TYPE_CHECKING:
    from saec.data.builders.build_folder import Built
    from saec.data.checks.image_faults import Checked
    from saec.data.procedural.dataset_writer import WrittenDataset

SHOWN = 5
"""How many files of one kind of fault the text lists; --json lists all."""

ALL = "all"
"""In place of a family: every family."""

_EVERYDAY = ("--layout", "--parts-pattern", "--parts-csv")


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [build]: what a data set is built from, and where.

    Attributes:
        src: The raw data set.
        out: Make the data set in this folder.
        force: Replace the data set that an earlier call built at --out.
    """

    src: ExistingFolder
    out: Path
    force: Everyday[bool] = False


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [check]: what of a data set is checked.

    Attributes:
        folder: A data set, or a folder of several.
        bits: Bits that a 16-bit image really uses, counted from the lowest. A 12-bit camera uses 12.
        near: Also look for images that are almost identical.
        json: Write every fault to this JSON file; "-" is standard output.
    """

    folder: Argument[ExistingPath]
    bits: Annotated[int, msgspec.Meta(ge=8, le=16), Option(everyday=True)] = FitConfig().bits
    near: Everyday[bool] = True
    json: Everyday[NewFile | None] = None


class ProceduralSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [procedural]: which products are drawn, and where.

    Attributes:
        out: Make the data set in this folder. With --family all each family gets a folder in it.
        family: The family of products (docs/procedural.md), or all.
    """

    out: Path
    family: Everyday[str] = ALL


@click.group(
    "data", context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help", "--help-all"]}
)
def command() -> None:
    """Read, check and build data sets."""


@settings_command(everyday=_EVERYDAY)
def check_command(check: CheckSettings, data: DataConfig, parts: PartsConfig) -> None:
    """List each fault of a data set, and how to mend it.

    FOLDER is a data set, or holds several. The exit code is 1 if a fault is an error. It is 0 if there is no
    fault, or only warnings.

    \b
    saec data check mvtec/bottle
    saec data check mvtec --json faults.json
    """
    from saec.data.checks.image_faults import check_root
    from saec.data.parts import requested_parts

    text = str(check.json) != "-"
    done = []
    for checked in check_root(
        check.folder,
        near=check.near,
        layout=data.layout,
        parts=requested_parts(parts),
        bits=check.bits,
        progress=tracked,
    ):
        done.append(checked)
        if text:
            click.echo(_describe(checked))
    errors = sum(c.count("error") for c in done)
    warnings = sum(c.count("warning") for c in done)
    if text:
        click.echo(f"{errors} errors, {warnings} warnings")
    if check.json is not None:
        write_json_to(check.json, {"errors": errors, "warnings": warnings, "datasets": done})
    if errors:
        click.get_current_context().exit(1)


@settings_command(everyday=_EVERYDAY)
def holdout_command(build: BuildSettings, mvtec_holdout: HoldoutConfig, parts: PartsConfig) -> None:
    """Make a hold-out of all categories' test images.

    The images go to val/good and val/defect.

    \b
    saec data mvtec-holdout --src mvtec --out holdout
    """
    from saec.data.builders.mvtec_holdout import build_holdout
    from saec.data.parts import requested_parts

    _tell(
        build_holdout(
            build.src,
            build.out,
            mvtec_holdout,
            parts=requested_parts(parts),
            force=build.force,
            progress=tracked,
        )
    )


@settings_command()
def ksdd2_command(build: BuildSettings, ksdd2: Ksdd2Config) -> None:
    """Make a data set of KolektorSDD2.

    It has all defects and as many good images. Or it has the official split.

    \b
    saec data ksdd2 --src KolektorSDD2 --out ksdd2
    """
    from saec.data.builders.ksdd2 import build_ksdd2

    _tell(build_ksdd2(build.src, build.out, ksdd2, force=build.force, progress=tracked))


@settings_command(everyday=_EVERYDAY)
def sft_command(build: BuildSettings, sft: SftConfig, parts: PartsConfig) -> None:
    """Make the training data of `saec tune`.

    The files are train.jsonl and val.jsonl, with the images beside.

    \b
    saec data sft --src mvtec --out sft --exclude-holdout holdout/manifest.json
    """
    from saec.data.builders.instructions import build_sft
    from saec.data.parts import requested_parts

    built = build_sft(
        build.src, build.out, sft, parts=requested_parts(parts), force=build.force, progress=tracked
    )
    _tell(built)
    click.echo(f"[done] train={built.counts['train']} val={built.counts['val']}")


@settings_command()
def procedural_command(procedural: ProceduralSettings, drawing: DrawingConfig) -> None:
    """Draw products with defects, exact masks and descriptions.

    \b
    saec data procedural --family label --out label --difficulty 0.8
    """
    from saec.data.procedural import FAMILIES, write_dataset

    out, family = procedural.out, procedural.family
    if family not in (ALL, *FAMILIES):
        raise ConfigError(
            f"there is no product family {family!r}", f"use one of {', '.join(sorted(FAMILIES))}, or {ALL}"
        )
    if family != ALL:
        _drawn(write_dataset(out, family, drawing, progress=tracked))
        return
    for name in tracked(sorted(FAMILIES), len(FAMILIES)):
        _drawn(write_dataset(out / name, name, drawing))


for _name, _command in (
    ("check", check_command),
    ("ksdd2", ksdd2_command),
    ("mvtec-holdout", holdout_command),
    ("procedural", procedural_command),
    ("sft", sft_command),
):
    command.add_command(_command, _name)


def _drawn(written: WrittenDataset) -> None:
    click.echo(f"{written.out}: " + ", ".join(f"{name} {n}" for name, n in written.counts.items()))


def _tell(built: Built) -> None:
    counts = ", ".join(f"{name} {n}" for name, n in built.counts.items())
    click.echo(f"{built.out}: {counts}")
    for note in built.notes:
        click.echo(f"note: {note}", err=True)


def _describe(checked: Checked) -> str:
    counts = "; ".join(
        f"{split} " + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
        for split, kinds in sorted(checked.counts.items(), reverse=True)
    )
    for number, word in ((checked.masks, "masks"), (checked.boxes, "boxes without outlines")):
        counts += f"; {number} {word}" if number else ""
    lines = [f"{checked.name} ({checked.layout}): {counts or 'nothing read'}"]
    for (level, code), group in groupby(checked.faults, key=lambda f: (f.level, f.code)):
        faults = list(group)
        lines.append(f"  {level} {code}: {len(faults)}")
        lines += [f"    {' + '.join(fault.paths)}: {fault.message}" for fault in faults[:SHOWN]]
        if len(faults) > SHOWN:
            lines.append(f"    and {len(faults) - SHOWN} more, see --json")
        lines.append(f"    remedy: {faults[0].remedy}")
    return "\n".join(lines)
