"""Who asks, as the station tells the page in headers that no browser can set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

PREFIX = "x-saec-"
"""How headers begin that a browser may not send."""

SCHEME = "x-forwarded-proto"

_PERSON, _ROLE, _ADDRESS = f"{PREFIX}person", f"{PREFIX}role", f"{PREFIX}address"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, as the station knows it; person and role are empty where nobody has logged in."""

    person: str
    role: str
    address: str


def visitor_headers(visitor: Visitor, scheme: str) -> list[tuple[str, str]]:
    """The headers by which the page is told who asks, and by http or https."""
    return [
        (_PERSON, quote(visitor.person)),
        (_ROLE, visitor.role),
        (_ADDRESS, visitor.address),
        (SCHEME, scheme),
    ]


def visitor_in(headers: Mapping[str, str]) -> Visitor:
    """Who asks, by the headers of a request."""
    return Visitor(unquote(headers.get(_PERSON, "")), headers.get(_ROLE, ""), headers.get(_ADDRESS, ""))
