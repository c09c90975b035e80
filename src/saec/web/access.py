"""Who may post frames and look: tokens, kept as their sha256, by name, read anew when the file changes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import threading
from pathlib import Path

from saec.errors import ConfigError
from saec.texts import read_text

_LINE = re.compile(r"([A-Za-z0-9][\w.-]{0,62})\s+([0-9a-f]{64})")


def digest(token: str) -> str:
    """What stands in the file for a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """The tokens of a file: one ``NAME SHA256`` a line, ``#`` begins a comment.

    A file that has become unreadable or wrong keeps the tokens that were read last, and says so once, so that
    a slip while editing locks nobody out.

    Args:
        path: of the file; None lets everybody in.

    Raises:
        ConfigError: the file cannot be read, or a line is neither.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, threading.Lock()
        self._stamp = self._look()
        self._names = {} if path is None else _read(path)
        self.problem = ""

    @property
    def open(self) -> bool:
        """Whether nobody is asked for a token."""
        return self._path is None

    def name(self, header: str | None) -> str | None:
        """Whose token an Authorization header holds (Bearer, or the password of Basic); None for nobody's."""
        token = _token(header)
        if token is None:
            return None
        self._refresh()
        found, hashed = None, digest(token)
        for known, name in self._names.items():
            if hmac.compare_digest(known, hashed):
                found = name
        return found

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_mtime_ns, status.st_size)

    def _refresh(self) -> None:
        with self._lock:
            stamp = self._look()
            if self._path is None or stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                self._names, self.problem = _read(self._path), ""
            except ConfigError as e:
                self.problem = str(e)


def _read(path: Path) -> dict[str, str]:
    """sha256 -> name."""
    lines = read_text(path, remedy="give a file of lines NAME SHA256").splitlines()
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        if (match := _LINE.fullmatch(text)) is None:
            raise ConfigError(
                f"{path} line {number} is not NAME SHA256", "make one with `saec station token NAME`"
            )
        names[match[2]] = match[1]
    return names


def _token(header: str | None) -> str | None:
    kind, _, value = (header or "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip() or None
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or user or None
    return None
