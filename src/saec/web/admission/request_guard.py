"""What stands before an application: whether a request may be answered at all, by its head alone.

Nothing of a body is read before. An answer that is given while the body still comes is given at once; the
rest is taken in for a moment, since a connection that is closed upon unread bytes takes the answer with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saec.web.addresses import client_network
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.connection_timeouts import SLOT
from saec.web.admission.tokens import token_of
from saec.web.browser_sessions import BrowserSessions, SessionPerson, from_own_page

OPEN = frozenset({"/health", "/ready"})
"""What is answered without a token."""

ANYONE = "anyone"
"""Whose requests are, where no tokens are asked for."""

_RESERVED = OPEN | {"/metrics"}
_LONGEST, _HEAD_BYTES, _HEAD_LINES = 8 * 1024, 16 * 1024, 100
"""Bytes of an address, and bytes and lines of a head, which the parser bounds only while they come."""

_SPANS = 8
"""Ranges of bytes that may be asked for at once."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise."""


class Refusal(Exception):
    """Why a request is not answered.

    Attributes:
        status, code, what, remedy: what the answer says.
        headers: further ones of the answer.
    """

    def __init__(self, status: int, code: str, what: str, remedy: str, **headers: str) -> None:
        super().__init__(what)
        self.status, self.code, self.what, self.remedy = status, code, what, remedy
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


Worded = Callable[[Refusal], dict[str, Any]]
"""A refusal as the body of an answer, in the form of the application's own errors."""


class RequestGuard:
    """An application that answers only what the admission control lets in.

    Args:
        app: answers what is let in.
        admission: who may.
        challenge: WWW-Authenticate of a 401.
        worded: a refusal as JSON.
        slashes: whether a slash at an address's end changes nothing; else no address is answered by another.
        sessions: how people get in who come with a browser; None lets in tokens alone.
    """

    def __init__(
        self,
        app: ASGIApp,
        admission: AdmissionControl,
        challenge: str,
        worded: Worded,
        *,
        slashes: bool = False,
        sessions: BrowserSessions | None = None,
    ) -> None:
        self._app, self._admission, self._challenge, self._worded = app, admission, challenge, worded
        self._slashes, self._sessions = slashes, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._slashes:  # before anything is decided by it
            scope["path"] = scope["path"].rstrip("/") or "/"
        exchange = _Exchange(receive, send, self._admission.settings.linger_s)
        try:
            with self._let_in(scope) as slot:
                exchange.answered = slot.close
                await self._app(scope, exchange.receive, exchange.send)
        except Refusal as refusal:
            self._admission.slots.counts[refusal.code] += 1
            answer = JSONResponse(self._worded(refusal), refusal.status, refusal.headers)
            await answer(scope, exchange.receive, exchange.send)

    @contextlib.contextmanager
    def _let_in(self, scope: Scope) -> Iterator[contextlib.ExitStack]:
        """Check a head and hold a place for its request, until it is answered.

        Raises:
            Refusal: it is not let in.
        """
        headers = Headers(scope=scope)
        address = client_network((scope.get("client") or ("", 0))[0])
        path = scope["path"]
        if _reserved(scope) and path not in _RESERVED:
            what = "too many connections are open, from this address or in total"
            raise Refusal(503, "busy", what, "try again later", Retry_After="1", Connection="close")
        _check_form(scope, headers)
        if path != "/health":
            self._check_site(scope, headers)
        person = self._person(scope, headers)
        who = self._name(path, headers, address) if person is None else person.shown
        share = address if who == ANYONE else who
        scope.setdefault("state", {}).update(who=who, share=share, person=person, address=address)
        with contextlib.ExitStack() as slot:
            if path not in _RESERVED:
                slot.enter_context(self._place(share))
            yield slot

    def _check_site(self, scope: Scope, headers: Headers) -> None:
        """Refuse what the page of another site makes a browser ask."""
        host = headers.get("host")
        if host is None:
            if scope.get("http_version") == "1.0":  # no browser; some balancers look so
                return
            raise Refusal(400, "no_host", "the request has no Host header", "send a Host header")
        if not self._admission.hosts.known(host):
            remedy = "use this machine's own name or address, or add the name to `hosts` (--http-host)"
            raise Refusal(421, "foreign_host", f"{host[:80]!r} is not a known name of this machine", remedy)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.strip().lower():
            raise Refusal(
                403,
                "foreign_origin",
                f"requests from a web page of {origin[:80]!r} are refused",
                "send the request from a program",
            )
        if headers.get("sec-fetch-site") == "cross-site" and not _followed(scope, headers):
            raise Refusal(
                403,
                "foreign_origin",
                "requests from a web page of another site are refused",
                "send the request from a program",
            )

    def _person(self, scope: Scope, headers: Headers) -> SessionPerson | None:
        """The person who asks with a browser, or None.

        Raises:
            Refusal: something is to change, and no page of this origin has asked for it.
        """
        if self._sessions is None:
            return None
        person = self._sessions.person(headers)
        browser = person is not None or self._sessions.logs_in(scope["path"])
        if browser and not from_own_page(scope["method"], headers):
            what = "the request does not say which page has sent it"
            raise Refusal(403, "foreign_origin", what, "use the station's page, or a token")
        return person

    def _name(self, path: str, headers: Headers, address: str) -> str:
        """Whose request it is.

        Raises:
            Refusal: nobody's.
        """
        tokens, unknown_tokens = self._admission.tokens, self._admission.unknown_tokens
        logs_in = self._sessions is not None and self._sessions.logs_in(path)
        if tokens.open or path in OPEN or logs_in:
            return ANYONE
        given = headers.getlist("authorization")
        token = token_of(given[0]) if len(given) == 1 else None
        if token is not None:
            wait = unknown_tokens.wait(address, token)
            if wait:
                what = "this address sent too many unknown tokens"
                raise Refusal(429, "too_many_guesses", what, "try again later", Retry_After=_whole(wait))
            name = tokens.name(given[0])
            if name is not None:
                unknown_tokens.good(address, token)
                return name
            unknown_tokens.unknown(address)
            self._admission.slots.counts["unknown_token"] += 1
        raise Refusal(
            401,
            "no_token",
            "this request needs a token",
            "send Authorization: Bearer TOKEN",
            WWW_Authenticate=self._challenge,
        )

    @contextlib.contextmanager
    def _place(self, share: str) -> Iterator[None]:
        """One of the requests that may be under way at once."""
        places = self._admission.places
        if places.refuses(share, 1):
            most = self._admission.settings.requests_per_token
            what = f"{most} of your requests are in progress"
            raise Refusal(429, "too_many_requests", what, "wait until one is answered", Retry_After="1")
        places.take(share, 1)
        try:
            yield
        finally:
            places.give(share, 1)


