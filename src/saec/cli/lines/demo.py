"""saec demo: the whole way, on procedural products or on the user's own images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import msgspec

from saec.cli.options.inputs import command_line, interruptible
from saec.cli.options.progress_bar import frames_bar
from saec.cli.options.settings_command import settings_command
from saec.settings import CloudConfig, DrawingConfig, RunConfig
from saec.settings.setting_fields import Everyday, ExistingFolder, Option, Seed, Share

if TYPE_CHECKING:
    from saec.api.product_line import Line
    from saec.evaluation.line_evaluation import Result
    from saec.frame.judges import Cloud

PRODUCTS = ("keypad", "leather", "wire-mesh")
"""What the demonstration inspects: products on which the edge alone is unsure, so that there is something to
ask. The checkpoint was trained on other products of the first and last family, and on none of leather."""

_CAPTION = (
    "percent, on images that took no part in fit or calibration; ms: medians; judging: work on a frame; "
    "waiting: for the cloud, of the frames that it was asked about, as here all come at once"
)

DRAWING = DrawingConfig(n_train=50, n_train_defect=20, n_good=30, n_defect=30)


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [demo]: what the demonstration shows, and where.

    Attributes:
        data: Show it on your own images instead: a data set, or a folder of several.
        out: Put images, lines, verdicts and the report into this folder.
        cloud: The multimodal LLM that is asked: the folder of a checkpoint, or its name on a hub. "small" is
            the demonstration checkpoint of the package saec-research. "none" is nobody.
        difficulty: How hard the drawn defects are to see: 0 is plain, 1 is at the limit of seeing.
        seed: Seed of the drawn products.
        force: Replace the lines and runs of an earlier demonstration.
    """

    data: Everyday[ExistingFolder | None] = None
    out: Path
    cloud: Annotated[str, Option(everyday=True, kind="model", metavar="none|small|PATH|NAME")] = "small"
    difficulty: Everyday[Share] = 0.75
    seed: Everyday[Seed] = 7
    force: Everyday[bool] = False


@settings_command()
def command(demo: DemoSettings) -> None:
    """Fit, inspect, evaluate and report in one go.

    Without --data, three products are drawn by a program. With --data the same is done on your own images:
    good ones to learn from in train/good, good and defective ones to judge in test. The table compares the
    edge alone with the edge and the cloud.

    \b
    saec demo --out runs/demo
    saec demo --data mvtec/bottle --out runs/bottle
    """
    from saec.cloud.checkpoints.checkpoint_folder import find_checkpoint
    from saec.data.dataset import categories
    from saec.frame.judges import Cloud
    from saec.report.page import write_report

    out, force = demo.out, demo.force
    opened = None if demo.cloud == "none" else Cloud(CloudConfig(model=demo.cloud))
    if opened is not None:
        find_checkpoint(demo.cloud)  # a wrong name is told before minutes of work
    root = demo.data or _draw(out / "images", demo.difficulty, demo.seed)
    results: list[tuple[Result, Result | None]] = []
    for folder in categories(root):
        line = _line(folder, out / "lines" / folder.name, opened, force)
        results.append(_judge(line, folder, out / "runs", opened, force))
    _show(results)
    _tell_changes(results, out / "runs")
    runs = [_run_folder(out / "runs", edge if both is None else both) for edge, both in results]
    click.echo(f"report: {write_report(runs[0], *runs[1:], out=out / 'report.html')}")


def _draw(out: Path, difficulty: float, seed: int) -> Path:
    """The procedural products; drawn once, they are the same at every call."""
    from saec.data.procedural import write_dataset

    for family in PRODUCTS:
        target = out / f"difficulty-{difficulty:g}-seed-{seed}" / family
        if target.is_dir():
            continue
        click.echo(f"drawing {family}")
        write_dataset(target, family, msgspec.structs.replace(DRAWING, difficulty=difficulty, seed=seed))
    return out / f"difficulty-{difficulty:g}-seed-{seed}"


def _line(folder: Path, target: Path, cloud: Cloud | None, force: bool) -> Line:
    """The line, with the cloud's trust where labelled defects can tell it."""
    from saec.api.line_making import fit
    from saec.cli.options.progress_bar import bar

    with bar() as report:
        line = fit(folder, out=target, force=force, progress=report)
    for sentence in line.notes:
        click.echo(sentence)
    if cloud is not None and line.profile.calibration.defects:
        line = line.calibrate(folder, cloud=cloud)
    return line


def _judge(
    line: Line, folder: Path, runs: Path, cloud: Cloud | None, force: bool
) -> tuple[Result, Result | None]:
    """The edge alone, and the edge with the cloud."""
    import shutil

    from saec.evaluation.evaluation_tasks import EvaluationTask
    from saec.evaluation.line_evaluation import evaluate_line
    from saec.runs.run_folder import Options

    task = EvaluationTask(line.folder, folder, folder.name)
    results: list[Any] = []
    with interruptible() as stop:
        for engine in (None, cloud) if cloud is not None else (None,):
            name = "edge" if engine is None else "cascade"
            out = runs / folder.name / name
            if force:
                shutil.rmtree(out, ignore_errors=True)
            options = Options(config=RunConfig(explain=engine is not None), command=command_line())
            with frames_bar(None, f"{folder.name}, {name}") as advance:
                result = evaluate_line(
                    task, cloud=engine, options=options, out=out, progress=advance, stop=stop
                )
            if stop.is_set():
                raise click.Abort
            results.append(result)
    return results[0], results[1] if len(results) > 1 else None


def _run_folder(runs: Path, result: Result) -> Path:
    cascade = result.info is not None and result.info.cloud is not None
    return runs / result.task.category / ("cascade" if cascade else "edge")


def _show(results: Sequence[tuple[Result, Result | None]]) -> None:
    """The table: the edge alone and the cascade side by side."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, caption=_CAPTION)
    table.add_column("line")
    for title in ("AUROC", "accuracy", "escape", "overkill", "asked", "judging\nms", "waiting\nms"):
        table.add_column(title, justify="right")
    for edge, both in results:
        for label, result in ((edge.task.category, edge), ("  with the cloud", both)):
            if result is not None:
                table.add_row(label, *_figures(result))
    console = Console()
    console = console if console.is_terminal else Console(width=100)
    console.print(table)


def _tell_changes(results: Sequence[tuple[Result, Result | None]], runs: Path) -> None:
    """The cloud's role on each line, and what became of the frames that it was asked about."""
    from saec.report.tally import tally
    from saec.report.words import mending
    from saec.runs.run_folder import verdicts_of
    from saec.runs.verdict_log import read_verdicts

    for _, both in results:
        if both is None or both.info is None or both.info.cloud is None:
            continue
        click.echo(f"{both.task.category}: {both.info.cloud.reason}")
        counts = tally(list(read_verdicts(verdicts_of(_run_folder(runs, both)))))
        if counts.heard:
            click.echo(f"{both.task.category}: {mending(counts)}")


def _figures(result: Result) -> list[str]:
    m = result.metrics
    shares = (m.image_auroc, m.accuracy, m.escape_rate, m.overkill_rate, m.escalation_rate)
    judging = "unknown" if m.ms_judging is None else f"{m.ms_judging.p50:.0f}"
    waiting = "–" if m.ms_waiting is None else f"{m.ms_waiting.p50:.0f}"
    return [*("–" if s is None else f"{100 * s:.1f}" for s in shares), judging, waiting]
