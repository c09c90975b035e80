"""The files that a settings file names: which of them belong to a station, and which are secret."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from saec.station.setup.station_settings import StationSettings
from saec.texts import read_text

SECRET = ("token_file", "tokens_file", "password_file", "key_file", "client_secret_file")
"""Settings whose files hold secrets, or who may come in."""


class NamedFile(NamedTuple):
    """A file or folder of the settings.

    Attributes:
        what: the setting, as "station.data" or "sink.mes.token_file".
        key: its last word.
        literal: the text in the file; "" where it is left out and has its default.
        path: where it lies.
    """

    what: str
    key: str
    literal: str
    path: Path

    @property
    def secret(self) -> bool:
        return self.key in SECRET


def named_files(config: Path, settings: StationSettings) -> list[NamedFile]:
    """Data folder, line profiles, files with secrets or certificates; no folders that are watched or written.

    Args:
        config: the settings file.
        settings: what was read from it.
    """
    plain = tomllib.loads(read_text(config, remedy="give a TOML file in UTF-8"))
    found = []
    for what, key, value in _paths(settings, ""):
        if key in ("data", "profile") or key.endswith("_file"):
            found.append(NamedFile(what, key, _literal(plain, what), value))
    return found


def _paths(entry: msgspec.Struct, where: str) -> Iterator[tuple[str, str, Path]]:
    for key in entry.__struct_fields__:
        value: Any = getattr(entry, key)
        if isinstance(value, Path):
            yield f"{where}{key}", key, value
        elif isinstance(value, str) and key.endswith("_file"):  # of [cloud.remote]
            yield f"{where}{key}", key, Path(value)
        elif isinstance(value, msgspec.Struct):
            yield from _paths(value, f"{where}{key}.")
        elif isinstance(value, list):
            for inner in value:
                if isinstance(inner, msgspec.Struct):
                    yield from _paths(inner, f"{where}{key}.{msgspec.structs.asdict(inner)['name']}.")


def _literal(plain: Any, what: str) -> str:
    """What stands in the file for a setting."""
    for word in what.split("."):
        if isinstance(plain, list):
            plain = next((entry for entry in plain if entry.get("name") == word), {})
        else:
            plain = plain.get(word, {})
    return plain if isinstance(plain, str) else ""
