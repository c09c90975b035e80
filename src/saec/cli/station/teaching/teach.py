"""saec station teach and compare: the jobs of the page, in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, audit_of, shell_actor
from saec.errors import ConfigError, SaecError
from saec.settings.setting_fields import Argument, Everyday
from saec.texts import whole_number

if TYPE_CHECKING:
    from saec.station.setup.station_settings import StationSettings
    from saec.station.teaching.job_records import Job, Work


class LabelsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [labels]: which line learns from its labels.

    Attributes:
        line: The line's name.
        with_cloud: Measure the line's cloud on the candidate, so that it may trust it. This asks the cloud
            about up to 100 good frames and 100 defects.
    """

    line: Argument[str]
    with_cloud: Everyday[bool] = False


class ComparisonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [comparison]: which version is compared with the one that judges.

    Attributes:
        line: The line's name.
        version: The version, such as 2 or v2.
    """

    line: Argument[str]
    version: Argument[str]


@settings_command(example=EXAMPLE)
def teach_command(labels: LabelsSettings, action: ActionSettings) -> None:
    """Teach the line all labels of its review that it does not know.

    The job is the one that the page starts. It ends with a candidate, a new version that judges nothing, and
    compares it with the version that judges. If a job of the line is under way already, you see that one.

    \b
    saec station teach --config station.toml leather
    """
    settings = _settings(labels.line)
    from contextlib import closing

    from saec.station.review.review_store import ReviewStore
    from saec.station.storage.spool_reader import SpoolReader
    from saec.station.teaching.label_choice import label_choice

    def work() -> Work:
        data = settings.station.data
        with closing(ReviewStore(data)) as reviews, closing(SpoolReader.beside(data)) as reader:
            choice = label_choice(settings, reviews, reader, labels.line)
            return choice.work(cloud=labels.with_cloud)

    job = _done(settings, labels.line, work, action.reason)
    if job.outcome.version is not None:
        click.echo(f"{labels.line}: v{job.outcome.version} is a candidate; it judges nothing yet")
        _tell_comparison(settings, labels.line, job.outcome.version)


@settings_command(example=EXAMPLE)
def compare_command(comparison: ComparisonSettings, action: ActionSettings) -> None:
    """Compare a version of the line with the one that judges.

    Both judge the reviewed frames that were drawn at random and that neither was taught.

    \b
    saec station compare --config station.toml leather v2
    """
    settings = _settings(comparison.line)
    number = whole_number(comparison.version.removeprefix("v"))
    if number is None:
        raise ConfigError(f"{comparison.version[:80]!r} is no version", "give its number, such as 2 or v2")
    from saec.station.teaching.job_records import CompareJob
    from saec.station.teaching.line_base import line_base

    def work() -> Work:
        base = line_base(settings.station.data, comparison.line)
        recipe = None if base.recipe is None else base.recipe.number
        return CompareJob(version=number, base=base.number, recipe=recipe)

    _done(settings, comparison.line, work, action.reason)
    _tell_comparison(settings, comparison.line, number)


def _settings(line: str) -> StationSettings:
    """The settings, which have the line.

    Raises:
        ConfigError: they have not.
    """
    path = named_file()
    settings = station_settings(path)
    if line not in [entry.name for entry in settings.line]:
        names = ", ".join(entry.name for entry in settings.line)
        raise ConfigError(f"{path} has no product line named {line}", f"it has {names}")
    return settings


def _done(settings: StationSettings, line: str, work: Callable[[], Work], reason: str) -> Job:
    """The job after it has ended: the one of the line that is under way, else a new one.

    Raises:
        SaecError: it was cancelled, or it has failed.
    """
    from saec.station.storage.private_files import FilePermissions, give_to_owner, owner_of
    from saec.station.teaching.job_actions import start_job
    from saec.station.teaching.job_runner import JobRunner
    from saec.station.teaching.job_store import JobStore

    FilePermissions.close()
    data = settings.station.data
    store = JobStore(data)
    job = next((one for one in store.all() if one.open and one.line == line), None)
    if job is None:
        job = start_job(store, audit_of(data), shell_actor(), ROLE, line, work(), reason)
    try:
        job = JobRunner(settings, store).see_through(
            job.id, lambda text: click.echo(text, nl=False, err=True)
        )
    finally:
        for folder in (data / "teaching", data / "lines" / line):
            if folder.is_dir():
                give_to_owner(folder, owner_of(data))
    if job.state == "cancelled":
        raise SaecError("the job was cancelled", "start it again")
    if job.state == "failed":
        raise SaecError(job.outcome.problem, job.outcome.remedy)
    return job


def _tell_comparison(settings: StationSettings, line: str, number: int) -> None:
    from saec.station.line.version_store import VersionStore
    from saec.station.maintenance.version_comparisons import Comparisons, comparison_sentences
    from saec.station.teaching.line_base import line_base

    data = settings.station.data
    made = Comparisons(VersionStore(data / "lines" / line)).find(number, line_base(data, line).number)
    for sentence in [] if made is None else comparison_sentences(made):
        click.echo(sentence)
