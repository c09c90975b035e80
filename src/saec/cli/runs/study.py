"""saec study: how well a line and people repeat themselves, and agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.inputs import command_line
from saec.cli.options.output_file import write_json_to
from saec.cli.options.progress_bar import frames_bar
from saec.cli.options.settings_command import settings_command
from saec.errors import ConfigError
from saec.settings import CloudConfig, DataConfig, MeterConfig, PartsConfig, Policy, RunConfig
from saec.settings.setting_fields import (
    Argument,
    Everyday,
    ExistingFile,
    ExistingFolder,
    ExistingPath,
    NewFile,
    Option,
)

if TYPE_CHECKING:
    from rich.table import Table

    from saec.evaluation.studies.attribute_study import RaterResult
    from saec.evaluation.studies.trials import LineTrials


class StudySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [study]: who is studied, and what is kept of it.

    Attributes:
        images: Pictures of the same parts, each part several times. Each part has a folder of its own, or
            --parts-pattern tells its id. Truth is known where the folders above are named good and defect.
        line: The folder of the line that judges the pictures.
        table: A table (CSV) of people's answers: columns rater, part, label and, if you like, truth. Give it
            several times for several tables.
        out: Write the report to this HTML file.
        json: Write the figures to this JSON file; "-" is standard output.
    """

    images: Argument[ExistingPath | None] = None
    line: Everyday[ExistingFolder | None] = None
    table: Annotated[tuple[ExistingFile, ...], Option(everyday=True)] = ()
    out: Everyday[NewFile | None] = None
    json: Everyday[NewFile | None] = None


@settings_command(without=("run.deadline_s", "run.waiting"))
def command(
    study: StudySettings,
    cloud: CloudConfig,
    policy: Policy,
    run: RunConfig,
    data: DataConfig,
    parts: PartsConfig,
    meter: MeterConfig,
) -> None:
    """Study the same parts many times, before you accept a line.

    Take pictures of 20 parts or more, good and defect, each at least twice: take the part out and put it back
    in between. The study says how often the line repeats itself, how far its score scatters, and how people
    compare (repeatability, kappa, attribute gauge study).

    \b
    saec study parts/ --line lines/bottle --out study.html
    saec study parts/ --line lines/bottle --table people.csv
    saec study --table people.csv
    """
    from saec.evaluation.studies.attribute_study import attribute_study
    from saec.evaluation.studies.score_study import score_study
    from saec.evaluation.studies.study_sentences import study_sentences
    from saec.evaluation.studies.trials import PartTrial, read_trials

    if (study.images is None) != (study.line is None):
        raise ConfigError(
            "pictures and --line belong together", "give both, or only --table for a study of people"
        )
    if study.images is None and not study.table:
        raise ConfigError("there is nothing to study", "give pictures and --line, or --table, or both")
    trials: list[PartTrial] = [trial for table in study.table for trial in read_trials(table)]
    judged = None
    if study.images is not None and study.line is not None:
        judged = _judged(study.images, study.line, cloud, policy, run, data, parts, meter)
        trials += judged.trials
    found = attribute_study(trials)
    scores = None if judged is None else score_study(judged.trials, judged.threshold, judged.gate)
    if str(study.json) != "-":
        _show(found.raters)
        for sentence in study_sentences(found, scores):
            click.echo(sentence)
    if study.json is not None:
        write_json_to(
            study.json, {"study": msgspec.to_builtins(found), "scores": msgspec.to_builtins(scores)}
        )
    if study.out is not None:
        from saec.report.study_page import write_study

        click.echo(write_study(found, scores, _about(study, judged), study.out))


def _about(study: StudySettings, judged: LineTrials | None) -> str:
    said = [f"{judged.about} judged {study.images}."] if judged is not None else []
    said += [f"People's answers: {', '.join(map(str, study.table))}."] if study.table else []
    return " ".join(said)


def _judged(
    images: Path,
    line: Path,
    cloud: CloudConfig,
    policy: Policy,
    run: RunConfig,
    data: DataConfig,
    parts: PartsConfig,
    meter: MeterConfig,
) -> LineTrials:
    from saec.cli.options.preset_command import under_preset
    from saec.data.parts import requested_parts
    from saec.evaluation.studies.trials import judged_trials
    from saec.frame.requested_cloud import requested_cloud
    from saec.profile import LineProfile
    from saec.runs.requested_options import run_options

    run = msgspec.structs.replace(run, maps=False, explain=False)
    with frames_bar(None, line.name) as advance:
        return judged_trials(
            LineProfile.open(line),
            images,
            parts=requested_parts(parts),
            layout=data.layout,
            cloud=requested_cloud(under_preset(policy.preset, cloud)),
            options=run_options(policy, run, meter, command=command_line()),
            progress=advance,
        )


def _show(raters: list[RaterResult]) -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    console.print(_table(raters))


def _table(raters: list[RaterResult]) -> Table:
    from rich import box
    from rich.table import Table

    from saec.evaluation.studies.study_sentences import kappa_text, share_text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("rater", "parts", "trials", "repeated", "always right", "missed", "false rejects", "kappa"):
        table.add_column(title, overflow="fold")
    for rater in raters:
        shares = (
            (rater.repeated, ""),
            (rater.effective, "effectiveness"),
            (rater.missed, "missed"),
            (rater.rejected, "rejected"),
        )
        cells = ["\n".join(filter(None, (share_text(share), rater.grades.get(of)))) for share, of in shares]
        table.add_row(rater.rater, str(rater.parts), str(rater.trials), *cells, kappa_text(rater.truth_kappa))
    return table
