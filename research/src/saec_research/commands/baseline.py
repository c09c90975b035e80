"""saec baseline: judge a data set in the ways that others do, and ours, by one command each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.options.cloud_model import cloud_options, open_cloud, under_preset, unless_given
from saec.cli.options.inputs import FOLDER, SPLITS, command_line, interruptible, limit_option
from saec.cli.options.output_file import NewFile
from saec.cli.options.progress_bar import frames_bar
from saec.errors import ConfigError, SaecError
from saec.settings import CloudConfig, FitConfig, RunConfig

if TYPE_CHECKING:
    from saec_research.baselines import Baseline, BaselineRow, BaselineSetup

NAMES = ("yolo", "edge", "cloud", "llava", "seed", "saec")
"""In the order of ``saec_research.baselines.BASELINES``, here so that --help imports nothing heavy."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_WIDE = 150


@click.command()
@click.argument("name", type=click.Choice([*NAMES, "all"]))
@click.argument("dataset", type=FOLDER)
@click.option("--line", "lines", type=FOLDER, multiple=True,
              help="Line profile to judge with, as it is; two for `all`: one of each detector.")  # fmt: skip
@click.option("--goods", type=FOLDER, multiple=True,
              help="Folder of goods to fit on, instead of DATASET's train goods.")  # fmt: skip
@click.option("--yolo", type=_FILE, help="Classifier of yolo and seed (OpenVINO, ONNX, TFLite or .pt).")
@click.option("--side", "--imgsz", "side", type=click.IntRange(64, 2048), default=FitConfig().side_px,
              show_default=True, help="Of the edge's input, YOLO's too, where a line is fitted.")  # fmt: skip
@click.option("--llava", metavar="PATH|NAME", help="LLaVA-1.5 in the llava-hf conversion.")
@cloud_options
@click.option("--out", type=click.Path(path_type=Path),
              help="Run folder; with `all` a folder of run folders. Default: in runs/.")  # fmt: skip
@click.option("--csv", type=NewFile(), help="Write the P(defect) of each image here, too.")
@click.option("--json", "json_file", type=NewFile(), help="Write the figures as JSON.")
@click.option("--split", type=SPLITS, default="holdout", show_default=True, help="Of the data set.")
@click.option("--layout", default="auto", show_default=True, help="Layout of the data set.")
@limit_option()
@click.option("--maps/--no-maps", default=False, show_default=True, help="Save pictures with the map.")
@click.option("--gpu", type=click.IntRange(min=0), help="GPU whose energy is metered.")
def command(
    name: str, dataset: Path, out: Path | None, csv: Path | None, json_file: Path | None, **rest: Any
) -> None:
    """Judge the hold-out of DATASET as baseline NAME does, and measure it.

    \b
    yolo   the YOLO rule alone, its thresholds from the train goods
    edge   our detector alone
    cloud  Qwen2.5-VL zero-shot: every frame, no adapter, no reference image unless asked for
    llava  LLaVA-1.5 zero-shot: every frame, 448 pixels
    seed   the seed's cascade: YOLO, its policy, its preset of the cloud
    saec   ours: gate and fusion
    all    those whose models are at hand, in one table

    Without --line what is needed is fitted on DATASET's train goods, once, into baseline-lines/ beside --out.

    \b
    saec baseline yolo mvtec/bottle --yolo yolo11n-cls.onnx
    saec baseline llava mvtec/bottle --llava llava-hf/llava-1.5-7b-hf --csv probs.csv
    saec baseline all mvtec/bottle --yolo yolo11n-cls.onnx --cloud small --limit 40
    """
    from saec_research.baselines import BASELINES, PROBABILITIES

    if csv is not None and name == "all":
        raise ConfigError("--csv with several baselines", f"each run folder has its own {PROBABILITIES}")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = out or Path("runs") / f"baseline-{name}-{dataset.resolve().name}-{stamp}"
    work = _work(dataset, folder.parent / "baseline-lines", **rest)
    done = _Done()
    if name == "all":
        _run_all(list(BASELINES.values()), work, folder, done)
    else:
        done.rows.append(_run(BASELINES[name], work, folder))
    _show(done)
    if csv is not None:
        shutil.copyfile(folder / PROBABILITIES, csv)
    if json_file is not None:
        from saec.profile import write_json

        write_json(json_file, {"rows": done.rows, "left_out": done.left_out, "failed": done.failed})
    if done.failed:
        click.get_current_context().exit(1)


