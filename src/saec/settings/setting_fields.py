"""What the fields of settings are made of: marks for options and keys, and the types that many of them share.

A field's docstring is its help, its default stands in its struct alone, and its range in its type. From these
come the options of the commands, the TOML files and the page of all settings (``saec.cli.options``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T")

_NOT_IN_KEY = msgspec.Meta(extra={"in_key": False})

NotInKey = Annotated[T, _NOT_IN_KEY]
"""A setting that no key holds: it changes how fast or by what way an answer comes, or is said elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How a field becomes an option of a command; a field without one becomes ``--its-name``.

    Attributes:
        name: the option, such as "--cloud"; "" takes the field's name.
        everyday: ``--help`` shows it; the others stand in ``--help-all``.
        argument: it is given by its place, without a name.
        metavar: stands for the value in the help; "" takes the type's word.
        kind: what the value is beyond its type: "file", "folder" or "path" that exist, "new file", "model"
            (the folder of a checkpoint, or its name), "costs" (two of them in one option), or a word that
            ``saec.cli.options.value_types`` lists.
        hidden: neither an option nor a key of a file: the program fills it.
        listed: the value may be a list of addresses with commas. The option may be given several times.
    """

    name: str = ""
    everyday: bool = False
    argument: bool = False
    metavar: str = ""
    kind: str = ""
    hidden: bool = False
    listed: bool = False


Everyday = Annotated[T, Option(everyday=True)]
"""A setting that most users of a command look for."""

Argument = Annotated[T, Option(argument=True)]
"""A setting that is given by its place."""

Hidden = Annotated[T, Option(hidden=True)]
"""A field that the program fills: no option, and no key of a file."""

ExistingFile = Annotated[Path, Option(kind="file")]
ExistingFolder = Annotated[Path, Option(kind="folder")]
ExistingPath = Annotated[Path, Option(kind="path")]
Costs = Annotated[
    dict[str, float] | None,
    Option(everyday=True, kind="costs", metavar="missed_defect=X false_reject=Y"),
]
"""What a missed defect and a false reject cost: one option with both of them."""

NewFile = Annotated[Path, Option(kind="new file")]
"""A file that a command writes when it is done; "-" is standard output."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
OpenShare = Annotated[float, msgspec.Meta(gt=0, lt=1)]
"""A share that is neither nothing nor all."""

PositiveShare = Annotated[float, msgspec.Meta(gt=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
CountOrZero = Annotated[int, msgspec.Meta(ge=0)]
"""A count that may be 0."""

Seed = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""The seed of random draws."""


def identifying(settings: msgspec.Struct) -> dict[str, Any]:
    """The settings that identify an answer, by name, where they differ from their defaults.

    A line keeps its trust in a cloud under a key that is made of them, and a run is resumed under the same
    ones. All fields of a struct are taken but those that are marked ``NotInKey``, so a new setting is part of
    every key unless its author says otherwise. A struct within the settings gives names of its own,
    "spending.rule". A default is left out, so a new setting whose default changes nothing leaves the keys as
    they were.
    """
    found: dict[str, Any] = {}
    defaults = dict(zip(settings.__struct_fields__[::-1], settings.__struct_defaults__[::-1], strict=False))
    for name, value in msgspec.structs.asdict(settings).items():
        if name in _unmarked(type(settings)):
            if isinstance(value, msgspec.Struct):
                found |= {f"{name}.{inner}": given for inner, given in identifying(value).items()}
            elif name not in defaults or value != defaults[name]:
                found[name] = value
    return found


@cache
def _unmarked(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Names of a struct's fields that are not marked ``NotInKey``."""
    hints = get_type_hints(kind, include_extras=True)
    marks = {name: hint.__metadata__ for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    return frozenset(name for name in kind.__struct_fields__ if _NOT_IN_KEY not in marks.get(name, ()))
