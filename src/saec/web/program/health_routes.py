"""What both HTTP sides answer and ask for alike: whether the process works, and what a key may be."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from saec.web.program.liveness import StuckThread

KEY = re.compile(r"[\x21-\x7e]{1,200}")
"""What an Idempotency-Key may be."""


def health_routes(
    problems: Callable[[], Awaitable[Sequence[str]]],
    stuck: Callable[[], Sequence[StuckThread]],
    states: Callable[[], dict[str, Any]] = dict,
) -> APIRouter:
    """``/health`` and ``/ready``, open to everybody; they need no thread of a pool that may be used up.

    Args:
        problems: why what is asked is not done; nothing when all is well. Answers in bounded time.
        stuck: the threads that only a new process can help. Never waits.
        states: what else ``/ready`` shows. Never waits.
    """
    router = APIRouter()

    @router.api_route("/health", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_health() -> JSONResponse:
        """Every thread makes progress: 503 with those that do not."""
        found = list(stuck())
        if not found:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "stuck", "threads": msgspec.to_builtins(found)}, 503)

    @router.api_route("/ready", methods=["GET", "HEAD"], include_in_schema=False)
    async def get_ready() -> JSONResponse:
        """What is asked is done: 503 with the problems where it is not."""
        found = list(await problems())
        return JSONResponse({"ready": not found, "problems": found, **states()}, 503 if found else 200)

    return router
