"""One request of a person: who asks, in which language, and what the form says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from saec.station.http.visitor_headers import visitor_in
from saec.station.page.words.languages import Wording
from saec.station.people.roles import Role

_FIELDS = 500
LARGEST_FORM = 1 << 18
"""Bytes of a form."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request.

    Attributes:
        person: the name of who asks; "" where nobody has logged in.
        shown: how that name is shown.
        role: None where nobody has logged in.
        address: the browser's address, as the station saw it.
        secure: whether the browser speaks https.
        origin: how the browser calls this station, such as "https://cell-3.plant:8090".
        wording: the language of the answer.
        form: the fields of the form that was sent, else of the address; the last one of a name.
        at: the path and what follows it.
        taken: what the route takes from the path, by name.
    """

    person: str
    shown: str
    role: Role | None
    address: str
    secure: bool
    cookies: Mapping[str, str]
    origin: str
    wording: Wording
    form: Mapping[str, str]
    at: str
    taken: Mapping[str, str]


def named_person(request: Request) -> str:
    """Who asks, as the station says."""
    return visitor_in(request.headers).person


def named_role(request: Request) -> Role | None:
    """The role of who asks; None where nobody has logged in."""
    told = visitor_in(request.headers).role
    return Role(told) if told else None


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, or of the address where nothing was sent.

    Raises:
        ValueError: it is no form, or too large.
    """
    if request.method in ("GET", "HEAD"):
        return dict(request.query_params)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise ValueError("the form is too large")
    return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_FIELDS))


def is_own_origin(request: Request) -> bool:
    """Whether a page of this host sent a form: browsers say so with each one."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    return origin is not None and bool(host) and urlsplit(origin).netloc.lower() == host.strip().lower()


def own_place(place: str, otherwise: str = "/page/live") -> str:
    """An address of the page itself to go on to; ``otherwise`` for any other."""
    plain = place.isascii() and place.isprintable() and "\\" not in place and "//" not in place
    return place if plain and place.startswith("/page/") and len(place) < 2000 else otherwise
