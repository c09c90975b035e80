"""A command whose options are made of settings.

A command is a function whose parameters are sections: ``def command(fit: FitConfig, data: DataConfig)``. Each
field of their structs is an option, and a key of the file that ``--config`` names. An option beats the file,
and the file beats the struct's default. ``--help`` shows the everyday options; ``--help-all`` shows all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_origin, get_type_hints

import click
import msgspec

from saec.cli.options.addresses_option import AddressesOption
from saec.cli.options.command_tree import command_tree
from saec.cli.options.config_file import default_map, parameter_name
from saec.cli.options.value_types import Type, is_repeated, length, value_type
from saec.settings.section_reading import built
from saec.settings.setting_tree import Setting, flat_settings

_METAVARS = {"directory": "FOLDER"}
_CONFIG = "saec.config"
"""Where a context keeps the file that --config named."""

_HELP_ALL = "saec.help_all"
"""Where a context keeps that --help-all was given."""


class CommandSettings(TypedDict, total=False):
    """What a command may say of its settings.

    Attributes:
        types: parameter types of the command's own kinds of values, by ``Option.kind``.
        everyday: options of shared sections that are everyday ones of this command.
        without: settings of shared sections that this command does not have, such as "sample.limit".
        only: the settings that this command has of a shared section, where it has few of them.
        needs: settings with a default that the user of this command must give, such as "cloud.model".
        example: what prints a settings file to begin with, such as "saec station example". The command needs
            the file then.
    """

    types: Mapping[str, Type]
    everyday: Sequence[str]
    without: Sequence[str]
    only: Sequence[str]
    needs: Sequence[str]
    example: str


class SettingsCommand(click.Command):
    """See the module.

    Args:
        function: the command; its parameters are named like their sections and annotated with their structs.
        given: what it says of them.
    """

    def __init__(self, function: Callable[..., None], **given: Unpack[CommandSettings]) -> None:
        only, without = given.get("only", ()), given.get("without", ())
        needs, everyday = given.get("needs", ()), given.get("everyday", ())
        hints = get_type_hints(function)
        self.sections: dict[str, type[msgspec.Struct]] = {
            name: hint for name, hint in hints.items() if name != "return"
        }
        few = {key.partition(".")[0] for key in only}
        self.settings = [
            setting
            for section, struct in self.sections.items()
            for setting in flat_settings(section, struct)
            if setting.key in only or (section not in few and setting.key not in without)
        ]
        own = dict(given.get("types", {}))
        shown = [s._replace(default=msgspec.NODEFAULT) if s.key in needs else s for s in self.settings]
        parameters = [_parameter(s, own, everyday=s.flag in everyday) for s in shown]
        super().__init__(
            name=None,
            callback=lambda **values: function(**self._structs(values)),
            params=[*parameters, *_common(given.get("example", ""))],
            help=function.__doc__,
            context_settings={"max_content_width": 100},
        )

    def _structs(self, values: dict[str, Any]) -> dict[str, msgspec.Struct]:
        """The sections' structs of the options' values."""
        tables: dict[str, dict[str, Any]] = {section: {} for section in self.sections}
        for setting in self.settings:
            table = tables[setting.section]
            for key in setting.keys[:-1]:
                table = table.setdefault(key, {})
            table[setting.keys[-1]] = _shaped(setting, values[parameter_name(setting.key)])
        return {section: built(struct, tables[section]) for section, struct in self.sections.items()}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The everyday options under one heading; with --help-all each section under its own."""
        everything = ctx.meta.get(_HELP_ALL, False)
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self._options(ctx):
            if everything:
                parameter = copy(parameter)
                parameter.hidden = False
            if (record := parameter.get_help_record(ctx)) is not None:
                section = (parameter.name or "").partition("__")[0] if everything else ""
                heading = "Options"
                if section in self.sections:
                    heading += f", section [{section}] of a settings file"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        if not everything:
            hidden = sum(parameter.hidden for parameter in self._options(ctx))
            if hidden:
                formatter.write_paragraph()
                more = "1 more option" if hidden == 1 else f"{hidden} more options"
                formatter.write_text(f"`{ctx.command_path} --help-all` shows {more}.")

    def _options(self, ctx: click.Context) -> Iterator[click.Option]:
        return (one for one in self.get_params(ctx) if isinstance(one, click.Option))


