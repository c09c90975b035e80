"""saec bench frontier: accuracy against the share of frames that the cloud is asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.cli.options.inputs import command_line
from saec.cli.options.settings_command import settings_command
from saec.errors import ConfigError
from saec.settings import CloudConfig, FitConfig
from saec.settings.threshold_rule import GOODS_ALONE
from saec_research.tables.bench_settings import FrontierPlan, FrontierSettings

if TYPE_CHECKING:
    from saec_research.tables.frame_streams import StatedCloud
    from saec_research.tables.frontier import Curves, Measured


@settings_command(only=("fit.side_px",))
def command(frontier: FrontierSettings, cloud: CloudConfig, fit: FitConfig) -> None:
    """Draw accuracy, missed defects (escapes) and energy against the share of frames that are asked about.

    All policies are compared, on your data sets (--data), on your runs (--run) or on products that are drawn
    here (--products).

    \b
    saec bench frontier --products 8 --cloud small --out frontier
    saec bench frontier --data mvtec/bottle --data mvtec/screw --correlation 0.3 --out frontier
    saec bench frontier --run runs/inspect-1 --out frontier
    """
    from saec_research.tables.frame_streams import StatedCloud

    if not frontier.runs and not frontier.data and not frontier.products:
        raise ConfigError("there is nothing to measure", "give --run, --data or --products")
    if frontier.products and cloud.model == "none":
        raise ConfigError("--products needs a cloud that answers", "give --cloud, such as --cloud small")
    work = frontier.work or frontier.out / "work"
    stated = [StatedCloud(frontier.cloud_error, r) for r in frontier.correlations]
    groups: dict[str, list[list[Measured]]] = {}
    recorded = [*((run, None) for run in frontier.runs), *_recorded(frontier.data, fit, work)]
    if recorded:
        groups["sets"] = [_measured(run, name, stated, frontier.plan) for run, name in recorded]
    if frontier.products:
        drawn = _procedural(frontier.products, cloud, work)
        groups["procedural"] = [_measured(run, name, [None], frontier.plan) for run, name in drawn]
    _write(groups, frontier.out)


def _recorded(data: Sequence[Path], fit: FitConfig, work: Path) -> list[tuple[Path, str]]:
    """Runs, each with its data set as it was named; of a path from the root its last part."""
    from saec.cli.options.progress_bar import bar
    from saec_research.tables.bench_lines import Recorder

    recorder = Recorder(store=work, fit=fit, command=command_line(), say=click.echo)
    with bar() as report:
        return [
            (recorder.record(dataset, None, report), dataset.name if dataset.is_absolute() else f"{dataset}")
            for dataset in data
        ]


def _procedural(products: int, cloud: CloudConfig, work: Path) -> list[tuple[Path, str]]:
    from saec.cli.options.progress_bar import bar
    from saec.frame.requested_cloud import requested_cloud
    from saec_research.tables.bench_lines import Recorder, record_procedural
    from saec_research.tables.bench_settings import Drawing

    drawing, asked = Drawing(), requested_cloud(cloud)
    assert asked is not None  # the command has refused "none"
    recorder = Recorder(
        store=work,
        fit=FitConfig(side_px=drawing.size, overkill_rate=GOODS_ALONE),
        command=command_line(),
        say=click.echo,
    )
    with bar() as report:
        return list(record_procedural(recorder, products, asked, drawing, report))


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
