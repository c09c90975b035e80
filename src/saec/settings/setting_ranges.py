"""Settings that a program was given as a struct: whether each value is in its range."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from saec.decoding import all_finite, convert, fault_of, path_hook, plain_values, with_python_numbers
from saec.errors import ConfigError
from saec.settings.settings_text import remedy_for, split_place

S = TypeVar("S", bound=msgspec.Struct)


def check_ranges(section: str, settings: S) -> S:
    """The settings of a section, checked; the command line and the files have done so for theirs.

    NumPy's numbers become Python's.

    Raises:
        ConfigError: a value has another type, or is out of its range; names the setting.
    """
    settings = with_python_numbers(settings)
    plain = plain_values(settings)
    for name, value in plain.items():
        if not all_finite(value):
            raise ConfigError(f"{section}.{name} is not a finite number", f"give {name} a number")
    try:
        convert(plain, type(settings), hook=path_hook)
    except msgspec.ValidationError as e:
        what, keys = split_place(str(e))
        key = ".".join([section, *(str(key) for key in keys)])
        fault = fault_of(key, what)
        raise ConfigError(fault, remedy_for(key, fault)) from e
    return settings
