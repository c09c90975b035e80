"""saec scoring: the cloud's ways of scoring, side by side on the same labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from saec.cli.options.output_file import write_json_to
from saec.cli.options.settings_command import is_given, settings_command
from saec.data.stratified_draw import stratified_sample
from saec.errors import ConfigError
from saec.settings import CloudConfig, DataConfig, SampleConfig, Spending
from saec.settings.setting_fields import Argument, Count, Everyday, ExistingFolder, NewFile
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


class ScoringSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [scoring]: on what the ways of scoring are compared.

    Attributes:
        dataset: The labelled images.
        line: A line whose good images are the references.
        limit_per_label: Judge at most so many good images and so many defects. They are drawn by kind, always
            the same ones.
        json: Write the figures to this JSON file; "-" is standard output.
    """

    dataset: Argument[ExistingFolder]
    line: Everyday[ExistingFolder | None] = None
    limit_per_label: Everyday[Count | None] = None
    json: Everyday[NewFile | None] = None


@settings_command(
    everyday=("--references",),
    without=(
        "sample.limit",
        "cloud.scoring",  # every way is taken, and ranking looks at crops of its own
        *(f"cloud.spending.{name}" for name in Spending.__struct_fields__),
    ),
    needs=("cloud.model",),
)
def command(scoring: ScoringSettings, cloud: CloudConfig, data: DataConfig, sample: SampleConfig) -> None:
    """Compare the three ways in which a cloud's model scores, on the labelled images of DATASET.

    One model is loaded, and it judges each image in each way: threshold, rank and generate. With --line it is
    shown good images of the line as references; without it none.

    \b
    saec scoring mvtec/bottle --cloud small --line lines/bottle
    """
    from saec.data.input_images import list_inputs
    from saec.evaluation.line_evaluation import labelled
    from saec.frame.cloud_services import is_service
    from saec.frame.requested_cloud import requested_cloud
    from saec.lines.leaks import check_leaks, held_out
    from saec.profile import LineProfile
    from saec.runs.domain import cross_domain

    if is_service(cloud.model):
        raise ConfigError(
            f"the service {cloud.model} scores in one way only, so nothing can be compared",
            "give --cloud the folder or the name of a checkpoint",
        )
    profile = None if scoring.line is None else LineProfile.open(scoring.line)
    opened = requested_cloud(_without_references(cloud) if profile is None else cloud)
    if opened is None:
        raise ConfigError('`saec scoring` asks a cloud, but --cloud is "none"', "name a model with --cloud")
    inputs = held_out(profile, labelled(list_inputs(scoring.dataset, split=sample.split, layout=data.layout)))
    sources = _limited(inputs.sources, scoring.limit_per_label)
    check_leaks(profile, sources, opened.config)
    elsewhere = None
    if profile is not None:
        elsewhere = cross_domain(profile, inputs, opened.config.adapter)
    rows = _compare(opened, profile, sources)
    if str(scoring.json) != "-":
        _show(rows, opened)
        if elsewhere is not None:
            click.echo(f"cross-domain: {elsewhere}")
    if scoring.json is not None:
        write_json_to(scoring.json, {**_as_json(rows, opened), "cross_domain": elsewhere})


def _limited(sources: list[Source], each: int | None) -> list[Source]:
    """At most so many goods and so many defects, each drawn by kind."""
    if each is None:
        return sources
    chosen = []
    for label in (GOOD, DEFECT):
        same = [s for s in sources if s.truth == label]
        chosen += [same[i] for i in stratified_sample([(s.truth, s.kind) for s in same], each)]
    return chosen


def _without_references(cloud: CloudConfig) -> CloudConfig:
    """The cloud where no line gives references.

    Raises:
        ConfigError: the user has asked for some.
    """
    if is_given("cloud.references") and cloud.references:
        raise ConfigError(
            f"--references {cloud.references} needs the good images of a line", "name the line with --line"
        )
    return msgspec.structs.replace(cloud, references=0)


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
