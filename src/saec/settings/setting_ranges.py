"""Settings that a program was given as a struct: whether each value is in its range."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError
from saec.settings.settings_text import split_place


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
        raise ConfigError(f"{key}: {what}", f"correct {key}") from e


def _path(kind: type, value: Any) -> Any:
    return Path(value) if kind is Path and isinstance(value, str) else value
