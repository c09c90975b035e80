"""Settings that a program was given as a struct: whether each value is in its range."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import convert, fault_of
from saec.errors import ConfigError
from saec.settings.settings_text import remedy_for, split_place


def check_ranges(section: str, settings: msgspec.Struct) -> None:
    """Check the settings of a section; the command line and the files have done so for theirs.

    Raises:
        ConfigError: a value has another type, or is out of its range; names the setting.
    """
    try:
        convert(msgspec.to_builtins(settings, enc_hook=os.fspath), type(settings), hook=_path)
    except msgspec.ValidationError as e:
        what, keys = split_place(str(e))
        key = ".".join([section, *(str(key) for key in keys)])
        fault = fault_of(key, what)
        raise ConfigError(fault, remedy_for(key, fault)) from e


def _path(kind: type, value: Any) -> Any:
    return Path(value) if kind is Path and isinstance(value, str) else value
