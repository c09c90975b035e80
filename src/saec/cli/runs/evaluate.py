"""saec evaluate: measure lines on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import msgspec

from saec.cli.options.inputs import command_line, interruptible
from saec.cli.options.measurement import meter_line, tell_energy
from saec.cli.options.output_file import write_json_to
from saec.cli.options.preset_command import under_preset
from saec.cli.options.progress_bar import frames_bar
from saec.cli.options.settings_command import is_given, settings_command
from saec.errors import ConfigError
from saec.settings import CloudConfig, DataConfig, MeterConfig, Policy, RunConfig, SampleConfig
from saec.settings.setting_fields import Argument, Everyday, ExistingPath, NewFile, Option

if TYPE_CHECKING:
    from rich.table import Table

    from saec.evaluation.evaluation_tasks import EvaluationTask
    from saec.evaluation.line_evaluation import Result
    from saec.evaluation.metrics import Metrics
    from saec.frame.judges import Cloud
    from saec.runs.run_folder import Options

_COLUMNS = (
    ("AUROC", "image_auroc"),
    ("AP", "average_precision"),
    ("acc.", "accuracy"),
    ("bal.\nacc.", "balanced_accuracy"),
    ("maj.\nacc.", "majority_accuracy"),
    ("escape", "escape_rate"),
    ("over-\nkill", "overkill_rate"),
    ("sent", "escalation_rate"),
    ("oracle\nacc.", "accuracy_oracle"),
    ("oracle\nF1", "f1_oracle"),
    ("pixel\nAUROC", "pixel_auroc"),
    ("PRO", "pro"),
)
_ALWAYS = 8
"""The columns that a narrow terminal shows."""

_WIDE = 124


class EvaluateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [evaluate]: what is measured, and what is kept of it.

    Attributes:
        lines: One line or several. A folder of lines gives all that are in it.
        dataset: The labelled images. A folder of data sets gives each line the one of its name.
        out: Keep the run folders here, for `saec report`.
        json: Write the figures to this JSON file; "-" is standard output.
        verdicts: Judge nothing: measure the verdicts of this earlier run (its folder or verdicts.jsonl). LINE
            is the line that made them.
    """

    lines: Annotated[tuple[ExistingPath, ...], Option(name="LINE", argument=True)]
    dataset: Argument[ExistingPath]
    out: Everyday[Path | None] = None
    json: Everyday[NewFile | None] = None
    verdicts: Everyday[ExistingPath | None] = None


@settings_command(without=("run.deadline_s", "run.waiting"))
def command(
    evaluate: EvaluateSettings,
    cloud: CloudConfig,
    policy: Policy,
    run: RunConfig,
    data: DataConfig,
    sample: SampleConfig,
    meter: MeterConfig,
) -> None:
    """Measure each LINE on the hold-out of DATASET.

    If several lines have one name and differ only in --seed, you get the mean and the deviation over the
    seeds. Their folders are LINES/SEED/NAME or LINES/NAME/SEED. The exit code is 1 if a line could judge no
    frame.

    \b
    saec evaluate lines/bottle mvtec/bottle --json bottle.json
    saec evaluate lines/ mvtec/
    """
    from saec.evaluation.evaluation_tasks import pair_up
    from saec.evaluation.line_evaluation import as_json, evaluate_log
    from saec.frame.requested_cloud import requested_cloud
    from saec.runs.requested_options import run_options
    from saec.runs.run_folder import verdicts_of

    tasks = pair_up(evaluate.lines, evaluate.dataset)
    if evaluate.verdicts is not None:
        if len(tasks) != 1:
            raise ConfigError(
                f"--verdicts takes one line, and you gave {len(tasks)}",
                "give the line that made these verdicts",
            )
        split = sample.split if is_given("sample.split") else "all"
        results = [evaluate_log(tasks[0], verdicts_of(evaluate.verdicts), split=split, layout=data.layout)]
    else:
        kept = evaluate.out is not None
        run = msgspec.structs.replace(run, maps=run.maps and kept, explain=run.explain and kept)
        options = run_options(policy, run, meter, command=command_line())
        what = {"split": sample.split, "layout": data.layout, "limit": sample.limit}
        asked = requested_cloud(under_preset(policy.preset, cloud))
        results = _judge(tasks, asked, options, evaluate.out, what)
    if str(evaluate.json) != "-":
        _show(results)
        if evaluate.out is not None and len(tasks) == 1:
            tell_energy(evaluate.out)
    if evaluate.json is not None:
        write_json_to(evaluate.json, as_json(results))
    if any(result.metrics.n_good + result.metrics.n_defect == 0 for result in results):
        click.get_current_context().exit(1)


