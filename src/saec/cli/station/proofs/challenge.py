"""saec station challenge: golden parts that a line must judge right."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, audit_of, shell_actor
from saec.errors import ConfigError, SaecError
from saec.settings.setting_fields import Argument, Everyday, ExistingFolder, Option

if TYPE_CHECKING:
    from saec.station.challenge.golden_set import GoldenSet
    from saec.station.challenge_records import ChallengeRecord
    from saec.station.maintenance.golden_pinning import GoldenPicture
    from saec.station.review.review_store import ReviewStore
    from saec.station.setup.station_settings import StationSettings

_LOOK = 0.2
"""Seconds between two looks at a run."""

_TAKEN = 10.0
"""Seconds within which a station that runs has begun a run that was asked for."""


class PinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [pin]: what is pinned to a line.

    Attributes:
        line: The line's name.
        from_folder: Pin the images below this folder. Without a label, those below "good" are goods, and
            those below another name are defects of this kind.
        from_frame: Pin the frame with this id. The option may be given several times.
        from_review: Pin the reviewed frame with this id, with the label that people gave it. The option may
            be given several times.
        label: What the pictures show.
        defect: Kind of the defects.
        part: Id of the part, for a single picture.
        note: What should be known of the parts.
    """

    line: Argument[str]
    from_folder: Annotated[ExistingFolder | None, Option(everyday=True, kind="folder")] = None
    from_frame: Annotated[tuple[str, ...], Option(everyday=True, metavar="ID")] = ()
    from_review: Annotated[tuple[str, ...], Option(everyday=True, metavar="ID")] = ()
    label: Everyday[Literal["good", "defect"] | None] = None
    defect: Annotated[str, Option(everyday=True, metavar="NAME")] = ""
    part: Annotated[str, Option(everyday=True, metavar="ID")] = ""
    note: Annotated[str, Option(everyday=True, metavar="TEXT")] = ""


class UnpinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [unpin]: what is taken out of a line's golden parts.

    Attributes:
        line: The line's name.
        names: The parts' names.
    """

    line: Argument[str]
    names: Annotated[tuple[str, ...], Option(name="NAME", argument=True)]


class GoldenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [golden]: whose golden parts are listed.

    Attributes:
        line: The line's name.
    """

    line: Argument[str]


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [golden_run]: which challenge is run.

    Attributes:
        line: The line's name.
        judge: What is judged: the pictures that were pinned, or the parts before the camera. Default: the
            line's setting.
        result_s: Seconds to wait for the result.
    """

    line: Argument[str]
    judge: Everyday[Literal["pictures", "camera"] | None] = None
    result_s: Annotated[float, msgspec.Meta(ge=0), Option(everyday=True, metavar="SECONDS")] = 900.0


class ShowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [golden_runs]: which runs are shown.

    Attributes:
        line: The line's name.
        number: The run with this number, in full. Default: one line for each of the last runs.
        last: How many of the last runs.
    """

    line: Argument[str]
    number: Everyday[Annotated[int, msgspec.Meta(ge=1)] | None] = None
    last: Annotated[Everyday[int], msgspec.Meta(ge=1, le=2000)] = 20


class OverrideSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [override]: which failed run is overridden.

    Attributes:
        line: The line's name.
        number: The run's number.
    """

    line: Argument[str]
    number: Annotated[Argument[int], msgspec.Meta(ge=1)]


@click.group()
def challenge() -> None:
    """Challenge a line with golden parts (docs/challenge.md)."""


@settings_command(example=EXAMPLE)
def add_golden(pin: PinSettings, action: ActionSettings) -> None:
    """Pin golden parts to a line.

    A golden part is one whose label is known for certain. It is never taught.

    \b
    saec station challenge add --config station.toml leather --from-folder golden
    saec station challenge add --config station.toml leather --from-frame leather-0000000003 --label defect
    """
    settings = _settings(pin.line)
    data = settings.station.data
    from saec.station.maintenance.golden_pinning import pin_pictures
    from saec.station.review.review_store import ReviewStore

    store = ReviewStore(data)
    try:
        pictures = _pictures(pin, data, store)
        if pin.part and len(pictures) != 1:
            raise ConfigError("--part names one part", "give one picture, or leave --part out")
        pictures = [msgspec.structs.replace(one, part=pin.part or one.part) for one in pictures]
        added = pin_pictures(
            data,
            pin.line,
            pictures,
            store=store,
            audit=audit_of(data),
            actor=shell_actor(),
            role=ROLE,
            reason=action.reason,
        )
    finally:
        store.close()
    for part in added:
        click.echo(f"{part.name}  {_word(part.label)} {part.kind}".rstrip())
    click.echo(f"{len(added)} golden parts were pinned to {pin.line}")


@settings_command(example=EXAMPLE)
def list_golden(golden: GoldenSettings) -> None:
    """List the golden parts of a line.

    \b
    saec station challenge list --config station.toml leather
    """
    for part in _golden(_settings(golden.line), golden.line).parts():
        day = time.strftime("%Y-%m-%d", time.localtime(part.time))
        part_id = f"part {part.part}  " if part.part else ""
        kind = f" {part.kind}" if part.kind else ""
        told = f"{part.name}  {_word(part.label)}{kind}  {part_id}by {part.person} {day}  {part.note}"
        click.echo(told.rstrip())


@settings_command(example=EXAMPLE)
def remove_golden(unpin: UnpinSettings, action: ActionSettings) -> None:
    """Take golden parts out of a line's set.

    \b
    saec station challenge remove --config station.toml leather part-3
    """
    settings = _settings(unpin.line)
    audit = audit_of(settings.station.data)
    golden = _golden(settings, unpin.line)
    gone = golden.unpin(audit, shell_actor(), ROLE, unpin.names, action.reason)
    click.echo(f"{len(gone)} golden parts were taken out of the set of {unpin.line}")


@settings_command(example=EXAMPLE)
def run_golden(golden_run: RunSettings, action: ActionSettings) -> None:
    """Run the challenge of a line at the station that runs.

    The command ends with 1 where the line did not pass.

    \b
    saec station challenge run --config station.toml leather
    saec station challenge run --config station.toml leather --judge camera
    """
    settings = _settings(golden_run.line)
    data = settings.station.data
    from saec.station.challenge.challenge_wishes import LineWishes
    from saec.station.storage.spool_reader import SpoolReader

    wishes, reader = LineWishes(data, golden_run.line), SpoolReader.beside(data)
    try:
        before = max((one.n for one in reader.challenges(golden_run.line, 1)), default=0)
        wishes.ask(audit_of(data), shell_actor(), ROLE, golden_run.judge, "asked", action.reason)
        until = time.monotonic() + _TAKEN
        while wishes.wish() is not None:
            if time.monotonic() > until:
                wishes.heeded()
                raise SaecError(f"no station began the run within {_TAKEN:g} s", "start the station first")
            time.sleep(_LOOK)
        until = time.monotonic() + golden_run.result_s
        while (found := _ended_after(reader.challenges(golden_run.line, 10), before)) is None:
            if time.monotonic() > until:
                raise SaecError("the run has no result yet", "`saec station challenge show` shows it later")
            time.sleep(_LOOK)
    finally:
        reader.close()
    _show_run(found)
    if found.state != "passed":
        raise SystemExit(1)


@settings_command(example=EXAMPLE)
def show_golden(golden_runs: ShowSettings) -> None:
    """Show the last runs of a line's challenge, or one in full.

    \b
    saec station challenge show --config station.toml leather
    saec station challenge show --config station.toml leather --number 7
    """
    settings = _settings(golden_runs.line)
    from saec.station.storage.spool_reader import SpoolReader

    reader = SpoolReader.beside(settings.station.data)
    try:
        if golden_runs.number is None:
            for run in reader.challenges(golden_runs.line, golden_runs.last):
                when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.begun))
                click.echo(f"{when}  {run.sentence()}")
            return
        runs = reader.challenges(golden_runs.line, 1, before=golden_runs.number + 1)
        found = [one for one in runs if one.n == golden_runs.number]
    finally:
        reader.close()
    if not found:
        raise SaecError(
            f"{golden_runs.line} has no run {golden_runs.number}", "list the last runs without --number"
        )
    _show_run(found[0])


@settings_command(example=EXAMPLE)
def override_golden(override: OverrideSettings, action: ActionSettings) -> None:
    """Let a line judge again in spite of a failed challenge. It needs a --reason.

    \b
    saec station challenge override --config station.toml leather 7 --reason "lamp changed"
    """
    data = _settings(override.line).station.data
    from saec.station.challenge.challenge_wishes import LineWishes

    wishes = LineWishes(data, override.line)
    wishes.override(audit_of(data), shell_actor(), ROLE, override.number, action.reason)
    click.echo(f"{override.line} judges in spite of challenge {override.number}")


for _command, _name in (
    (add_golden, "add"),
    (list_golden, "list"),
    (remove_golden, "remove"),
    (run_golden, "run"),
    (show_golden, "show"),
    (override_golden, "override"),
):
    challenge.add_command(_command, _name)


def _settings(line: str) -> StationSettings:
    """The settings, which have the line, and whose station has run.

    Raises:
        ConfigError: there is no such line, or the station has never been started.
    """
    path = named_file()
    settings = station_settings(path)
    names = [entry.name for entry in settings.line]
    if line not in names:
        raise ConfigError(f"{path} has no product line named {line}", f"it has {', '.join(names)}")
    if not (settings.station.data / "lines" / line / "state.json").is_file():
        raise ConfigError(f"the station has not run with {line} yet", "start the station once")
    return settings


def _golden(settings: StationSettings, line: str) -> GoldenSet:
    from saec.station.challenge.golden_set import GoldenSet

    return GoldenSet(settings.station.data, line)


def _pictures(pin: PinSettings, data: Path, store: ReviewStore) -> list[GoldenPicture]:
    from saec.station.maintenance import golden_pinning
    from saec.station.storage.spool_reader import SpoolReader
    from saec.types import DEFECT, GOOD

    label = None if pin.label is None else (DEFECT if pin.label == "defect" else GOOD)
    if sum(map(bool, (pin.from_folder, pin.from_frame, pin.from_review))) != 1:
        raise ConfigError(
            "there is not one place to pin from", "give --from-folder, --from-frame or --from-review"
        )
    if pin.from_folder is not None:
        return golden_pinning.pictures_in_folder(pin.from_folder, label, kind=pin.defect, note=pin.note)
    reader = SpoolReader.beside(data)
    try:
        if pin.from_review:
            return golden_pinning.pictures_of_reviewed(store, reader, pin.line, pin.from_review, pin.note)
        if label is None:
            raise ConfigError("what the frames show is not said", "give --label good or --label defect")
        return golden_pinning.pictures_of_frames(
            reader, pin.line, pin.from_frame, label, kind=pin.defect, note=pin.note
        )
    finally:
        reader.close()


def _ended_after(runs: list[ChallengeRecord], n: int) -> ChallengeRecord | None:
    return next((one for one in reversed(runs) if one.n > n and one.ended is not None), None)


def _show_run(run: ChallengeRecord) -> None:
    click.echo(run.sentence())
    for name, rate in (("missed defects", run.escape), ("false rejects", run.overkill)):
        if rate is not None:
            click.echo(f"  {name}: rate between {rate[0]:.1%} and {rate[1]:.1%}")
    for one in run.parts:
        said = "no label" if one.said is None else _word(one.said)
        score = "" if one.score is None else f"  score {one.score:.4g}"
        click.echo(f"  {one.part}  is {_word(one.label)}, said {said}{score}  {one.outcome}")
    for check in run.conditions:
        state = "within" if check.ok else "OUT OF"
        click.echo(f"  {check.name}: {check.difference:+.3g}, {state} {check.tolerance:.3g}")


def _word(label: int) -> str:
    return "defect" if label else "good"
