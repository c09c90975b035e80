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
from saec.web.admission.file_stamps import check_plain_file, file_stamp

_LINE = re.compile(r"([A-Za-z0-9][\w.-]{0,62})\s+([0-9a-f]{64})")


def token_hash(token: str) -> str:
    """What stands in the file for a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Tokens:
    """The tokens of a file: one ``NAME SHA256`` a line, ``#`` begins a comment.

    A file that has become unreadable or wrong keeps the tokens that were read last, and says so, so that a
    slip while editing locks nobody out.

    Args:
        path: the tokens file; None lets everybody in.

    Attributes:
        problem: why the file of now is not heeded, or lets nobody in; "" where all is well.

    Raises:
        ConfigError: the file cannot be read, or a line is neither.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, threading.Lock()
        self._stamp = file_stamp(path)
        self._names = {} if path is None else _read(path)
        self.problem = self._emptiness()

    @property
    def open(self) -> bool:
        """Whether nobody is asked for a token."""
        return self._path is None

    def name(self, header: str | None) -> str | None:
        """Whose token an Authorization header holds (Bearer, or the password of Basic); None for nobody's."""
        token = token_of(header)
        if token is None:
            return None
        self.refresh()
        found, hashed = None, token_hash(token)
        for known, name in self._names.items():
            if hmac.compare_digest(known, hashed):
                found = name
        return found

    def refresh(self) -> None:
        """Read the file again where it is another one now."""
        with self._lock:
            now = file_stamp(self._path)
            if self._path is None or now == self._stamp:
                return
            self._stamp = now
            try:
                self._names = _read(self._path)
                self.problem = self._emptiness()
            except ConfigError as e:
                self.problem = f"{e}; the tokens that were read before stay valid"

    def _emptiness(self) -> str:
        """Nobody is let in by an empty file: a slip may have emptied it, or somebody meant it."""
        return (
            ""
            if self._path is None or self._names
            else f"{self._path} holds no token: every request is refused"
        )


def _read(path: Path) -> dict[str, str]:
    """sha256 -> name."""
    check_plain_file(path)
    lines = read_text(path, remedy="write one NAME SHA256 per line").splitlines()
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        if (match := _LINE.fullmatch(text)) is None:
            raise ConfigError(
                f"{path}, line {number}: not NAME SHA256", "make one with `saec station token NAME`"
            )
        names[match[2]] = match[1]
    return names


def token_of(header: str | None) -> str | None:
    """The token in an Authorization header; None where there is none."""
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
