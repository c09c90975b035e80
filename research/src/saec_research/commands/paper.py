"""saec bench paper: the tables of the seed's paper, and this project's rows beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from saec.cli.options.inputs import command_line
from saec.cli.options.preset_command import unless_given
from saec.cli.options.settings_command import is_given, settings_command
from saec.settings import CloudConfig, FitConfig, MeterConfig, SampleConfig
from saec.settings.threshold_rule import GOODS_ALONE
from saec_research.commands.llava_cloud import llava_cloud
from saec_research.tables.bench_settings import PaperSettings

if TYPE_CHECKING:
    from saec_research.tables.paper import Absent, Judgement, PaperPlan
    from saec_research.tables.serial import Walls


@settings_command(only=("fit.side_px", "sample.limit"))
def command(
    paper: PaperSettings, cloud: CloudConfig, fit: FitConfig, sample: SampleConfig, meter: MeterConfig
) -> None:
    """Make the tables and figures of the seed's paper again: accuracy, times and resources.

    The rows are the published methods and this project. A row whose model you do not give is left out.
    --limit counts for each product. On drawn products the detector's input has their size, unless you give
    --side-px.

    \b
    saec bench paper --cloud small --out paper
    saec bench paper --mvtec mvtec_anomaly_detection --ksdd2 KolektorSDD2 --yolo yolo11s-cls.onnx \\
        --cloud Qwen/Qwen2.5-VL-7B-Instruct --llava llava-hf/llava-1.5-7b-hf --gpu 0 --out paper
    """
    from saec.cli.options.progress_bar import bar
    from saec_research.tables.paper import PaperPlan, run_comparison

    given = paper.given
    if given.drawn and not is_given("fit.side_px"):
        fit = FitConfig(side_px=given.drawing.size, overkill_rate=GOODS_ALONE)
    plan = PaperPlan(
        given=given,
        seeds=paper.seeds,
        work=paper.work or paper.out / "work",
        clouds=_rows(cloud, paper.llava),
        yolo=paper.yolo,
        fit=fit,
        limit=sample.limit,
        metering=meter,
        command=command_line(),
    )
    with bar() as report:
        done, absent = run_comparison(plan, click.echo, report)
    _write_paper(plan, done, absent, _timed(done, plan), paper.out)


def _rows(cloud: CloudConfig, llava: str | None) -> dict[str, CloudConfig]:
    """The models as the seed's commands ask them; ours and the demonstration checkpoint in their own size."""
    from saec.frame.requested_cloud import requested_cloud
    from saec_research.seed.policy import PRESETS

    wishes = {}
    if cloud.model != "none":
        for name, preset in (("cloud", "all-to-cloud"), ("seed", "saec")):
            seed = PRESETS[preset]
            side_px = None if cloud.model == "small" else seed.resize
            wishes[name] = unless_given(cloud, side_px=side_px, batch=seed.batch, references=0)
        wishes["cloud"] = msgspec.structs.replace(wishes["cloud"], adapter=None)
        wishes["saec"] = cloud
    if llava is not None:
        wishes["llava"] = llava_cloud(cloud, llava)
    opened = {name: requested_cloud(wish) for name, wish in wishes.items()}
    return {name: cloud.config for name, cloud in opened.items() if cloud is not None}


def _timed(done: list[Judgement], plan: PaperPlan) -> dict[str, Walls]:
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
    plan: PaperPlan,
    done: list[Judgement],
    absent: list[Absent],
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
