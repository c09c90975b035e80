"""saec bench: the tables and curves behind the claims, each by one command."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.options.inputs import FOLDER, command_line, limit_option
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.settings import CloudConfig
    from saec_research.tables import paper as bench_paper
    from saec_research.tables.frame_streams import StatedCloud
    from saec_research.tables.frontier import Curves, FrontierPlan, Measured
    from saec_research.tables.serial import Walls


class _Numbers(click.ParamType):  # type: ignore[type-arg]
    """Numbers with commas between them."""

    name = "N,N,..."

    def __init__(self, kind: type[float] | type[int] = float) -> None:
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return tuple(self._kind(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not numbers with commas between them", param, ctx)


@click.group()
def command() -> None:
    """Make the tables and curves behind the claims (docs/bench.md)."""


@command.command()
@click.option("--runs", type=FOLDER, multiple=True,
              help="Run folder of a labelled data set; may be repeated.")  # fmt: skip
@click.option("--data", type=FOLDER, multiple=True,
              help="Data set to fit a line on and record; may be repeated.")  # fmt: skip
@click.option("--lines", type=click.IntRange(min=0), default=0, show_default=True,
              help="Procedural lines to draw, fit and record with the true answers of --cloud.")  # fmt: skip
@click.option("--cloud", default="small", show_default=True, help="Of the procedural lines.")
@click.option("--cloud-error", type=click.FloatRange(0, 0.5), default=0.05, show_default=True,
              help="Share of frames on which the stated cloud of --runs and --data is wrong.")  # fmt: skip
@click.option("--correlation", type=_Numbers(), default="0,0.3,0.6", show_default=True,
              help="Of its errors with the edge's.")  # fmt: skip
@click.option("--shares", type=_Numbers(), default="0.05,0.1,0.2,0.3,0.5", show_default=True,
              help="Budgets.")  # fmt: skip
@click.option("--repeats", type=click.IntRange(min=1), default=4, show_default=True,
              help="How often the images of --runs and --data are split anew into five parts.")  # fmt: skip
@click.option("--side", type=click.IntRange(min=64), help="Of the edge's input, for --data.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True,
              help="Lines and runs are kept here and used again.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/results/frontier"),
              show_default=True, help="Folder of the results; what it held of them is replaced.")  # fmt: skip
def frontier(
    runs: tuple[Path, ...],
    data: tuple[Path, ...],
    lines: int,
    cloud: str,
    cloud_error: float,
    correlation: tuple[float, ...],
    shares: tuple[float, ...],
    repeats: int,
    side: int | None,
    seed: int,
    work: Path,
    out: Path,
) -> None:
    """Accuracy, escapes and energy against the share of frames asked about, for all policies.

    \b
    saec bench frontier --lines 8
    saec bench frontier --data mvtec/bottle --data mvtec/screw --correlation 0,0.3,0.6
    saec bench frontier --runs runs/inspect-1
    """
    from saec_research.tables.frame_streams import StatedCloud
    from saec_research.tables.frontier import FrontierPlan

    if not runs and not data and not lines:
        raise ConfigError("nothing to measure", "give --runs, --data or --lines")
    plan = FrontierPlan(shares=shares, repeats=repeats, seed=seed)
    stated = [StatedCloud(cloud_error, r) for r in correlation]
    groups: dict[str, list[list[Measured]]] = {}
    recorded = [*((run, None) for run in runs), *_recorded(data, side, work)]
    if recorded:
        groups["sets"] = [_measured(run, name, stated, plan) for run, name in recorded]
    if lines:
        drawn = _procedural(lines, cloud, work)
        groups["procedural"] = [_measured(run, name, [None], plan) for run, name in drawn]
    _write(groups, out)


def _recorded(data: tuple[Path, ...], side: int | None, work: Path) -> list[tuple[Path, str]]:
    """Runs, each with its data set as it was named; of a path from the root its last part."""
    from saec.cli.options.progress_bar import bar
    from saec.settings import FitConfig
    from saec_research.tables.bench_lines import Recorder

    fit = FitConfig() if side is None else FitConfig(side_px=side)
    recorder = Recorder(store=work, fit=fit, command=command_line(), say=click.echo)
    with bar() as report:
        return [
            (recorder.record(dataset, None, report), dataset.name if dataset.is_absolute() else f"{dataset}")
            for dataset in data
        ]


def _procedural(lines: int, cloud: str, work: Path) -> list[tuple[Path, str]]:
    from saec.cli.options.progress_bar import bar
    from saec.frame.judges import Cloud
    from saec.settings import CloudConfig, FitConfig
    from saec_research.tables.bench_lines import Drawing, Recorder, record_procedural

    drawing = Drawing()
    recorder = Recorder(
        store=work, fit=FitConfig(side_px=drawing.size), command=command_line(), say=click.echo
    )
    with bar() as report:
        return list(record_procedural(recorder, lines, Cloud(CloudConfig(model=cloud)), drawing, report))


def _measured(
    run: Path, name: str | None, clouds: list[StatedCloud] | list[None], plan: FrontierPlan
) -> list[Measured]:
    from saec_research.tables.frontier import measure_frontier
    from saec_research.tables.labelled_frames import labelled_frames

    frames = labelled_frames(run)
    frames = frames if name is None else replace(frames, name=name)
    click.echo(f"{frames.name}: {len(frames)} frames")
    return [measure_frontier(frames, cloud, plan) for cloud in clouds]


def _write(groups: dict[str, list[list[Measured]]], out: Path) -> None:
    """Tables, plots and figures of each group, and what they say."""
    from saec.profile import write_json
    from saec_research.tables.frontier import mean_of
    from saec_research.tables.frontier_page import conclude, plot, sentences
    from saec_research.tables.frontier_page import frontier_markdown as tables

    out.mkdir(parents=True, exist_ok=True)
    every: list[Curves] = []
    pages: list[str] = []
    for name, lines in groups.items():
        shown = [[m.curves() for m in line] for line in lines]
        every += [c for line in shown for c in line]
        if len(lines) > 1:
            shown.insert(0, [mean_of([line[at] for line in lines]).curves() for at in range(len(lines[0]))])
        for at, line in enumerate(shown):
            stem = "mean" if at == 0 and len(lines) > 1 else re.sub(r"[^\w.]+", "-", line[0].line)
            stem = f"{name}-{stem}"
            png, _ = plot(line, out / stem)
            pages.append(f"## {line[0].line}\n\n![{stem}]({png})\n\n{tables(line)}")
    conclusion = conclude(every)
    said = sentences(conclusion)
    head = ["# Frontier", "", f"Made by `{command_line()}`.", "", *(f"- {s}" for s in said), ""]
    (out / "README.md").write_text("\n".join(head) + "\n" + "\n".join(pages), encoding="utf-8")
    write_json(out / "frontier.json", {"conclusion": conclusion, "curves": every})
    for sentence in said:
        click.echo(sentence)
    click.echo(f"{'ahead everywhere' if conclusion.passed else 'NOT ahead everywhere'}; written to {out}")


@command.command()
@click.option("--mvtec", type=FOLDER, help="Raw MVTec AD: its hold-out is drawn here.")
@click.option("--ksdd2", type=FOLDER, help="Raw KolektorSDD2: its one-to-one hold-out is drawn here.")
@click.option("--data", type=FOLDER, multiple=True, help="Another data set, or a root of several.")
@click.option("--products", type=click.IntRange(min=1), default=3, show_default=True,
              help="Procedural ones to draw where no data is given.")  # fmt: skip
@click.option("--yolo", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Classifier of the YOLO rows (OpenVINO, ONNX, TFLite or .pt).")  # fmt: skip
@click.option("--cloud", metavar="small|PATH|NAME", help="Qwen2.5-VL, for its own row, the seed's and ours.")
@click.option("--adapter", type=click.Path(path_type=Path), help="LoRA adapter of the seed's row and ours.")
@click.option("--llava", metavar="PATH|NAME", help="LLaVA-1.5 in the llava-hf conversion.")
@click.option("--seeds", type=_Numbers(int), default="2025,2026,2027", show_default=True,
              help="Each draws the hold-outs or products and seeds the fits.")  # fmt: skip
@click.option("--side", type=click.IntRange(min=64), help="Of the edge's input; default that of saec fit.")
@limit_option("of each product")
@click.option("--gpu", type=click.IntRange(min=0), help="GPU whose energy is metered.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True,
              help="Lines are kept here and used again; links and runs are made anew.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/results/paper"),
              show_default=True, help="Folder of the results; what it held of them is replaced.")  # fmt: skip
def paper(
    mvtec: Path | None,
    ksdd2: Path | None,
    data: tuple[Path, ...],
    products: int,
    yolo: Path | None,
    cloud: str | None,
    adapter: Path | None,
    llava: str | None,
    seeds: tuple[int, ...],
    side: int | None,
    limit: int | None,
    gpu: int | None,
    work: Path,
    out: Path,
) -> None:
    """The seed's tables and figures: accuracy, times and resources of its rows and ours.

    \b
    saec bench paper --cloud small
    saec bench paper --mvtec mvtec_anomaly_detection --ksdd2 KolektorSDD2 --yolo yolo11s-cls.onnx \\
        --cloud Qwen/Qwen2.5-VL-7B-Instruct --llava llava-hf/llava-1.5-7b-hf --gpu 0
    """
    from saec.cli.options.progress_bar import bar
    from saec.settings import FitConfig
    from saec_research.tables.bench_lines import Drawing
    from saec_research.tables.paper import PaperPlan, run_comparison
    from saec_research.tables.sets import Given

    drawn = mvtec is None and ksdd2 is None and not data
    plan = PaperPlan(
        given=Given(mvtec=mvtec, ksdd2=ksdd2, data=data, products=products),
        seeds=seeds,
        work=work,
        clouds=_rows(cloud, adapter, llava),
        yolo=yolo,
        fit=FitConfig(side_px=side or (Drawing().size if drawn else FitConfig().side_px)),
        limit=limit,
        gpu=gpu,
        command=command_line(),
    )
    with bar() as report:
        done, absent = run_comparison(plan, click.echo, report)
    _write_paper(plan, done, absent, _timed(done, plan), out)


def _rows(cloud: str | None, adapter: Path | None, llava: str | None) -> dict[str, CloudConfig]:
    """The models as the seed's commands ask them; ours and the demonstration checkpoint in their own size."""
    from saec.settings import CloudConfig
    from saec_research.baselines import LLAVA_SIDE
    from saec_research.seed.policy import PRESETS

    rows = {}
    if cloud is not None:
        tuned = None if adapter is None else str(adapter)
        for name, preset, lora in (("cloud", "all-to-cloud", None), ("seed", "saec", tuned)):
            seed = PRESETS[preset]
            side = None if cloud == "small" else seed.resize
            rows[name] = CloudConfig(model=cloud, adapter=lora, side_px=side, batch=seed.batch, references=0)
        rows["saec"] = CloudConfig(model=cloud, adapter=tuned)
    if llava is not None:
        rows["llava"] = CloudConfig(model=llava, side_px=LLAVA_SIDE, references=0)
    return rows


