"""saec station letters: verdicts that a sink refused for good, beside the station or without it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.cli.station.config import CONFIG, read_config
from saec.errors import ConfigError

if TYPE_CHECKING:
    from saec.station.storage.records import DeadLetter

ACTIONS = ("list", "resend", "drop", "aside")


@click.command("letters")
@CONFIG
@click.option("--sink", help="Those of this sink; by default of all.")
@click.option("--all", "everything", is_flag=True, help="All of them, without naming frames.")
@click.argument("action", type=click.Choice(ACTIONS), default="list")
@click.argument("frames", nargs=-1)
def letters(config: Path, sink: str | None, everything: bool, action: str, frames: tuple[str, ...]) -> None:
    """Look at dead letters: verdicts that a sink refused for good. The station may be running.

    "list" shows them. "resend" offers those of FRAMES (or --all) to their sink again, "drop" gives them up.
    "aside" makes a dead letter of the verdict that --sink is offered first, where it holds up the others.

    \b
    saec station letters --config station.toml
    saec station letters --config station.toml resend leather-0000000003
    saec station letters --config station.toml --sink mes --all drop
    """
    from saec.station.storage.outbox import outbox_beside

    settings = read_config(config)
    names = [entry.name for entry in settings.sink]
    if sink is not None and sink not in names:
        raise ConfigError(f"{config} has no sink {sink}", f"it has {', '.join(names) or 'none'}")
    with outbox_beside(settings.station.data) as outbox:
        if action == "aside":
            _say_aside(None if sink is None else outbox.set_aside(sink), sink)
            return
        letters = outbox.letters(sink)
        if action == "list":
            _show(_chosen(letters, frames, everything=not frames))
            return
        chosen = _chosen(letters, frames, everything=everything)
        if action == "resend":
            outbox.resend([letter.n for letter in chosen])
        else:
            outbox.drop(chosen)
    click.echo(f"{len(chosen)} {'are offered again' if action == 'resend' else 'were dropped'}")


def _chosen(letters: Sequence[DeadLetter], frames: Sequence[str], *, everything: bool) -> list[DeadLetter]:
    if everything and frames:
        raise ConfigError("both --all and frames", "give one of them")
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
