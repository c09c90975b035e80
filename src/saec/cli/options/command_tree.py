"""All commands below a command, with their names."""

from __future__ import annotations

from collections.abc import Iterator

import click


def command_tree(
    name: str, command: click.Command, ctx: click.Context
) -> Iterator[tuple[str, click.Command]]:
    """A command and all below it, with their names, such as "saec station add"; imports them all."""
    yield name, command
    if isinstance(command, click.Group):
        for inner in command.list_commands(ctx):
            found = command.get_command(ctx, inner)
            if found is not None:
                yield from command_tree(f"{name} {inner}", found, click.Context(found, ctx, inner))
