"""People who come with a browser: whose session a cookie is, and who may change anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Protocol

from starlette.datastructures import Headers

COOKIE = "saec_session"
"""The cookie that holds the token of a session."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionPerson(Protocol):
    """The person of a session, as far as admission knows people."""

    @property
    def shown(self) -> str:
        """The name under which logs and counts know the person."""
        ...


@dataclass(frozen=True, slots=True)
class BrowserSessions:
    """How people get in.

    Attributes:
        person_of: the person of a session's token; None where it is nobody's. Answers within a millisecond
            or so, since the event loop asks.
        logs_in: whether a path asks for a log-in itself, so that it is answered without one.
    """

    person_of: Callable[[str], SessionPerson | None]
    logs_in: Callable[[str], bool]

    def person(self, headers: Headers) -> SessionPerson | None:
        """The person whose session a request's cookie names; None where a token says who asks."""
        if "authorization" in headers:
            return None
        token = _cookie(headers)
        return None if token is None else self.person_of(token)


def from_own_page(method: str, headers: Headers) -> bool:
    """Whether a request that may change something says that a page of this origin has sent it.

    Whether the origin is this one is checked wherever a request names one.
    """
    return method in _SAFE or "origin" in headers or headers.get("sec-fetch-site") == "same-origin"


def _cookie(headers: Headers) -> str | None:
    for text in headers.getlist("cookie"):
        try:
            found = SimpleCookie(text).get(COOKIE)
        except CookieError:
            continue
        if found is not None and found.value:
            return found.value
    return None
