"""Small text files that people write, read alike everywhere: settings, tokens, passwords, lists.

An editor may put a byte order mark before the text, or save it as UTF-16; neither is meant. What is read here
is the text alone, and a file in another encoding is named with the byte that gives it away.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from saec.errors import ConfigError, SaecError

MOST_BYTES = 16 * 2**20
"""A text that people write is smaller."""

_SECRET_BYTES = 64 * 2**10
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(
    path: Path, *, most: int = MOST_BYTES, remedy: str = "", error: type[SaecError] = ConfigError
) -> str:
    """The text of a file, without a byte order mark: UTF-8, or UTF-16 where a mark says so.

    Args:
        most: bytes beyond which it is no such file.
        remedy: what to do where the file is not there or cannot be read.
        error: raised, with the path and the reason.

    Raises:
        SaecError: of the kind ``error``: it cannot be read, is too long, or is no UTF-8.
    """
    try:
        with path.open("rb") as f:
            data = f.read(most + 1)
    except (OSError, ValueError) as e:  # ValueError: a path with a zero byte
        reason = e.strerror if isinstance(e, OSError) and e.strerror else e
        raise error(f"{path} cannot be read: {reason}", remedy or "name a file that is there") from e
    if len(data) > most:
        raise error(f"{path} is longer than {most} bytes", remedy or "name the right file")
    return decoded(data, str(path), error=error)


def decoded(data: bytes, name: str, *, error: type[SaecError] = ConfigError) -> str:
    """Bytes as ``read_text`` reads them.

    Args:
        name: of where they come from, for the error.

    Raises:
        SaecError: of the kind ``error``: they are no text.
    """
    utf16 = data.startswith(_UTF16)
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as e:
        if utf16:
            raise error(f"{name} begins as UTF-16 and is none", "save it as UTF-8") from e
        line, byte = data.count(b"\n", 0, e.start) + 1, data[e.start]
        raise error(
            f"{name} is not UTF-8: byte 0x{byte:02X} in line {line}", "save it as UTF-8, without a mark"
        ) from e


def read_secret(path: Path, what: str = "password") -> str:
    """A secret from a file of its own: one line; space around it does not count.

    Args:
        what: is in the file, for the error. The secret itself is never in one.

    Raises:
        ConfigError: the file cannot be read, is empty, or holds more than one line.
    """
    remedy = f"give a file that holds the {what} alone"
    secret = read_text(path, most=_SECRET_BYTES, remedy=remedy).strip()
    if not secret:
        raise ConfigError(f"{path} is empty", f"put the {what} into it")
    if not secret.isprintable():
        raise ConfigError(f"{path} holds more than one line", remedy)
    return secret


def read_token(path: Path) -> str:
    """A bearer token from a file of its own: one word that an HTTP header can carry.

    Raises:
        ConfigError: the file cannot be read, is empty, or holds something else.
    """
    token = read_secret(path, "token")
    if not token.isascii() or " " in token:
        raise ConfigError(
            f"{path} holds no token: a header carries letters, digits and signs of ASCII, without spaces",
            "put the token alone into it, one word",
        )
    return token