def _judge(
    tasks: Sequence[EvaluationTask],
    cloud: Cloud | None,
    options: Options,
    out: Path | None,
    what: dict[str, Any],
) -> list[Result]:
    """One result per task; Ctrl-C gives none, for figures of half a set would be taken for the set's."""
    from saec.evaluation.line_evaluation import evaluate_line

    results = []
    with interruptible() as stop:
        for task in tasks:
            folder = _folder(out, task, alone=len(tasks) == 1)
            with frames_bar(None, task.name) as advance:
                results.append(
                    evaluate_line(
                        task, cloud=cloud, options=options, out=folder, progress=advance, stop=stop, **what
                    )
                )
            if stop.is_set():
                raise click.Abort
    return results


def _folder(out: Path | None, task: EvaluationTask, *, alone: bool) -> Path | None:
    return out if out is None or alone else out / task.name


def _show(results: Sequence[Result]) -> None:
    from rich.console import Console

    from saec.evaluation.line_evaluation import by_category, result_notes, seed_means
    from saec.evaluation.metrics import mean_row, over_seeds

    several = [(name, group) for name, group in by_category(results).items() if len(group) > 1]
    console = Console()
    narrow = console.is_terminal and console.width < _WIDE
    if not console.is_terminal:
        console = Console(width=_WIDE + 6 * len(_COLUMNS) * bool(several))
    columns = _COLUMNS[:_ALWAYS] if narrow else _COLUMNS
    table = _table(columns)
    for result in results:
        name = result.task.name + ("\ncross-domain" if result.cross_domain else "")
        table.add_row(*_row(name, msgspec.to_builtins(result.metrics), columns))
    for name, group in several:
        spread = over_seeds([result.metrics for result in group])
        table.add_row(*_spread(f"{name}, {len(group)} seeds", spread, columns), style="dim")
    if len(results) > 1:
        table.add_section()
        mean = mean_row([result.metrics for result in results])
        table.add_row(*_row("mean", mean, columns), style="bold")
    if several:
        spread = over_seeds(seed_means(results))
        table.add_row(*_spread("mean over seeds", spread, columns), style="bold")
    console.print(table)
    if narrow:
        click.echo("oracle and pixel figures: a wider terminal, or --json")
    if len(results) == 1:
        _tell(results[0].metrics)
        if results[0].info is not None:
            click.echo(meter_line(results[0].info))
    for result in results:
        for note in result_notes(result):
            click.echo(f"{result.task.name}: {note}")


def _tell(metrics: Metrics) -> None:
    """What the table has no room for; with several lines it is in the JSON."""
    count = metrics.confusion
    for what, interval, of in (
        ("escapes", metrics.escape_interval, f"{count.fn} of {metrics.n_defect} defects"),
        ("overkills", metrics.overkill_interval, f"{count.fp} of {metrics.n_good} good images"),
    ):
        if interval is not None:
            click.echo(f"{what}: {of}, {interval[0]:.1%} to {interval[1]:.1%} with 95 % confidence")
    if metrics.kinds is not None:
        click.echo("\n".join([repr(metrics.kinds), *metrics.kinds.sentences()]))
    if metrics.spent is not None:
        click.echo(metrics.spent.sentence())
    stages = {"judging": metrics.ms_judging, "waiting": metrics.ms_waiting, **metrics.ms_by_stage}
    times = [f"{s} {t.p50:.1f} {t.p95:.1f} {t.p99:.1f}" for s, t in stages.items() if t is not None]
    click.echo(f"ms p50 p95 p99: {', '.join(times) or 'unknown'}")


def _table(columns: Sequence[tuple[str, str]]) -> Table:
    from rich import box
    from rich.table import Table

    caption = (
        "percent; oracle figures pick their threshold on these very images; waiting: of those that waited"
    )
    table = Table(box=box.SIMPLE_HEAD, caption=caption, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("line", overflow="fold")
    for title in (*(title for title, _ in columns), "goods+\ndefects", "judging\nms", "waiting\nms"):
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _row(name: str, figures: dict[str, Any], columns: Sequence[tuple[str, str]]) -> list[str]:
    judging, waiting = figures["ms_judging"], figures["ms_waiting"]
    return [
        name,
        *(_percent(figures[key]) for _, key in columns),
        f"{figures['n_good']}+{figures['n_defect']}",
        f"{judging['p50']:.1f}" if judging else "unknown",
        f"{waiting['p50']:.1f}" if waiting else "–",
    ]


def _spread(
    name: str, spread: dict[str, dict[str, float | None]], columns: Sequence[tuple[str, str]]
) -> list[str]:
    cells = [name]
    for _, key in columns:
        deviation = spread[key]["deviation"]
        around = "" if deviation is None else f"±{100 * deviation:.1f}"
        cells.append(f"{_percent(spread[key]['mean'])}{around}")
    return cells


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
