"""A page that says what it was told: ``python -m tests.station.fake_page HANDLE``."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

told: dict[str, Any] = {}


async def echo(request: Request) -> Response:
    body = (await request.body()).decode()
    seen = {"path": request.url.path, "query": request.url.query, "method": request.method, "body": body}
    headers = {k: v for k, v in request.headers.items() if k.startswith("x-") or k == "authorization"}
    answer = JSONResponse({**seen, "headers": headers, "pid": os.getpid(), "told": told})
    answer.set_cookie("one", "1")
    answer.set_cookie("two", "2")
    return answer


async def events(request: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        for n in range(1000):
            yield f"data: {n}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def hang(request: Request) -> Response:
    threading.Event().wait()
    return Response()


def follow(server: uvicorn.Server) -> None:
    for line in sys.stdin.buffer:
        told.update(json.loads(line))
    server.should_exit = True


def main() -> None:
    told["settings"] = json.loads(sys.stdin.buffer.readline())["station"]["name"]
    routes = [
        Route("/page/events", events),
        Route("/page/hang", hang),
        Route("/{rest:path}", echo, methods=["GET", "POST"]),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, ws="none"))
    threading.Thread(target=follow, args=(server,), daemon=True).start()
    server.run([socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
