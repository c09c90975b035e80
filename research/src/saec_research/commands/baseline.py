"""saec baseline: judge a data set in the ways that others do, and ours, by one command each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import click
import msgspec

from saec.cli.options.inputs import command_line, interruptible
from saec.cli.options.output_file import STANDARD_OUTPUT, write_json_to
from saec.cli.options.preset_command import under_preset, unless_given
from saec.cli.options.progress_bar import frames_bar
from saec.cli.options.settings_command import settings_command
from saec.errors import ConfigError, SaecError
from saec.settings import CloudConfig, DataConfig, FitConfig, MeterConfig, RunConfig, SampleConfig
from saec.settings.setting_fields import Argument, Everyday, ExistingFile, ExistingPath, NewFile, Option
from saec.texts import read_text
from saec_research.commands.llava_cloud import llava_cloud

if TYPE_CHECKING:
    from saec_research.baselines import Baseline, BaselineRow, BaselineSetup

Name = Literal["yolo", "edge", "cloud", "llava", "seed", "saec", "all"]

NAMES = get_args(Name)[:-1]
"""In the order of ``saec_research.baselines.BASELINES``, here so that --help imports nothing heavy."""

_WIDE = 150
Say = Callable[[str], None]


class BaselineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [baseline]: what is judged, by which method, with which models.

    Attributes:
        name: The baseline.
        dataset: The data set.
        out: Keep the run folder here; with "all", a run folder for each baseline. Lines that are fitted stay
            in the folder baseline-lines beside it, and are used again.
        lines: Judge with this line as it is. With "all" you may give two: one of each detector.
        goods: Folder of good images to fit on, instead of the good train images of DATASET. Give it several
            times for several folders.
        yolo: Classifier of the baselines yolo and seed: OpenVINO, ONNX, TFLite or .pt.
        llava: LLaVA-1.5 in the llava-hf conversion: its folder, or its name on a hub.
        csv: Write the P(defect) of each image to this CSV file, too.
        json: Write the figures to this JSON file; "-" is standard output.
        maps: Save a picture of each frame with its anomaly map.
    """

    name: Argument[Name]
    dataset: Argument[ExistingPath]
    out: Path
    lines: Annotated[tuple[Path, ...], Option(name="--line", everyday=True, kind="folder")] = ()
    goods: Annotated[tuple[Path, ...], Option(everyday=True, kind="folder")] = ()
    yolo: Everyday[ExistingFile | None] = None
    llava: Annotated[str | None, Option(everyday=True, kind="model", metavar="PATH|NAME")] = None
    csv: Everyday[NewFile | None] = None
    json: Everyday[NewFile | None] = None
    maps: bool = False


@settings_command(only=("fit.side_px",))
def command(
    baseline: BaselineSettings,
    cloud: CloudConfig,
    fit: FitConfig,
    data: DataConfig,
    sample: SampleConfig,
    meter: MeterConfig,
) -> None:
    """Judge the hold-out of DATASET as baseline NAME does, and measure it.

    \b
    yolo   the YOLO rule alone, its thresholds from the train goods
    edge   the detector of this project alone
    cloud  Qwen2.5-VL zero-shot: every frame, no adapter, no reference image unless you give --references
    llava  LLaVA-1.5 zero-shot: every frame, 448 pixels
    seed   the seed's cascade: YOLO, its policy, its preset of the cloud
    saec   this project: gate and fusion
    all    those whose models you give, in one table

    Without --line, what a baseline needs is fitted on the good train images of DATASET.

    \b
    saec baseline yolo mvtec/bottle --yolo yolo11n-cls.onnx --out runs/yolo
    saec baseline llava mvtec/bottle --llava llava-hf/llava-1.5-7b-hf --csv probs.csv --out runs/llava
    saec baseline all mvtec/bottle --yolo yolo11n-cls.onnx --cloud small --limit 40 --out runs/all
    """
    from saec_research.baselines import BASELINES, PROBABILITIES, BaselineSetup

    if baseline.csv is not None and baseline.name == "all":
        raise ConfigError(
            "--csv holds the images of one baseline only", f"each run folder has its own {PROBABILITIES}"
        )
    say: Say = partial(click.echo, err=STANDARD_OUTPUT in (baseline.json, baseline.csv))
    work = BaselineSetup(
        dataset=baseline.dataset,
        store=baseline.out.parent / "baseline-lines",
        lines=_by_detector(baseline.lines),
        goods=baseline.goods,
        yolo=baseline.yolo,
        clouds=_clouds(cloud, baseline.llava),
        fit=fit,
        run=RunConfig(maps=baseline.maps, explain=False),
        split=sample.split,
        layout=data.layout,
        limit=sample.limit,
        metering=meter,
        command=command_line(),
        say=say,
    )
    done = _Done()
    if baseline.name == "all":
        _run_all(list(BASELINES.values()), work, baseline.out, done)
    else:
        done.rows.append(_run(BASELINES[baseline.name], work, baseline.out))
    _show(done, say)
    _write(done, baseline)
    if done.failed:
        click.get_current_context().exit(1)


