"""All settings of all commands: what a settings file may hold."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, get_type_hints

import click
import msgspec

from saec.cli.options.command_tree import command_tree
from saec.cli.options.settings_command import SettingsCommand
from saec.settings import CloudConfig
from saec.settings.setting_tree import Setting, flat_settings
from saec.station.people.people_settings import PeopleSettings
from saec.station.setup.station_section import StationSection
from saec.station.storage.records import Retention, SpoolLimits
from saec.web.http_settings import HttpSettings

_STATION: dict[str, type[msgspec.Struct]] = {
    "station": StationSection,
    "http": HttpSettings,
    "cloud": CloudConfig,
    "spool": SpoolLimits,
    "retention": Retention,
    "people": PeopleSettings,
}
"""The sections of a station that are no lists; it reads all their keys."""

_RUNS_STATION = "saec station"


class KnownSetting(NamedTuple):
    """A setting and the commands that have it.

    Attributes:
        setting: the setting.
        commands: their names, such as "saec inspect".
        in_file_only: no command has it as an option.
    """

    setting: Setting
    commands: tuple[str, ...]
    in_file_only: bool = False


@cache
def settings_commands() -> tuple[tuple[str, SettingsCommand], ...]:
    """Every command whose options are settings, with its name; imports them all."""
    from saec.cli import root

    return tuple(
        (name, command)
        for name, command in command_tree("saec", root, click.Context(root, info_name="saec"))
        if isinstance(command, SettingsCommand)
    )


def known_settings() -> dict[str, KnownSetting]:
    """Every setting by its key, such as "cloud.remote.timeout_s"; without those of a station's lists."""
    found: dict[str, KnownSetting] = {}
    for name, command in settings_commands():
        for setting in command.settings:
            commands = found[setting.key].commands if setting.key in found else ()
            found[setting.key] = KnownSetting(setting, (*commands, name))
    for section, struct in _STATION.items():
        for setting in flat_settings(section, struct):
            known = found.get(setting.key, KnownSetting(setting, (), in_file_only=True))
            if _RUNS_STATION not in known.commands:
                known = known._replace(commands=(*known.commands, _RUNS_STATION))
            found[setting.key] = known
    return found


def section_structs() -> dict[str, type[msgspec.Struct]]:
    """The struct of each section that is no list."""
    found = {name: struct for _, command in settings_commands() for name, struct in command.sections.items()}
    return found | _STATION


def station_sections() -> dict[str, Any]:
    """The sections that a station reads, with their types; some are lists."""
    from saec.station.setup.station_settings import StationSettings

    return get_type_hints(StationSettings)
