"""``saec data``: check data sets, and build them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from saec.cli.options.progress_bar import tracked
from saec.settings import CloudConfig

if TYPE_CHECKING:
    from saec.data.builders.build_folder import Built
    from saec.data.checks.image_faults import Checked
    from saec.data.parts import PartIds
    from saec.data.procedural.dataset_writer import WrittenDataset

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True)
OUT = click.Path(path_type=Path)
SHOWN = 5
"""How many files of one kind of fault the text lists; --json lists all."""


@click.group("data")
def command() -> None:
    """Read, check and build data sets."""


def _parts_options(function: F) -> F:
    pattern = click.option(
        "--parts-pattern",
        metavar="REGEX",
        help=r"Part and lot ids in file names, as '(?P<lot>L\d+)_(?P<part>\d+)_'; with a / in the path.",
    )
    table = click.option("--parts-csv", type=FILE, help="Part ids from a table: path,part[,lot].")
    return pattern(table(function))


def _building_options(function: F) -> F:
    src = click.option("--src", type=FOLDER, required=True, help="The raw data set.")
    out = click.option("--out", type=OUT, required=True, help="The folder to make.")
    force = click.option("--force", is_flag=True, help="Replace an earlier build in --out.")
    return src(out(force(function)))


def _link_option(default: bool) -> Callable[[F], F]:
    return click.option(
        "--link/--copy", default=default, show_default=True, help="Link to the images or copy them."
    )


@command.command("check")
@click.argument("folder", type=FILE)
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set; see docs/data.md.")
@_parts_options
@click.option(
    "--bits", type=click.IntRange(8, 16), default=16, show_default=True, help="Bits of 16-bit images."
)
@click.option("--near/--no-near", default=True, show_default=True, help="Look for near copies, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with every fault.")
@click.pass_context
def _check(
    ctx: click.Context,
    folder: Path,
    layout: str,
    parts_pattern: str | None,
    parts_csv: Path | None,
    bits: int,
    near: bool,
    as_json: bool,
) -> None:
    """Name each fault of a data set, or of every category of a root, with its remedy.

    Exits with 1 if there is an error among them, with 0 if there are none or only warnings.
    """
    import msgspec

    from saec.data.checks.image_faults import check_root

    parts = _part_ids(parts_pattern, parts_csv)
    done = []
    for checked in check_root(folder, layout=layout, parts=parts, bits=bits, near=near, progress=tracked):
        done.append(checked)
        if not as_json:
            click.echo(_describe(checked))
    errors = sum(c.count("error") for c in done)
    warnings = sum(c.count("warning") for c in done)
    if as_json:
        result = {"errors": errors, "warnings": warnings, "datasets": done}
        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=1))
    else:
        click.echo(f"{errors} errors, {warnings} warnings")
    ctx.exit(1 if errors else 0)


@command.command("mvtec-holdout")
@_building_options
@click.option(
    "--n-good", type=click.IntRange(0), default=500, show_default=True, help="At most so many goods."
)
@click.option(
    "--n-defect", type=click.IntRange(0), default=500, show_default=True, help="At most so many defects."
)
@click.option("--seed", type=int, default=2025, show_default=True)
@click.option("--exclude", type=FILE, multiple=True, help="JSONL file that names images not to take.")
@click.option("--exclude-manifest", type=FILE, multiple=True, help="Manifest whose images are not to take.")
@_link_option(False)
@click.option("--split-lists", type=OUT, help="Folder for lists of what was taken.")
@_parts_options
def mvtec_holdout(
    src: Path,
    out: Path,
    force: bool,
    n_good: int,
    n_defect: int,
    seed: int,
    exclude: Sequence[Path],
    exclude_manifest: Sequence[Path],
    link: bool,
    split_lists: Path | None,
    parts_pattern: str | None,
    parts_csv: Path | None,
) -> None:
    """Make a hold-out of the test images of all categories: val/good and val/defect."""
    from saec.data.builders.mvtec_holdout import build_holdout

    _tell(
        build_holdout(
            src,
            out,
            n_good=n_good,
            n_defect=n_defect,
            seed=seed,
            exclude=exclude,
            exclude_manifests=exclude_manifest,
            link=link,
            split_lists=split_lists,
            parts=_part_ids(parts_pattern, parts_csv),
            force=force,
            progress=tracked,
        )
    )


@command.command()
@_building_options
@click.option(
    "--protocol", type=click.Choice(["one-to-one", "official"]), default="one-to-one", show_default=True
)
@click.option("--seed", type=int, default=1234, show_default=True, help="Of the choice of goods.")
@_link_option(False)
@click.option("--lists", type=OUT, help="Folder for lists of what was taken.")
@click.option("--drop-shared", is_flag=True, help="Official split: leave test images out of train.")
def ksdd2(**options: Any) -> None:
    """Make folders of KolektorSDD2: all defects and as many goods, or its official split."""
    from saec.data.builders.ksdd2 import build_ksdd2

    _tell(build_ksdd2(**options, progress=tracked))


@command.command()
@_building_options
@click.option(
    "--defect-train-ratio",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the test defects to train on.",
)
@click.option(
    "--calibration-ratio",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of train goods and test defects that is spared, to measure the tuned model on.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the choice of defects and references."
)
@click.option(
    "--references",
    type=click.IntRange(0),
    default=CloudConfig().references,
    show_default=True,
    help="Good images shown before the one to judge.",
)
@click.option("--exclude-holdout", type=FILE, multiple=True, help="Manifest whose hold-out is left out.")
@_link_option(True)
@_parts_options
def sft(parts_pattern: str | None, parts_csv: Path | None, **options: Any) -> None:
    """Make instruction data, train.jsonl and val.jsonl, for fine-tuning the cloud's model."""
    from saec.data.builders.instructions import build_sft

    built = build_sft(**options, parts=_part_ids(parts_pattern, parts_csv), progress=tracked)
    _tell(built)
    click.echo(f"[done] train={built.counts['train']} val={built.counts['val']}")


