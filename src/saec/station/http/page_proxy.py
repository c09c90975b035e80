"""What browsers ask for goes through to the page's process: one origin, two processes.

The station adds who asks, takes off what a browser may not say, and bounds size and number. Where the page's
process is away it says so at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import httpx
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from saec.station.http.visitor_headers import PREFIX, SCHEME, Visitor, visitor_headers
from saec.web.admission.request_bodies import RequestBodies

LARGEST_BODY = 1 << 20
"""Bytes of a form."""

_ASIDE = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        SCHEME,
    }
)
"""Headers that are for this connection alone, or that the page must not believe."""

_HOP = frozenset(
    {b"connection", b"date", b"keep-alive", b"server", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Headers of an answer that are for the page's connection alone."""

_CONNECTIONS = 192
_CONNECT, _SILENT, _PLACE = 2.0, 60.0, 5.0
"""Seconds until the page takes a connection, that it may be silent, and until a connection is free."""

_AWAY = "The page is starting. The line goes on meanwhile. This page loads again by itself.\n"


class PagePlace(Protocol):
    """Where the page's process is to be found."""

    @property
    def address(self) -> str:
        """Path of its Unix socket."""
        ...

    @property
    def alive(self) -> bool:
        """Whether there is a process to ask."""
        ...


class PageProxy:
    """Passes requests through to the page.

    Args:
        place: where it is.
        bodies: takes in the bodies of requests within their limits.
    """

    def __init__(self, place: PagePlace, bodies: RequestBodies) -> None:
        self._place, self._bodies = place, bodies
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=8)
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=place.address, limits=limits),
            timeout=httpx.Timeout(_SILENT, connect=_CONNECT, pool=_PLACE),
            follow_redirects=False,
        )

    async def answer(self, request: Request, visitor: Visitor) -> Response:
        """The page's answer, passed on while it comes."""
        if not self._place.alive:
            return away()
        async with self._bodies.read(request, LARGEST_BODY) as body:
            asked = self._client.build_request(
                request.method, _address(request), headers=_inwards(request, visitor), content=body
            )
            try:
                answered = await self._client.send(asked, stream=True)
            except httpx.TransportError:
                return away()
        answer = StreamingResponse(_chunks(answered), answered.status_code)
        answer.raw_headers = [pair for pair in answered.headers.raw if pair[0].lower() not in _HOP]
        return answer


def page_routes(place: PagePlace | None, bodies: RequestBodies) -> APIRouter:
    """What a browser opens, answered by the page's process; without a page, by a word on how to have one."""
    router = APIRouter(include_in_schema=False)
    proxy = None if place is None else PageProxy(place, bodies)

    async def pass_through(request: Request) -> Response:
        if proxy is None:
            raise HTTPException(404, "this station has no page; set [station] page = true, or ask the API")
        person = request.state.person
        who = Visitor("", "", request.state.address)
        if person is not None:
            who = Visitor(person.name, person.role, request.state.address)
        return await proxy.answer(request, who)

    for path in ("/", "/page", "/page/{rest:path}"):
        router.add_api_route(path, pass_through, methods=["GET", "HEAD", "POST"])
    return router


def logs_in(path: str) -> bool:
    """Whether the page answers this path, and so asks for a log-in itself."""
    return path in ("/", "/page") or path.startswith("/page/")


def away() -> Response:
    """What is said while the page's process is away."""
    return PlainTextResponse(_AWAY, 503, {"Retry-After": "2", "Refresh": "3"})


def _address(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope.get("raw_path", b"/").decode("latin-1")
    return f"http://page{path}{'?' if query else ''}{query}"


def _inwards(request: Request, visitor: Visitor) -> list[tuple[str, str]]:
    """The headers of a request as the page sees them."""
    passed = [
        (name, value)
        for name, value in request.headers.items()
        if name not in _ASIDE and not name.startswith(PREFIX)
    ]
    return [*passed, *visitor_headers(visitor, request.url.scheme)]


async def _chunks(answered: httpx.Response) -> AsyncIterator[bytes]:
    """What the page sends, as it comes; a stream whose page is killed ends, and the browser asks again."""
    try:
        async for chunk in answered.aiter_raw():
            yield chunk
    except httpx.TransportError:
        return
    finally:
        await answered.aclose()
