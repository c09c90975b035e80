"""A command of settings that has commands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click

from saec.cli.options.settings_command import SettingsCommand
from saec.cli.options.value_types import Type


class SettingsGroup(SettingsCommand, click.Group):
    """Runs by itself, or gives way to the command that is called."""

    def __init__(
        self,
        function: Callable[..., None],
        *,
        types: Mapping[str, Type] | None = None,
        everyday: Sequence[str] = (),
        without: Sequence[str] = (),
        only: Sequence[str] = (),
    ) -> None:
        super().__init__(function, types=types, everyday=everyday, without=without, only=only)
        self.invoke_without_command, self.no_args_is_help = True, False
        self.subcommand_metavar = "[COMMAND] [ARGS]..."

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def settings_group(
    *,
    types: Mapping[str, Type] | None = None,
    everyday: Sequence[str] = (),
    without: Sequence[str] = (),
    only: Sequence[str] = (),
) -> Callable[[Callable[..., None]], SettingsGroup]:
    """Make a group of a function; see ``SettingsCommand``."""
    return lambda function: SettingsGroup(
        function, types=types, everyday=everyday, without=without, only=only
    )
