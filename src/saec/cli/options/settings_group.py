"""A command of settings that has commands beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import click

from saec.cli.options.settings_command import CommandSettings, SettingsCommand


class SettingsGroup(SettingsCommand, click.Group):
    """Runs by itself, or gives way to the command that is called."""

    def __init__(self, function: Callable[..., None], **given: Unpack[CommandSettings]) -> None:
        super().__init__(function, **given)
        self.invoke_without_command, self.no_args_is_help = True, False
        self.subcommand_metavar = "[COMMAND] [ARGS]..."

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def settings_group(**given: Unpack[CommandSettings]) -> Callable[[Callable[..., None]], SettingsGroup]:
    """Make a group of a function; see ``CommandSettings``."""
    return lambda function: SettingsGroup(function, **given)