def _reserved(scope: Scope) -> bool:
    slot = scope.get("state", {}).get(SLOT)
    return slot is not None and bool(slot.reserve)


def _whole(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))


def _check_form(scope: Scope, headers: Headers) -> None:
    """Refuse heads that two readers may understand differently, and those that cost much.

    Raises:
        Refusal: 400, 414, 416 or 431.
    """
    if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > _LONGEST:
        raise Refusal(414, "long_address", "the address is too long", "shorten it", Connection="close")
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if size > _HEAD_BYTES or len(headers.raw) > _HEAD_LINES:
        raise Refusal(
            431, "large_head", "the header section is too large", "send fewer headers", Connection="close"
        )
    if "transfer-encoding" in headers and "content-length" in headers:
        what = "the body has both a Content-Length and chunks"
        raise Refusal(400, "two_lengths", what, "send only one of the two", Connection="close")
    if len(headers.getlist("host")) > 1:
        raise Refusal(400, "two_hosts", "the request has two Host headers", "send one Host header")
    if headers.get("range", "").count(",") >= _SPANS:
        raise Refusal(
            416, "too_many_ranges", "the request asks for too many ranges", f"ask for at most {_SPANS}"
        )


def _followed(scope: Scope, headers: Headers) -> bool:
    """Whether a person follows a link of another site, which shows the page and tells that site nothing."""
    document = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return document and scope["method"] in ("GET", "HEAD")


class _Exchange:
    """One request and its answer.

    Attributes:
        answered: called when the answer is given.
    """

    def __init__(self, receive: Receive, send: Send, linger: float) -> None:
        self._receive, self._send, self._linger = receive, send, linger
        self._whole = False
        self.answered: Callable[[], None] = lambda: None

    async def receive(self) -> Message:
        message = await self._receive()
        self._note(message)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            _secure(message)
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not last:
            await self._send(message)
            return
        self.answered()
        if not self._whole:
            await self._send({**message, "more_body": True})
            await self._take_in()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _take_in(self) -> None:
        """Throw away what still comes of the body, for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._linger):
                while not self._whole:
                    self._note(await self._receive())

    def _note(self, message: MutableMapping[str, Any]) -> None:
        self._whole |= message["type"] == "http.disconnect" or not message.get("more_body", False)


def _secure(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