def _timed(done: list[bench_paper.Judgement], plan: bench_paper.PaperPlan) -> dict[str, Walls]:
    """Serial against parallel on the first product of each set, with our line and cloud."""
    from saec.frame.judges import Cloud
    from saec.runs.run_record import read_run
    from saec_research.tables.paper import OURS
    from saec_research.tables.serial import measure_walls

    walls: dict[str, Walls] = {}
    for judgement in done:
        name = f"{judgement.dataset}, {judgement.product}"
        first = not any(known.startswith(f"{judgement.dataset}, ") for known in walls)
        if judgement.row.baseline == OURS and first:
            run = read_run(Path(judgement.row.run))
            line, data = Path(run.line.folder), Path(run.dataset.root)
            walls[name] = measure_walls(line, data, Cloud(plan.clouds[OURS]), limit=plan.limit)
    return walls


def _write_paper(
    plan: bench_paper.PaperPlan,
    done: list[bench_paper.Judgement],
    absent: list[bench_paper.Absent],
    walls: dict[str, Walls],
    out: Path,
) -> None:
    from saec.profile import write_json
    from saec_research.tables.paper_page import Paper, write_predictions
    from saec_research.tables.paper_page import paper_markdown as page
    from saec_research.tables.published import published
    from saec_research.tables.resources import plot_resources
    from saec_research.tables.summary import compare_rows, summarise

    out.mkdir(parents=True, exist_ok=True)
    summaries = summarise(done)
    plots = {}
    for name in dict.fromkeys(s.dataset for s in summaries):
        mine = [s for s in summaries if s.dataset == name]
        plots[name] = plot_resources(mine, out / f"resources-{name.replace(' ', '-')}")[0]
    result = Paper(
        command=plan.command,
        seeds=list(plan.seeds),
        summaries=summaries,
        tests=compare_rows(done),
        absent=absent,
        walls=walls,
        judgements=done,
    )
    (out / "README.md").write_text(page(result, published(), plots), encoding="utf-8")
    write_json(out / "paper.json", result)
    write_predictions(out / "predictions.csv", done)
    click.echo(f"written to {out}")
