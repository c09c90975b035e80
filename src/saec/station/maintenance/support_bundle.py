"""One file for who helps: what runs, how it is set up and how it does; no image, no secret.

Whatever goes into it is text, and every secret that the station knows is taken out of it: the contents of its
secret files, and users, passwords, paths and queries of the addresses in its settings.
"""

from __future__ import annotations

import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import msgspec

from saec.errors import ConfigError, SaecError
from saec.extensions import VERSION
from saec.station.maintenance.local_request import ask_itself
from saec.station.maintenance.machine_facts import machine_facts
from saec.station.people.setup_code import SETUP_CODE
from saec.station.setup.named_files import named_files
from saec.station.setup.shown_settings import HIDDEN, without_secrets
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.spool_reader import SpoolReader
from saec.station.storage.storage_quota import StorageQuota
from saec.texts import read_text

_LOG = 5_000_000
"""Bytes of the end of a log."""

_ALARMS = 2000
_SHORTEST = 4
"""Letters of the shortest secret that is looked for; a shorter one would blot out words."""

_KEY = re.compile(r"^(?=.*\d).{6,}|^.{16,}")
"""A part of a path that may be a key or a password, as some cameras have it."""


def pack_support(
    config: Path,
    settings: StationSettings,
    target: Path,
    *,
    log: Path | None = None,
    token: str | None = None,
) -> list[str]:
    """Write the file.

    Args:
        config: the settings file, and ``settings`` what was read from it.
        target: a zip file; must not exist.
        log: a file that the station's log goes to; None asks systemd's journal.
        token: lets the running station be asked for its status and metrics; without one the disk is asked.

    Returns:
        what could not be had, a sentence each; it stands in the file as well.

    Raises:
        FileExistsError: the target exists.
    """
    hide, missing = _hider(config, settings, token), []
    parts: dict[str, Callable[[], str]] = {
        "versions.json": lambda: _json(_versions()),
        "settings.json": lambda: _json(without_secrets(msgspec.to_builtins(settings, enc_hook=str))),
        "machine.json": lambda: _json(machine_facts(settings.station.data)),
        "spool.json": lambda: _json(_spool(settings)),
        "alarms.json": lambda: _json(_alarms(settings)),
        "lines.json": lambda: _json(_lines(settings.station.data)),
        "log.txt": lambda: _log(log),
        **{
            name: lambda path=path: ask_itself(settings, path, token)  # type: ignore[misc]
            for name, path in (
                ("ready.json", "/ready"),
                ("health.json", "/health"),
                ("status.json", "/v1/status"),
                ("metrics.txt", "/metrics"),
            )
        },
    }
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as packed:
        for name, make in parts.items():
            try:
                packed.writestr(name, hide(make()))
            except (OSError, SaecError, sqlite3.Error, httpx.HTTPError, subprocess.SubprocessError) as e:
                missing.append(hide(f"{name}: {e}"))
        packed.writestr("missing.txt", "\n".join(missing))
    target.chmod(0o600)
    return missing


def _hider(config: Path, settings: StationSettings, token: str | None) -> Callable[[str], str]:
    """Takes every known secret out of a text; the longest first, as one may hold another."""
    secrets = {token or ""}
    for file in named_files(config, settings):
        if file.secret:
            for text in _texts_of(file.path):
                secrets |= {text.strip(), *text.split()}
    for address in _addresses(msgspec.to_builtins(settings, enc_hook=str)):
        secrets |= set(_secrets_of(address))
    secrets |= {msgspec.structs.asdict(sink).get("user") or "" for sink in settings.sink}
    known = sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, known), SETUP_CODE]))
    return lambda text: pattern.sub(HIDDEN, text)


def _texts_of(path: Path) -> Iterator[str]:
    """What a file of secrets says: as the station reads it, and as its bytes stand there."""
    try:
        yield path.read_bytes().decode("utf-8", "replace")
        yield read_text(path)
    except (OSError, ConfigError):
        return


def _secrets_of(address: str) -> Iterator[str]:
    """User, password, path and values of the query, as they stand and as they are meant."""
    try:
        parts = urlsplit(address)
        told = [parts.username, parts.password, parts.query, parts.path.strip("/")]
        told += [value for _, value in parse_qsl(parts.query)]
        told += [word for word in re.split(r"[/=&_;,]", parts.path) if _KEY.search(word)]
    except ValueError:
        yield address
        return
    for text in filter(None, told):
        yield from (text, unquote(text))


def _addresses(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield from [plain] if "://" in plain else []
    elif isinstance(plain, dict | list):
        for value in plain.values() if isinstance(plain, dict) else plain:
            yield from _addresses(value)


def _versions() -> dict[str, Any]:
    packages = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return {
        "saec": VERSION,
        "python": sys.version,
        "system": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "packages": dict(sorted(packages.items())),
    }


def _spool(settings: StationSettings) -> dict[str, Any]:
    data = settings.station.data
    quota = StorageQuota(data, settings.spool)
    quota.measure()
    with closing(SpoolReader.beside(data)) as reader:
        return {"sizes": quota.status(), "waiting": reader.open_by_line(), "counters": reader.counters()}


def _alarms(settings: StationSettings) -> Any:
    with closing(SpoolReader.beside(settings.station.data)) as reader:
        return msgspec.to_builtins(reader.alarms(_ALARMS))


def _lines(data: Path) -> dict[str, str]:
    return {path.parent.name: read_text(path) for path in sorted(data.glob("lines/*/state.json"))}


def _log(path: Path | None) -> str:
    if path is not None:
        with path.open("rb") as f:
            f.seek(max(0, path.stat().st_size - _LOG))
            return f.read().decode("utf-8", "replace")
    if shutil.which("journalctl") is None:
        raise FileNotFoundError("there is no journal; name the log file with --log")
    read = subprocess.run(
        ["journalctl", "--no-pager", "-o", "short-iso", "-n", "20000", "-u", "saec-station"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    return read.stdout[-_LOG:].decode("utf-8", "replace")


def _json(plain: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(plain)).decode()
