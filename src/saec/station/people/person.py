"""A person as all of the station knows one, and what a name may be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from saec.errors import PeopleError
from saec.station.people.roles import Role

Note = Callable[[str, str, Any, Any], None]
"""Records a change: what ("person.add"), about whom as shown, and the values before and after."""

PSEUDONYM = "person-"
"""How every pseudonym begins, and no name."""

_LONGEST = 256
_NAME = re.compile(r"\w(?:[\w.@+' -]{0,62}[\w.])?")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person who may log in.

    Attributes:
        name: the name to log in with.
        shown: what pages, logs and the audit say instead: the name, or its pseudonym.
        role: what the person may do.
        language: the page's, such as "de"; None takes the browser's.
        enabled: whether the person may log in.
        via: what says who it is: a password here, or OpenID Connect.
    """

    name: str
    shown: str
    role: Role
    language: str | None = None
    enabled: bool = True
    via: Literal["password", "oidc"] = "password"


def unnoted(what: str, about: str, before: Any, after: Any) -> None:
    """Records no change."""


def checked_name(name: str) -> str:
    """A name as it is kept (Unicode's form NFKC).

    Raises:
        PeopleError: it may not be one.
    """
    kept = unicodedata.normalize("NFKC", name)
    if not _NAME.fullmatch(kept):
        raise PeopleError(
            f"{name[:80]!r} cannot be a name",
            "use 1 to 64 letters, digits and . _ - @ + ' or spaces between them",
        )
    if name_key(kept).startswith(PSEUDONYM):
        raise PeopleError(f"{name[:80]!r} looks like a pseudonym", f"do not begin it with {PSEUDONYM}")
    return kept


def name_key(name: str) -> str:
    """One key for all spellings of a name: Anna and anna are one person. Any text has one."""
    name = name[:_LONGEST].encode(errors="replace").decode()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
