"""A station's settings as they may be shown: every key, its value and its default, and no secret.

Of an address only scheme, host and port are shown: users, passwords, paths and queries may be secrets. A
file with a secret is named and never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from saec.connecting import addresses_of, shown
from saec.settings.setting_tree import Setting, flat_settings
from saec.station.setup.station_settings import StationSettings

HIDDEN = "***"

READ_AGAIN = frozenset({"station.tokens_file", "http.tls_cert", "http.tls_key"})
"""Settings whose files are read again when they change, without a restart."""

_ADDRESSES = frozenset({"address", "host", "issuer", "model", "url"})


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting.

    Attributes:
        key: its key below the section, such as "remote.timeout_s".
        value: what a settings file would say; "" where it is not set and has no default.
        default: likewise; None where it must be given.
        own: whether it differs from the default.
        read_again: whether a change of the file that it names needs no restart.
    """

    key: str
    value: str
    default: str | None
    own: bool
    read_again: bool


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section: its header as in the file, what it is called, and its settings."""

    header: str
    name: str
    settings: list[ShownSetting]


def shown_settings(settings: StationSettings) -> list[ShownSection]:
    """All sections of a station, in the order of their fields; lists entry by entry."""
    found = []
    for section in settings.__struct_fields__:
        value = getattr(settings, section)
        if isinstance(value, list):
            found += [_section(section, f"[[{section}]]", entry) for entry in value]
        elif value is not None:
            found.append(_section(section, f"[{section}]", value))
    return found


def without_secrets(plain: Any, key: str = "") -> Any:
    """Plain values with nothing of an address but where it leads, and no user.

    Args:
        plain: what ``msgspec.to_builtins`` makes of settings.
        key: the key that has this value.
    """
    if isinstance(plain, dict):
        return {name: without_secrets(value, name) for name, value in plain.items()}
    if isinstance(plain, list | tuple):
        return [without_secrets(value, key) for value in plain]
    if not isinstance(plain, str):
        return plain
    if key == "user":
        return HIDDEN if plain else plain
    if key in _ADDRESSES or "://" in plain:
        return ", ".join(shown(one, path=False) for one in addresses_of(plain))
    return plain


def _section(section: str, header: str, struct: msgspec.Struct) -> ShownSection:
    plain = msgspec.structs.asdict(struct)
    name = str(plain.get("name", "")) if header.startswith("[[") else ""
    return ShownSection(header, name, list(_settings(section, struct)))


def _settings(section: str, struct: msgspec.Struct) -> Iterator[ShownSetting]:
    if (tag := struct.__struct_config__.tag) is not None:
        yield ShownSetting("kind", _text(tag), None, own=True, read_again=False)
    for setting in flat_settings(section, type(struct)):
        value = _value(struct, setting)
        yield ShownSetting(
            ".".join(setting.keys),
            _text(_plain(value, setting.keys[-1])),
            None if setting.required else _text(_plain(setting.default, setting.keys[-1])),
            own=setting.required or value != setting.default,
            read_again=setting.key in READ_AGAIN and value is not None,
        )


def _value(struct: msgspec.Struct, setting: Setting) -> Any:
    value: Any = struct
    for key in setting.keys:
        if value is None:
            return None
        value = getattr(value, key)
    return value


def _plain(value: Any, key: str) -> Any:
    return without_secrets(msgspec.to_builtins(value, enc_hook=str), key)


def _text(plain: Any) -> str:
    """A plain value as a settings file writes it, texts without their quotation marks."""
    if plain is None or plain == [] or plain == {}:
        return ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, list):
        return ", ".join(map(_text, plain))
    if isinstance(plain, dict):
        return ", ".join(f"{name} = {_text(value)}" for name, value in plain.items())
    return str(plain)
