"""A small application behind an admission control, over true sockets, and what speaks to it byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.connection_timeouts import HttpConfig
from saec.web.admission.request_bodies import RequestBodies
from saec.web.admission.request_guard import Refusal, RequestGuard
from saec.web.admission.tokens import Tokens, token_hash
from saec.web.http_settings import HttpSettings
from saec.web.program.http_server import HttpThread, listen

LARGEST = 64 << 20
HOST = "Host: localhost\r\n"


def tokens_file(folder: Path, *names: str) -> Path:
    """A file in which the token of each name is the name itself."""
    path = folder / "tokens"
    path.write_text("".join(f"{name} {token_hash(name)}\n" for name in names))
    return path


class App:
    """Echoes the length of a body, waits to be released, or gives much."""

    def __init__(self, bodies: RequestBodies) -> None:
        self._bodies = bodies
        self.release, self.entered = threading.Event(), threading.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        import asyncio

        from fastapi import HTTPException

        path = request.url.path
        if path == "/large":
            return Response(bytes(64 << 20))
        if path == "/wait":
            self.entered.release()
            await asyncio.to_thread(self.release.wait, 60)
        if request.method == "POST" and path != "/deaf":
            try:
                async with self._bodies.read(request, LARGEST) as data:
                    return JSONResponse({"bytes": len(data), "who": request.state.who})
            except HTTPException as e:
                return JSONResponse({"detail": e.detail}, e.status_code, e.headers)
        return PlainTextResponse("fine")


class Served:
    """What is served: where, and what is behind it."""

    def __init__(self, settings: HttpSettings, tokens: Path | None) -> None:
        self.admission = AdmissionControl(settings, Tokens(tokens), "127.0.0.1:0")
        self.app = App(self.admission.bodies)
        guard = RequestGuard(self.app, self.admission, "Bearer", _worded)
        bound = listen("127.0.0.1:0")
        self.port = bound.getsockname()[1]
        self.http = HttpThread(HttpConfig(guard, self.admission), self.admission.listener(bound))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def say(self, text: str | bytes) -> bytes:
        """What is answered on a connection of its own, up to its end."""
        with self.connect() as raw:
            raw.sendall(text.encode() if isinstance(text, str) else text)
            return until_closed(raw)

    def get(self, path: str, *headers: str) -> bytes:
        lines = "".join(f"{h}\r\n" for h in (*headers, "Connection: close"))
        return self.say(f"GET {path} HTTP/1.1\r\n{HOST}{lines}\r\n")

    @property
    def connections(self) -> int:
        return len(self.admission.slots.taken)


def _worded(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.what, "remedy": refusal.remedy}


@contextlib.contextmanager
def served(tokens: Path | None = None, **settings: Any) -> Iterator[Served]:
    made = Served(HttpSettings(**settings), tokens)
    made.http.start()
    try:
        yield made
    finally:
        made.app.release.set()
        made.http.stop()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def until_closed(raw: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    got = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while part := raw.recv(65536):
            got += part
    return bytes(got)


def head_of(raw: socket.socket) -> bytes:
    """The head of an answer, and what came with it."""
    got = bytearray()
    while b"\r\n\r\n" not in got:
        part = raw.recv(65536)
        assert part, bytes(got)
        got += part
    return bytes(got)


def wait_until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Until another thread has brought something about."""
    tick, left = threading.Event(), seconds
    while not true():
        tick.wait(0.005)
        left -= 0.005
        assert left > 0