def _write(done: _Done, baseline: BaselineSettings) -> None:
    from saec_research.baselines import PROBABILITIES

    table = baseline.out / PROBABILITIES
    if baseline.csv == STANDARD_OUTPUT:
        rows = read_text(table, remedy="run the baseline again").replace("\r\n", "\n")
        click.echo(rows, nl=False)
    elif baseline.csv is not None:
        shutil.copyfile(table, baseline.csv)
    if baseline.json is not None:
        figures = {"rows": done.rows, "left_out": done.left_out, "failed": done.failed}
        write_json_to(baseline.json, figures)


@dataclass
class _Done:
    """The rows of what was run, and of the rest by name why it was left out or failed."""

    rows: list[BaselineRow] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def _by_detector(lines: Sequence[Path]) -> dict[Any, Path]:
    from saec.profile import LineProfile

    kinds: dict[Any, Path] = {}
    for line in lines:
        kind = LineProfile.open(line, verify=False).line.detector.kind
        if kind in kinds:
            raise ConfigError(f"{kinds[kind]} and {line} both have the detector {kind}", "give one of them")
        kinds[kind] = line
    return kinds


def _clouds(cloud: CloudConfig, llava: str | None) -> dict[str, CloudConfig]:
    """The settings of each baseline's model: what was given, else what the baseline is known for."""
    from saec.frame.requested_cloud import requested_cloud

    wishes = {}
    if cloud.model != "none":
        wishes["cloud"] = msgspec.structs.replace(unless_given(cloud, references=0), adapter=None)
        wishes["seed"] = under_preset("saec", cloud)
        wishes["saec"] = cloud
    if llava is not None:
        wishes["llava"] = llava_cloud(cloud, llava)
    opened = {name: requested_cloud(wish) for name, wish in wishes.items()}
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

    work.say(f"{baseline.name}: {baseline.what}")
    with bar() as report:
        ready = prepare_baseline(baseline, work, report)
    with interruptible() as stop, frames_bar(None, baseline.name) as advance:
        row = run_baseline(ready, work, out, progress=advance, stop=stop)
    if stop.is_set():  # figures of half a set would be taken for the set's
        raise click.Abort
    return row


def _show(done: _Done, say: Say) -> None:
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
    if done.rows:
        shown = Console(width=console.width if console.is_terminal else _WIDE)
        with shown.capture() as capture:
            shown.print(table)
        say(capture.get().rstrip("\n"))
    for row in done.rows:
        for note in row.notes:
            say(f"{row.baseline}: {note}")
        say(f"{row.baseline}: run folder {row.run}")
    for name, reason in {**done.left_out, **done.failed}.items():
        say(f"{name}: left out: {reason}" if name in done.left_out else f"{name}: failed: {reason}")


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
