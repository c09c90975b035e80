"""How a setting's value is read from the command line: the parameter type of each kind of setting."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import msgspec

from saec.cli.options.output_file import NewFile
from saec.decoding import all_finite
from saec.settings.setting_tree import Setting

Type = click.ParamType[Any]


class _PathText(click.Path):
    """The path of something that exists, as a text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return str(super().convert(value, param, ctx))


class _NamedPath(click.Path):
    """A path that may not exist yet; "" would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail('"" names nothing: give a path', param, ctx)
        return super().convert(value, param, ctx)


class _Integer(click.IntRange):
    """A whole number in its range."""

    name = "integer"


class _Number(click.FloatRange):
    """A finite number in its range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number

    def _describe_range(self) -> str:
        return "" if self.min is self.max is None else super()._describe_range()


class NameAndValue(click.ParamType):  # type: ignore[type-arg]
    """NAME=VALUE; a table of a settings file comes in whole."""

    name = "NAME=VALUE"

    def __init__(self, kind: type, example: str) -> None:
        self._kind, self._example = kind, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        name, sign, given = str(value).partition("=")
        if not sign:
            self.fail(f"{value!r} is not NAME=VALUE. Write for example {self._example}", param, ctx)
        try:
            found = self._kind(given)
        except ValueError:
            self.fail(f"{given!r} is no number", param, ctx)
        if not all_finite(found):
            self.fail(f"{name} is {given}, which is not a finite number", param, ctx)
        return name, found


class Rectangle(click.ParamType):  # type: ignore[type-arg]
    """Four whole numbers, in pixels."""

    name = "x0,y0,x1,y1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = value if isinstance(value, list | tuple) else str(value).split(",")
        try:
            x0, y0, x1, y1 = (int(part) for part in parts)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not four whole numbers x0,y0,x1,y1", param, ctx)
        return (x0, y0, x1, y1)


class PolicyName(click.Choice[str]):
    """The installed policies; whoever names another is told which distribution has more."""

    def __init__(self) -> None:
        from saec.schedule.policies import policy_names

        super().__init__(policy_names())

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        from saec.extensions import extensions

        message = super().get_invalid_choice_message(value, ctx)
        return (
            message
            if extensions("saec.policies")
            else f"{message} saec-research has more: pip install saec-research."
        )


def value_type(setting: Setting, own: dict[str, Type]) -> Type:
    """The parameter type of one value of a setting.

    Args:
        setting: the setting.
        own: the types of a command's own kinds, by ``Option.kind``.
    """
    kind, option = _single(setting.kind), setting.option.kind
    if option in own:
        return own[option]
    if option == "policy":
        return PolicyName()
    if option == "rectangle":
        return Rectangle()
    if option == "new file":
        return NewFile()
    if option in ("file", "folder", "path"):
        path = click.Path if kind is Path else _PathText
        return path(exists=True, file_okay=option != "folder", dir_okay=option != "file", path_type=Path)
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if get_origin(kind) is dict:
        example = "missed_defect=10" if option == "costs" else "escape=20"
        return NameAndValue(float if get_args(kind)[1] is float else str, example)
    return _plain(kind, setting.range)


def _plain(kind: Any, bounds: msgspec.Meta) -> Type:
    low, high = bounds.ge if bounds.gt is None else bounds.gt, bounds.le if bounds.lt is None else bounds.lt
    opened = (bounds.gt is not None, bounds.lt is not None)
    if kind is int:
        return click.INT if low is high is None else _Integer(_whole(low), _whole(high), *opened)
    if kind is float:
        return _Number(low, high, *opened)
    if kind is bool:
        return click.BOOL
    if kind is Path:
        return _NamedPath(path_type=Path)
    if kind is str:
        return click.STRING
    raise TypeError(f"no option has the type {kind}")


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def is_repeated(setting: Setting) -> bool:
    """Whether an option may be given several times."""
    kind = setting.kind
    if get_origin(kind) is dict:
        return setting.option.kind != "costs"
    return get_origin(kind) is tuple and get_args(kind)[-1] is ...


def length(setting: Setting) -> int:
    """How many values an option takes at once."""
    kind = setting.kind
    if setting.option.kind == "costs":
        return 2
    if get_origin(kind) is tuple and get_args(kind)[-1] is not ... and not setting.option.kind:
        return len(get_args(kind))
    return 1


def _single(kind: Any) -> Any:
    """The type of one value: that of the elements of a tuple."""
    if get_origin(kind) is tuple:
        from saec.settings.setting_tree import unwrapped

        return unwrapped(get_args(kind)[0])[0]
    return kind
