"""saec scoring: the cloud's ways of scoring, side by side on the same labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.options.cloud_model import cloud_options, open_cloud
from saec.cli.options.inputs import FOLDER, SPLITS
from saec.cli.options.output_file import NewFile
from saec.data.stratified_draw import stratified_sample
from saec.errors import ConfigError
from saec.types import DEFECT, GOOD

if TYPE_CHECKING:
    from saec.evaluation.scoring_comparison import ScoringRow
    from saec.frame.judges import Cloud
    from saec.profile import LineProfile
    from saec.types import Source

_RATES = (
    ("accuracy", "accuracy"),
    ("balanced", "balanced_accuracy"),
    ("AUROC", "image_auroc"),
    ("escape", "escape_rate"),
    ("overkill", "overkill_rate"),
)


@click.command()
@click.argument("dataset", type=FOLDER)
@cloud_options
@click.option("--line", type=FOLDER, help="Line profile whose goods are the references.")
@click.option("--split", type=SPLITS, default="holdout", show_default=True, help="Of the data set.")
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="So many goods and so many defects at most, drawn by kind, always the same ones.",
)
@click.option("--json", "json_file", type=NewFile(), help="Write the figures as JSON.")
def command(
    dataset: Path,
    line: Path | None,
    split: Any,
    layout: str,
    limit: int | None,
    json_file: Path | None,
    **cloud: Any,
) -> None:
    """Judge the labelled images of DATASET by threshold, by ranking and by strict generation.

    One model is loaded and asked in each way. References come from --line; without one the cloud sees
    none.

    \b
    saec scoring mvtec/bottle --cloud small --line lines/bottle
    """
    from saec.data.input_images import list_inputs
    from saec.evaluation.line_evaluation import labelled
    from saec.lines.leaks import check_leaks, held_out
    from saec.profile import LineProfile, write_json
    from saec.runs.domain import cross_domain

    profile = None if line is None else LineProfile.open(line)
    opened = open_cloud(**_without_references(cloud) if profile is None else cloud)
    if opened is None:
        raise ConfigError("no cloud to ask", "name one with --cloud")
    if opened.config.remote.url:
        raise ConfigError("a service scores in its own way", "name the checkpoint itself with --cloud")
    inputs = held_out(profile, labelled(list_inputs(dataset, split=split, layout=layout)))
    sources = _limited(inputs.sources, limit)
    check_leaks(profile, sources, opened.config)
    elsewhere = None
    if profile is not None:
        elsewhere = cross_domain(profile, inputs, opened.config.adapter)
    rows = _compare(opened, profile, sources)
    _show(rows, opened)
    if elsewhere is not None:
        click.echo(f"cross-domain: {elsewhere}")
    if json_file is not None:
        write_json(json_file, {**_as_json(rows, opened), "cross_domain": elsewhere})


# Every way is taken, and ranking looks at crops of its own.
command.params = [option for option in command.params if option.name not in ("scoring", "spend")]


def _limited(sources: list[Source], each: int | None) -> list[Source]:
    """At most so many goods and so many defects, each drawn by kind."""
    if each is None:
        return sources
    chosen = []
    for label in (GOOD, DEFECT):
        same = [s for s in sources if s.truth == label]
        chosen += [same[i] for i in stratified_sample([(s.truth, s.kind) for s in same], each)]
    return chosen


def _without_references(cloud: dict[str, Any]) -> dict[str, Any]:
    """The cloud's options where no line gives references.

    Raises:
        ConfigError: the user has asked for some.
    """
    source = click.get_current_context().get_parameter_source("references")
    if source != click.core.ParameterSource.DEFAULT and cloud["references"]:
        raise ConfigError(
            f"--references {cloud['references']} without a line", "name the line that has them with --line"
        )
    return cloud | {"references": 0}


def _compare(cloud: Cloud, profile: LineProfile | None, sources: Sequence[Source]) -> list[ScoringRow]:
    from saec.cli.options.progress_bar import bar
    from saec.evaluation.scoring_comparison import compare_scorings
    from saec.frame.judges import read_references

    k = cloud.config.references
    with bar() as report:
        return compare_scorings(
            cloud.engine,
            sources,
            [] if profile is None else read_references(profile, k),
            batch=cloud.config.batch,
            bits=16 if profile is None else profile.line.preparation.bits,
            progress=report,
        )


def _show(rows: Sequence[ScoringRow], cloud: Cloud) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    name = f"{cloud.engine.name} (DEMONSTRATION)" if cloud.engine.demonstration else cloud.engine.name
    shown = f"references {cloud.config.references}, prompt {cloud.engine.prompt}, views {cloud.engine.views}"
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=f"{name}, {shown}; percent of the answers that parsed, labels at P = 0.5",
    )
    table.add_column("scoring")
    for title in (*(title for title, _ in _RATES), "goods+defects", "unparsed", "ms/frame"):
        table.add_column(title, justify="right")
    for row in rows:
        rates = [getattr(row.metrics, name) for _, name in _RATES]
        table.add_row(
            row.scoring,
            *("–" if rate is None else f"{100 * rate:.1f}" for rate in rates),
            f"{row.metrics.n_good}+{row.metrics.n_defect}",
            str(row.unparsed),
            f"{row.ms_per_frame:.1f}",
        )
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)


def _as_json(rows: Sequence[ScoringRow], cloud: Cloud) -> dict[str, Any]:
    return {
        "cloud": cloud.engine.name,
        "weights": cloud.engine.weights_hash,
        "demonstration": cloud.engine.demonstration,
        "prompt": cloud.engine.prompt,
        "references": cloud.config.references,
        "views": cloud.engine.views,
        "batch": cloud.config.batch,
        "scorings": {row.scoring: row for row in rows},
    }