@command.command()
@click.option(
    "--out", type=OUT, required=True, help="The folder to make; with --family all one folder for each in it."
)
@click.option("--family", default="all", show_default=True, help="A family of products, or all.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--n-train", type=click.IntRange(0), default=60, show_default=True, help="Train goods.")
@click.option("--n-good", type=click.IntRange(0), default=20, show_default=True, help="Test goods.")
@click.option("--n-defect", type=click.IntRange(0), default=40, show_default=True, help="Test defects.")
@click.option("--n-train-defect", type=click.IntRange(0), default=0, show_default=True, help="Train defects.")
@click.option(
    "--difficulty", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="1 is hardest."
)
@click.option("--size", type=click.IntRange(64), default=256, show_default=True, help="Side in pixels.")
@click.option(
    "--variation",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Benign variation of goods and defects: light, dust, turn, focus.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    help="Kind of defect, again for more; default all but 'extra part' and 'asymmetry'.",
)
def procedural(out: Path, family: str, kinds: Sequence[str], **options: Any) -> None:
    """Draw products with defects, exact masks and descriptions."""
    from saec.data.procedural import FAMILIES
    from saec.errors import ConfigError

    if family not in ("all", *FAMILIES):
        raise ConfigError(f"no family {family!r}", f"one of {', '.join(sorted(FAMILIES))}, or all")
    from saec.data.procedural import write_dataset

    if family != "all":
        _drawn(write_dataset(out, family=family, kinds=kinds or None, progress=tracked, **options))
        return
    for name in tracked(sorted(FAMILIES), len(FAMILIES)):
        _drawn(write_dataset(out / name, family=name, kinds=kinds or None, **options))


def _drawn(written: WrittenDataset) -> None:
    click.echo(f"{written.out}: " + ", ".join(f"{name} {n}" for name, n in written.counts.items()))


def _part_ids(pattern: str | None, table: Path | None) -> PartIds | None:
    from saec.data.parts import PartIds

    return None if pattern is None and table is None else PartIds(pattern, table)


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
