"""Which physical part and which lot an image shows, from its file name or from a table."""

from __future__ import annotations

import re
from pathlib import Path

from saec.errors import ConfigError, DataError
from saec.settings import PartsConfig
from saec.texts import read_table


def requested_parts(config: PartsConfig) -> PartIds | None:
    """Where the settings say that part ids come from; None where they say nothing.

    Raises:
        ConfigError: both a pattern and a table, or a pattern without a group.
        DataError: see `PartIds`.
    """
    return None if config == PartsConfig() else PartIds(config.pattern, config.csv)


class PartIds:
    """Part and lot ids of images.

    Args:
        pattern: regular expression with a group named ``part`` (or one plain group) and, if wanted, one named
            ``lot``. It is searched in the file name; if it has a ``/``, in the whole path with slashes.
        table: CSV with the columns ``path``, ``part`` and, if wanted, ``lot``. ``path`` is a file name or the
            end of a path; the longest that fits counts.

    Raises:
        ConfigError: both or neither given, or a pattern without a group.
        DataError: the table cannot be read, lacks a column or contradicts itself.
    """

    def __init__(self, pattern: str | None = None, table: Path | None = None) -> None:
        if pattern is None and table is None:
            raise ConfigError("part ids need a pattern or a table", "give one of the two")
        if pattern is not None and table is not None:
            raise ConfigError(
                "--parts-pattern and --parts-csv cannot be used together", "leave one of them out"
            )
        self._pattern = _compile(pattern) if pattern is not None else None
        self._table = _read(table) if table is not None else {}
        self._source = str(table) if table is not None else f"the pattern {pattern}"

    def of(self, path: str | Path) -> tuple[str, str]:
        """(part, lot) of an image; an empty string is unknown.

        Raises:
            DataError: the pattern or the table does not cover this image.
        """
        found = self._by_pattern(Path(path)) if self._pattern is not None else self._by_table(Path(path))
        if found is None:
            raise DataError(
                f"{path}: {self._source} gives no part id", "correct the pattern, or add a row to the table"
            )
        return found

    def _by_pattern(self, path: Path) -> tuple[str, str] | None:
        assert self._pattern is not None
        match = self._pattern.search(path.as_posix() if "/" in self._pattern.pattern else path.name)
        if match is None:
            return None
        groups = match.groupdict()
        return groups.get("part", match.group(1)) or "", groups.get("lot") or ""

    def _by_table(self, path: Path) -> tuple[str, str] | None:
        tails = ("/".join(path.parts[at:]) for at in range(len(path.parts)))
        return next((self._table[tail] for tail in tails if tail in self._table), None)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as e:
        raise ConfigError(f"{pattern!r} is not a regular expression: {e}", "correct the pattern") from e
    if compiled.groups == 0 or (compiled.groupindex and "part" not in compiled.groupindex):
        raise ConfigError(
            f"the pattern {pattern!r} has no group named part", r"write for example '(?P<part>\d+)_\d+'"
        )
    return compiled


def _read(table: Path) -> dict[str, tuple[str, str]]:
    rows: dict[str, tuple[str, str]] = {}
    for row in read_table(table, ("path", "part")):
        key = row["path"].replace("\\", "/").removeprefix("./")
        ids = (row["part"], row.get("lot", ""))
        if rows.setdefault(key, ids) != ids:
            raise DataError(f"{table}: two rows for {key} have different ids", "keep one of the rows")
    return rows
