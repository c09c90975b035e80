"""All settings of all commands: what a settings file may hold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, get_type_hints

import click
import msgspec

from saec.cli.options.settings_command import SettingsCommand
from saec.settings.setting_tree import Setting


class KnownSetting(NamedTuple):
    """A setting and the commands that have it.

    Attributes:
        setting: the setting.
        commands: their names, such as "saec inspect".
    """

    setting: Setting
    commands: tuple[str, ...]


@cache
def settings_commands() -> tuple[tuple[str, SettingsCommand], ...]:
    """Every command whose options are settings, with its name; imports them all."""
    from saec.cli import root

    return tuple(
        (name, command)
        for name, command in _commands("saec", root, click.Context(root, info_name="saec"))
        if isinstance(command, SettingsCommand)
    )


def _commands(name: str, command: click.Command, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for inner in command.list_commands(ctx):
            found = command.get_command(ctx, inner)
            if found is not None:
                yield from _commands(f"{name} {inner}", found, click.Context(found, ctx, inner))


def known_settings() -> dict[str, KnownSetting]:
    """Every setting of a command by its key, such as "cloud.remote.timeout_s"."""
    found: dict[str, KnownSetting] = {}
    for name, command in settings_commands():
        for setting in command.settings:
            before = found.get(setting.key)
            commands = (*(() if before is None else before.commands), name)
            found[setting.key] = KnownSetting(setting, commands)
    return found


def section_structs() -> dict[str, type[msgspec.Struct]]:
    """The struct of each section of a command."""
    return {name: struct for _, command in settings_commands() for name, struct in command.sections.items()}


def station_sections() -> dict[str, Any]:
    """The sections that a station reads, with their types; some are lists."""
    from saec.station.setup.station_settings import StationSettings

    return get_type_hints(StationSettings)


def section_names() -> list[str]:
    """Every section that a settings file may hold."""
    return sorted({*section_structs(), *station_sections()})
