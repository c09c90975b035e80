"""saec bench: the tables and curves of the published results."""

from __future__ import annotations

import click

from saec_research.commands import frontier, paper


@click.group()
def command() -> None:
    """Make the tables and curves of the published results (docs/bench.md)."""


command.add_command(frontier.command, "frontier")
command.add_command(paper.command, "paper")
