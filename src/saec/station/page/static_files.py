"""The page's static files: its own, and htmx from the installed distribution that carries it.

A file's address has a part of its content's hash, so that a browser may keep it for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from saec.errors import ExtraError
from saec.station.page.alarm_sound import alarm_wav

PREFIX = "/page/static/"
OWN = Path(__file__).with_name("static")

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
}
_CARRIER = "django-htmx"
_CARRIED = {
    "htmx.js": "django_htmx/static/django_htmx/htmx-2.min.js",
    "sse.js": "django_htmx/static/django_htmx/ext/hx-sse-2.min.js",
}
"""Each file of htmx by our name and by its name in the distribution, which is read and never imported."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served.

    Attributes:
        address: where; it changes with the content.
        kind: its media type.
    """

    address: str
    kind: str
    data: bytes


class StaticFiles:
    """All static files, read once.

    Raises:
        ExtraError: htmx is not installed.
    """

    def __init__(self) -> None:
        own = {path.name: path.read_bytes() for path in sorted(OWN.iterdir()) if path.suffix in _KINDS}
        contents = own | {name: _carried(inside) for name, inside in _CARRIED.items()}
        contents["alarm.wav"] = alarm_wav()
        self._named = {name: _served(name, data) for name, data in contents.items()}
        self._placed = {file.address: file for file in self._named.values()}

    def address(self, name: str) -> str:
        """Where the file of a name is served."""
        return self._named[name].address

    def at(self, address: str) -> StaticFile | None:
        """The file at an address; None where there is none, or was one of another content."""
        return self._placed.get(address)


@cache
def static_files() -> StaticFiles:
    """The static files of this process."""
    return StaticFiles()


def _served(name: str, data: bytes) -> StaticFile:
    stem, _, ending = name.rpartition(".")
    digest = hashlib.sha256(data).hexdigest()[:16]
    return StaticFile(f"{PREFIX}{stem}.{digest}.{ending}", _KINDS[f".{ending}"], data)


def _carried(inside: str) -> bytes:
    try:
        return Path(str(distribution(_CARRIER).locate_file(inside))).read_bytes()
    except (PackageNotFoundError, OSError) as e:
        raise ExtraError(_CARRIER, "station") from e
