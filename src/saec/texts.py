"""Text files, read alike everywhere: settings, tokens, passwords, tables, JSON, lines of JSON.

An editor may put a byte order mark before the text, or save it as UTF-16; neither is meant. What is read here
is the text alone, and a file in another encoding is named with the byte that gives it away. No other module
reads a text file that a person may have had in an editor.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

from saec.decoding import decode
from saec.errors import ConfigError, DataError, SaecError

T = TypeVar("T")

MOST_BYTES = 16 * 2**20
"""A text that people write is smaller."""

MOST_JSON = 2**30
"""The manifest of a million images has a fifth of it."""

_SECRET_BYTES = 64 * 2**10
_DIGITS = 18
"""A number of so many digits is held by whatever keeps it: the database, a time, a size."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def whole_number(text: str) -> int | None:
    """The number of a text of 1 to 18 digits from 0 to 9; None for all else.

    ``str.isdigit`` also holds for digits that ``int`` does not read, such as a raised 2, or reads in another
    script.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def read_text(
    path: Path, *, most: int = MOST_BYTES, remedy: str = "", error: type[SaecError] = ConfigError
) -> str:
    """The text of a file, without a byte order mark: UTF-8, or UTF-16 where a mark says so.

    Args:
        most: bytes beyond which it is no such file.
        remedy: what to do where the file is not there or cannot be read.
        error: raised, with the path and the reason.

    Raises:
        SaecError: its kind is ``error``: it cannot be read, is too long, or is no UTF-8.
    """
    try:
        with path.open("rb") as f:
            data = f.read(most + 1)
    except (OSError, ValueError) as e:  # ValueError: a path with a zero byte
        reason = e.strerror if isinstance(e, OSError) and e.strerror else e
        raise error(f"{path} cannot be read: {reason}", remedy or "name a file that exists") from e
    if len(data) > most:
        raise error(f"{path} is larger than {most} bytes", remedy or "name the right file")
    return decoded(data, str(path), error=error)


def decoded(data: bytes, name: str, *, error: type[SaecError] = ConfigError) -> str:
    """Bytes as ``read_text`` reads them.

    Args:
        name: what they come from, for the error.

    Raises:
        SaecError: its kind is ``error``: they are no text.
    """
    utf16 = data.startswith(_UTF16)
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as e:
        if utf16:
            raise error(f"{name} starts like UTF-16 but is not UTF-16", "save it as UTF-8") from e
        line, byte = data.count(b"\n", 0, e.start) + 1, data[e.start]
        raise error(
            f"{name} is not UTF-8: byte 0x{byte:02X} in line {line}",
            "save it as UTF-8 without a byte order mark",
        ) from e


@overload
def read_json(
    path: Path,
    kind: type[T],
    *,
    error: type[SaecError],
    remedy: str,
    missing: SaecError | None = None,
    what: str = "is damaged",
) -> T: ...
@overload
def read_json(
    path: Path,
    kind: Any,
    *,
    error: type[SaecError],
    remedy: str,
    missing: SaecError | None = None,
    what: str = "is damaged",
) -> Any: ...
def read_json(
    path: Path,
    kind: Any,
    *,
    error: type[SaecError],
    remedy: str,
    missing: SaecError | None = None,
    what: str = "is damaged",
) -> Any:
    """The value that a JSON file holds, as a type.

    Args:
        error: raised where the file cannot be read or is no such value; names the path.
        remedy: what to do then.
        missing: raised instead where there is no such file.
        what: said of a file that does not hold such a value.

    Raises:
        SaecError: its kind is ``error``, or ``missing``.
    """
    if missing is not None and not path.exists():
        raise missing
    text = read_text(path, most=MOST_JSON, remedy=remedy, error=error)
    try:
        return decode(text, kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as e:  # UnicodeError: half a surrogate
        raise error(f"{path} {what}: {e}", remedy) from e


def read_table(
    path: Path, columns: tuple[str, ...], *, error: type[SaecError] = DataError
) -> list[dict[str, str]]:
    """The rows of a CSV with a line of headings; an empty or missing cell is an empty text.

    Columns are parted by commas, or by semicolons or tabs where the headings are: a spreadsheet that writes
    decimals with commas saves it so.

    Args:
        columns: names that the table must have.

    Raises:
        SaecError: its kind is ``error``: the file cannot be read, or lacks a column.
    """
    form = ",".join(columns)
    text = read_text(path, most=MOST_JSON, remedy=f"give a CSV in UTF-8 with the columns {form}", error=error)
    head = text.partition("\n")[0]
    parted = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=parted)
    try:
        missing = [c for c in columns if c not in (reader.fieldnames or [])]
        if missing:
            raise error(f"{path} has no column {' and '.join(missing)}", f"the columns must be {form}")
        return [{c: cell or "" for c, cell in row.items() if isinstance(c, str)} for row in reader]
    except csv.Error as e:
        raise error(f"{path}, line {reader.line_num}: {e}", f"give a CSV with the columns {form}") from e


def mark_size(path: Path) -> int:
    """Bytes of the mark before the text of a UTF-8 file: 3 or 0."""
    with path.open("rb") as f:
        return len(codecs.BOM_UTF8) if f.read(3) == codecs.BOM_UTF8 else 0


def read_lines(path: Path, *, begin: int = 0, error: type[SaecError] = DataError) -> Iterator[bytes]:
    """The lines of a text as UTF-8, each with its newline where it has one; read one by one.

    Args:
        path: the file.
        begin: the byte to begin at, where a line begins; lines are counted from there.
        error: raised where a line is in another encoding.

    Raises:
        SaecError: its kind is ``error``: a line is in another encoding.
        OSError: the file cannot be read.
    """
    with path.open("rb") as f:
        mark = f.read(2)
        f.seek(begin)
        if mark in _UTF16:
            yield from _utf16_lines(f, path, error)
            return
        for number, line in enumerate(f, 1):
            bare = line.removeprefix(codecs.BOM_UTF8) if begin == 0 and number == 1 else line
            try:
                bare.decode()
            except UnicodeDecodeError as e:
                raise error(
                    f"{path} is not UTF-8: byte 0x{bare[e.start]:02X} in line {number}",
                    "save it as UTF-8 without a byte order mark",
                ) from e
            yield bare


def _utf16_lines(file: io.BufferedReader, path: Path, error: type[SaecError]) -> Iterator[bytes]:
    try:
        for line in io.TextIOWrapper(file, "utf-16", newline=""):
            yield line.encode()
    except UnicodeError as e:
        raise error(f"{path} starts like UTF-16 but is not UTF-16", "save it as UTF-8") from e


def check_plain(path: Path, *, error: type[SaecError]) -> None:
    """Refuse a text that another library reads, and would not read as it was meant.

    Raises:
        SaecError: its kind is ``error``: it has a byte order mark, or is no UTF-8.
    """
    with path.open("rb") as f:
        data = f.read()
    decoded(data, str(path), error=error)
    if data.startswith((codecs.BOM_UTF8, *_UTF16)):
        raise error(f"{path} starts with a byte order mark", "save it as UTF-8 without a byte order mark")


def is_utf16(path: Path) -> bool:
    """Whether a file begins with a mark of UTF-16: lines of UTF-8 cannot be added to it."""
    with path.open("rb") as f:
        return f.read(2) in _UTF16


def read_secret(path: Path, what: str = "password") -> str:
    """A secret from a file of its own: one line; space around it does not count.

    Args:
        what: is in the file, for the error. The secret itself is never in one.

    Raises:
        ConfigError: the file cannot be read, is empty, or holds more than one line.
    """
    remedy = f"give a file that holds only the {what}"
    secret = read_text(path, most=_SECRET_BYTES, remedy=remedy).strip()
    if not secret:
        raise ConfigError(f"{path} is empty", f"write the {what} into it")
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
            f"{path} holds no token; a token is ASCII letters, digits and signs without spaces",
            "write only the token into it",
        )
    return token
