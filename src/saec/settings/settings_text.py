"""A settings file's text: TOML that is read once, and the line on which a fault of it stands."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from saec.errors import ConfigError
from saec.texts import read_text


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file, and its tables.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    text = read_text(path, remedy="give a TOML file in UTF-8")
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path}: {e}", "correct the TOML") from e


def split_place(message: str) -> tuple[str, list[str | int]]:
    """msgspec's message without the place, and the place as keys and indices."""
    what, _, where = message.rpartition(" - at `$")
    if not what:
        return message, []
    keys: list[str | int] = []
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", where):
        keys.append(name or int(index))
    if (unknown := re.search(r"unknown field `([^`]+)`", what)) is not None:
        keys.append(unknown[1])
    return what, keys


def remedy_for(key: str, fault: str) -> str:
    """What to do about a value of which ``saec.decoding.fault_of`` says what is wrong."""
    if " must be " in fault:
        return f"give {key} such a value"
    return f"correct {key}; docs/settings.md says which values it has"


def line_of(text: str, where: list[str | int]) -> str:
    """ " line N" of the place, as far as it can be found: the section's header, then the key below it."""
    if not where or not isinstance(where[0], str):
        return ""
    section = re.escape(where[0])
    nth = next((k for k in where[1:2] if isinstance(k, int)), 0)
    lines = text.splitlines()
    # a header, or the section as a key: "fit.seed = 1", "fit = {seed = 1}"
    heads = [
        i for i, line in enumerate(lines) if re.match(rf"\s*(\[+\s*{section}\s*[\].]|{section}\s*[.=])", line)
    ]
    if nth >= len(heads):
        return ""
    found = heads[nth]
    name = re.escape(next((k for k in reversed(where) if isinstance(k, str)), where[0]))
    for i in range(found, len(lines)):
        header = re.match(r"\s*\[", lines[i])
        if i > found and header and not re.match(rf"\s*\[+\s*{section}\.", lines[i]):
            break
        if not header and re.search(rf"(^|[\s{{,.])[\"']?{name}[\"']?\s*[.=]", lines[i].split("#")[0]):
            found = i
            break
    return f" line {found + 1}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """What is likely meant, or all that is known."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(names)}"
