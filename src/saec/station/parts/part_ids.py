"""The id of a part: what may be one, and how it is found in a file's name or in the text of a code."""

from __future__ import annotations

import re
import unicodedata

from saec.errors import SaecError
from saec.station.storage.records import LONGEST_PART

PATTERN_EXAMPLE = "(?P<part>[^/_]+)_"
"""A pattern that finds A1042 in A1042_front.png."""


class PartIdError(SaecError):
    """A text that cannot be the id of a part."""


def check_part(text: str) -> str:
    """A text as the id of a part: without spaces around it, its accents in one form (NFC).

    Raises:
        PartIdError: it is empty, too long, or has characters that cannot be printed.
    """
    part = unicodedata.normalize("NFC", text.strip())
    remedy = f"give 1 to {LONGEST_PART} printable characters"
    if not part:
        raise PartIdError("the part id is empty", remedy)
    if len(part) > LONGEST_PART:
        raise PartIdError(f"the part id has {len(part)} characters, more than {LONGEST_PART}", remedy)
    if not part.isprintable():
        raise PartIdError(f"the part id {part!r} has a character that cannot be printed", remedy)
    return part


def part_pattern(text: str) -> re.Pattern[str]:
    """The pattern by which a part's id is found, a regular expression of Python.

    Raises:
        PartIdError: it is none, or has no group named ``part``.
    """
    remedy = f"such as part_pattern = '{PATTERN_EXAMPLE}', which finds A1042 in A1042_front.png"
    try:
        pattern = re.compile(text)
    except re.error as e:
        raise PartIdError(f"{text[:200]!r} is not a regular expression: {e}", f"correct it, {remedy}") from e
    if "part" not in pattern.groupindex:
        raise PartIdError(
            f"{text[:200]!r} has no group named part", f"put (?P<part>...) around the id, {remedy}"
        )
    return pattern


def part_within(pattern: re.Pattern[str], text: str) -> str:
    """The id of a part that a pattern finds in a text; "" where it finds none that can be one."""
    found = pattern.search(text)
    if found is None or found["part"] is None:
        return ""
    try:
        return check_part(found["part"])
    except PartIdError:
        return ""