@dataclass
class _Done:
    """The rows of what was run, and of the rest by name why it was left out or failed."""

    rows: list[BaselineRow] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def _work(
    dataset: Path,
    store: Path,
    lines: tuple[Path, ...],
    goods: tuple[Path, ...],
    yolo: Path | None,
    side: int,
    llava: str | None,
    split: Any,
    layout: str,
    limit: int | None,
    maps: bool,
    gpu: int | None,
    **cloud: Any,
) -> BaselineSetup:
    from saec_research.baselines import BaselineSetup

    return BaselineSetup(
        dataset=dataset,
        store=store,
        lines=_by_detector(lines),
        goods=goods,
        yolo=yolo,
        clouds=_clouds(cloud, llava),
        fit=FitConfig(side_px=side),
        run=RunConfig(maps=maps, explain=False),
        split=split,
        layout=layout,
        limit=limit,
        gpu=gpu,
        command=command_line(),
        say=click.echo,
    )


def _by_detector(lines: Sequence[Path]) -> dict[Any, Path]:
    from saec.profile import LineProfile

    kinds: dict[Any, Path] = {}
    for line in lines:
        kind = LineProfile.open(line, verify=False).line.detector.kind
        if kind in kinds:
            raise ConfigError(f"{kinds[kind]} and {line} both have the detector {kind}", "name one of them")
        kinds[kind] = line
    return kinds


def _clouds(cloud: dict[str, Any], llava: str | None) -> dict[str, CloudConfig]:
    """The settings of each baseline's model: what was given, else what the baseline is known for."""
    from saec_research.baselines import LLAVA_SIDE

    wishes: dict[str, dict[str, Any]] = {}
    if cloud["model"] != "none":
        wishes["cloud"] = unless_given(cloud, references=0) | {"adapter": None}
        wishes["seed"] = under_preset("saec", cloud)
        wishes["saec"] = cloud
    if llava is not None:
        wishes["llava"] = unless_given(cloud, cloud_side=LLAVA_SIDE) | {
            "model": llava,
            "references": 0,
            "adapter": None,
            "prompt": None,
            "cloud_model": None,
            "token_file": None,
            "ca_file": None,
        }
    opened = {name: open_cloud(**wish) for name, wish in wishes.items()}
    return {name: cloud.config for name, cloud in opened.items() if cloud is not None}


def _run_all(baselines: Sequence[Baseline], work: BaselineSetup, out: Path, done: _Done) -> None:
    from saec_research.baselines import missing

    for baseline in baselines:
        if (remedy := missing(baseline, work)) is not None:
            done.left_out[baseline.name] = remedy
            continue
        try:
            done.rows.append(_run(baseline, work, out / baseline.name))
        except SaecError as e:  # one that fails shall not cost the hours of the others
            done.failed[baseline.name] = str(e)
            click.echo(f"{baseline.name} failed: {e}", err=True)


def _run(baseline: Baseline, work: BaselineSetup, out: Path) -> BaselineRow:
    from saec.cli.options.progress_bar import bar
    from saec_research.baselines import prepare_baseline, run_baseline

    click.echo(f"{baseline.name}: {baseline.what}")
    with bar() as report:
        ready = prepare_baseline(baseline, work, report)
    with interruptible() as stop, frames_bar(None, baseline.name) as advance:
        row = run_baseline(ready, work, out, progress=advance, stop=stop)
    if stop.is_set():  # figures of half a set would be taken for the set's
        raise click.Abort
    return row


def _show(done: _Done) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    caption = "percent but for times, which are medians"
    table = Table(box=box.SIMPLE_HEAD, caption=caption, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("baseline", "model", "input, px"):
        table.add_column(title, overflow="fold")
    times = ("judging\nms", "waiting\nms", "wall\ns")
    for title in ("images", "AUROC", "acc.", "bal.\nacc.", "escape", "over-\nkill", *times):
        table.add_column(title, justify="right", no_wrap=True)
    for row in done.rows:
        table.add_row(*_cells(row))
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    if done.rows:
        console.print(table)
    for row in done.rows:
        for note in row.notes:
            click.echo(f"{row.baseline}: {note}")
        click.echo(f"{row.baseline}: run folder {row.run}")
    for name, reason in {**done.left_out, **done.failed}.items():
        click.echo(f"{name}: left out: {reason}" if name in done.left_out else f"{name}: failed: {reason}")


def _cells(row: BaselineRow) -> list[str]:
    m = row.metrics
    shares = (m.image_auroc, m.accuracy, m.balanced_accuracy, m.escape_rate, m.overkill_rate)
    return [
        row.baseline,
        row.model,
        row.sizes,
        str(row.images),
        *("–" if share is None else f"{100 * share:.1f}" for share in shares),
        "–" if row.ms is None else f"{row.ms:.0f}",
        "–" if row.ms_waiting is None else f"{row.ms_waiting:.0f}",
        "–" if row.wall_s is None else f"{row.wall_s:.1f}",
    ]
