"""saec station letters: verdicts that a sink refused finally, beside the station or without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, audit_of, shell_actor
from saec.errors import ConfigError
from saec.settings.setting_fields import Everyday, Option

if TYPE_CHECKING:
    from saec.station.maintenance.audited_letters import LetterChange
    from saec.station.storage.records import DeadLetter


class LettersSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [letters]: what is done with which dead letters.

    Attributes:
        action: What is done with them.
        frames: Ids of their frames.
        sink: Only those of this sink.
        all: All of them, without naming frames.
    """

    action: Annotated[Literal["list", "resend", "drop", "aside"], Option(argument=True)] = "list"
    frames: Annotated[tuple[str, ...], Option(name="FRAME", argument=True)] = ()
    sink: Annotated[str | None, Option(everyday=True, metavar="NAME")] = None
    all: Everyday[bool] = False


@settings_command(example=EXAMPLE)
def letters(letters: LettersSettings, action: ActionSettings) -> None:
    """List, resend or drop refused verdicts (dead letters).

    A dead letter is a verdict that a receiver (sink) refused and that is not sent again. The station may be
    running.

    "list" shows them. "resend" sends those of each FRAME, or --all, to their sink again. "drop" deletes them.
    "aside" takes the verdict that blocks --sink out of the queue and makes it a dead letter.

    \b
    saec station letters --config station.toml
    saec station letters --config station.toml resend leather-0000000003
    saec station letters --config station.toml --sink mes --all drop
    """
    path, sink, frames = named_file(), letters.sink, letters.frames
    settings = station_settings(path)
    from saec.station.maintenance.audited_letters import change_letters, set_letter_aside
    from saec.station.storage.outbox import outbox_beside

    names = [entry.name for entry in settings.sink]
    if sink is not None and sink not in names:
        raise ConfigError(f"{path} has no sink {sink}", f"it has {', '.join(names) or 'none'}")
    who = audit_of(settings.station.data), shell_actor(), ROLE
    with outbox_beside(settings.station.data) as outbox:
        if letters.action == "aside":
            letter = None if sink is None else set_letter_aside(outbox, *who, sink, action.reason)
            _say_aside(letter, sink)
            return
        known = outbox.letters(sink)
        if letters.action == "list":
            _show(_chosen(known, frames, everything=not frames))
            return
        chosen = _chosen(known, frames, everything=letters.all)
        what: LetterChange = "letters.resend" if letters.action == "resend" else "letters.drop"
        change_letters(outbox, *who, what, chosen, action.reason)
    click.echo(f"{len(chosen)} {'are offered again' if letters.action == 'resend' else 'were dropped'}")


def _chosen(letters: Sequence[DeadLetter], frames: Sequence[str], *, everything: bool) -> list[DeadLetter]:
    if everything and frames:
        raise ConfigError("--all and frames cannot be given together", "give one of them")
    if not everything and not frames:
        raise ConfigError("no dead letter is named", "name frames, or give --all")
    for frame in frames:
        if frame not in [letter.frame for letter in letters]:
            raise ConfigError(f"{frame} has no dead letter", "see `saec station letters`")
    return [letter for letter in letters if everything or letter.frame in frames]


def _show(letters: Sequence[DeadLetter]) -> None:
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("frame", "verdict", "sink", "attempts", "since", "why", box=None)
    for letter in letters:
        since = datetime.fromtimestamp(letter.dead, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        row = (letter.frame, letter.state, letter.sink, str(letter.attempts), since, escape(letter.error))
        table.add_row(*row)
    Console().print(table if letters else "no dead letters")


def _say_aside(letter: DeadLetter | None, sink: str | None) -> None:
    if sink is None:
        raise ConfigError("no sink is named", "give --sink")
    if letter is None:
        click.echo(f"nothing waits for {sink}")
    else:
        click.echo(f"the {letter.state} verdict on {letter.frame} is a dead letter of {sink}")