def settings_command(
    **given: Unpack[CommandSettings],
) -> Callable[[Callable[..., None]], SettingsCommand]:
    """Make a command of a function; see ``CommandSettings``."""
    return lambda function: SettingsCommand(function, **given)


def is_given(key: str) -> bool:
    """Whether the user gave a setting, such as "cloud.batch", as an option or in the file."""
    source = click.get_current_context().get_parameter_source(parameter_name(key))
    return source not in (None, click.core.ParameterSource.DEFAULT)


def is_on_command_line(key: str) -> bool:
    """Whether the user gave a setting as an option; a file may hold it for other runs as well."""
    source = click.get_current_context().get_parameter_source(parameter_name(key))
    return source is click.core.ParameterSource.COMMANDLINE


def _parameter(setting: Setting, own: Mapping[str, Type], *, everyday: bool) -> click.Parameter:
    kind = value_type(setting, dict(own))
    multiple, nargs = is_repeated(setting), length(setting)
    default = _repeated_default(setting) if multiple else None if setting.required else setting.default
    # None would count as given
    given: dict[str, Any] = {} if setting.required else {"default": default}
    if setting.option.argument:
        return click.Argument(
            [parameter_name(setting.key)],
            type=kind,
            required=setting.required,
            nargs=-1 if multiple else nargs,
            metavar=_argument_word(setting, multiple=multiple),
            **({} if multiple else given),
        )
    flag = setting.kind is bool
    name = f"{setting.flag}/--no-{setting.flag[2:]}" if flag and setting.default is True else setting.flag
    shown = default is not None and default is not False and default != ()
    make = AddressesOption if setting.option.listed else click.Option
    return make(
        [parameter_name(setting.key), name],
        type=None if flag else kind,
        is_flag=flag,
        required=setting.required,
        multiple=multiple,
        nargs=nargs,
        show_default=shown,
        help=setting.help.replace("``", "`"),
        metavar=setting.option.metavar or _METAVARS.get(kind.name),
        hidden=not (setting.option.everyday or everyday or setting.required),
        **given,
    )


def _argument_word(setting: Setting, *, multiple: bool) -> str:
    word = setting.flag + ("..." if multiple else "")
    return word if setting.required else f"[{word}]"


def _repeated_default(setting: Setting) -> tuple[Any, ...]:
    if setting.required:
        return ()
    return tuple(setting.default.items() if isinstance(setting.default, dict) else setting.default)


def settings_file() -> Path | None:
    """The file that --config named."""
    found: Path | None = click.get_current_context().meta.get(_CONFIG)
    return found


def how_to_begin(example: str) -> str:
    """How to have a settings file, of what prints one."""
    return f"`{example} > FILE.toml` makes a file to begin with."


class _SettingsFile(click.Path):
    """The file that --config names.

    Args:
        example: what prints one to begin with, or "".
    """

    def __init__(self, example: str) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)
        self._example = example

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return how_to_begin(self._example)


def _common(example: str) -> list[click.Parameter]:
    return [
        click.Option(
            ["--config"],
            type=_SettingsFile(example),
            required=bool(example),
            is_eager=True,
            expose_value=False,
            callback=_read,
            help="Read settings from this TOML file. An option of the command line beats the file.",
        ),
        click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            help="Show all options and exit.",
        ),
    ]


def _read(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    ctx.meta[_CONFIG] = path
    if path is not None and isinstance(ctx.command, SettingsCommand):
        root = ctx.find_root()
        parameters = {one.name: one for one in ctx.command.params}
        ctx.default_map = default_map(
            path,
            ctx.command.settings,
            ctx.command.sections,
            lambda: _all_sections(root),
            check=lambda name, value: parameters[name].type_cast_value(ctx, value),
        )


def _all_sections(root: click.Context) -> dict[str, type[msgspec.Struct]]:
    """The sections of all commands below the one that was called, with their structs."""
    found: dict[str, type[msgspec.Struct]] = {}
    for _, command in command_tree("saec", root.command, root):
        if isinstance(command, SettingsCommand):
            found |= command.sections
    return found


def _show_all(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        ctx.meta[_HELP_ALL] = True
        click.echo(ctx.get_help())
        ctx.exit()


def _shaped(setting: Setting, value: Any) -> Any:
    """What click read, as the struct holds it."""
    if value is None:
        return None
    if get_origin(setting.kind) is dict:
        names = [name for name, _ in value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise click.UsageError(f"{setting.flag} {twice[0]} is given twice")
        return dict(value)
    return value
