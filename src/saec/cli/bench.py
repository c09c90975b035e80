"""saec bench: the tables and curves behind the claims, each by one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saec.cli.judging import FOLDER, command_line
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.bench.frontier import Curves, Measured, Plan
    from saec.bench.streams import StatedCloud


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
    from saec.bench.frontier import Plan
    from saec.bench.streams import StatedCloud

    if not runs and not data and not lines:
        raise ConfigError("nothing to measure", "give --runs, --data or --lines")
    plan = Plan(shares=shares, seed=seed)
    stated = [StatedCloud(cloud_error, r) for r in correlation]
    groups: dict[str, list[list[Measured]]] = {}
    recorded = [*runs, *_recorded(data, side, work)]
    if recorded:
        groups["sets"] = [_measured(run, stated, plan) for run in recorded]
    if lines:
        groups["procedural"] = [_measured(run, [None], plan) for run in _procedural(lines, cloud, work)]
    _write(groups, out)


def _recorded(data: tuple[Path, ...], side: int | None, work: Path) -> list[Path]:
    from saec.bench.recording import Recorder
    from saec.cli.progress import bar
    from saec.config import FitConfig

    fit = FitConfig() if side is None else FitConfig(side=side)
    recorder = Recorder(store=work, fit=fit, command=command_line(), say=click.echo)
    with bar() as report:
        return [recorder.record(dataset, None, report) for dataset in data]


def _procedural(lines: int, cloud: str, work: Path) -> list[Path]:
    from saec.bench.recording import Drawing, Recorder, procedural
    from saec.cli.progress import bar
    from saec.config import CloudConfig, FitConfig
    from saec.pipeline.loading import Cloud

    drawing = Drawing()
    recorder = Recorder(store=work, fit=FitConfig(side=drawing.size), command=command_line(), say=click.echo)
    with bar() as report:
        return list(procedural(recorder, lines, Cloud(CloudConfig(model=cloud)), drawing, report))


def _measured(run: Path, clouds: list[StatedCloud] | list[None], plan: Plan) -> list[Measured]:
    from saec.bench.frames import frames_of
    from saec.bench.frontier import measure

    frames = frames_of(run)
    click.echo(f"{frames.name}: {len(frames)} frames")
    return [measure(frames, cloud, plan) for cloud in clouds]


def _write(groups: dict[str, list[list[Measured]]], out: Path) -> None:
    """Tables, plots and figures of each group, and what they say."""
    from saec.bench.frontier import mean_of
    from saec.bench.frontier_page import conclude, plot, sentences
    from saec.bench.frontier_page import markdown as tables
    from saec.line import write_json

    out.mkdir(parents=True, exist_ok=True)
    every: list[Curves] = []
    pages: list[str] = []
    for name, lines in groups.items():
        shown = [[m.curves() for m in line] for line in lines]
        every += [c for line in shown for c in line]
        if len(lines) > 1:
            shown.insert(0, [mean_of([line[at] for line in lines]).curves() for at in range(len(lines[0]))])
        for at, line in enumerate(shown):
            stem = f"{name}-mean" if at == 0 and len(lines) > 1 else f"{name}-{line[0].line}"
            png, _ = plot(line, out / stem)
            pages.append(f"## {line[0].line}\n\n![{stem}]({png})\n\n{tables(line)}")
    conclusion = conclude(every)
    said = sentences(conclusion)
    head = ["# Frontier", "", f"Made by `{command_line()}`.", "", *(f"- {s}" for s in said), ""]
    (out / "README.md").write_text("\n".join(head) + "\n" + "\n".join(pages), encoding="utf-8")
    write_json(out / "frontier.json", {"conclusion": conclusion, "curves": every})
    for sentence in said:
        click.echo(sentence)
    click.echo(f"{'passed' if conclusion.passed else 'NOT passed'}; written to {out}")
