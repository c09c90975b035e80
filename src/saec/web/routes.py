"""What both HTTP sides answer and ask for alike: whose request it is, and whether the process works."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse

from saec.web.access import Tokens

KEY = re.compile(r"[\x21-\x7e]{1,200}")
"""What an Idempotency-Key may be."""


def asker(tokens: Tokens, challenge: str) -> Callable[[Request], None]:
    """A dependency that notes in ``request.state.who`` whose request it is; 401 for nobody's.

    Args:
        tokens: who may ask.
        challenge: the WWW-Authenticate header of a 401.
    """

    def known(request: Request) -> None:
        name = "anyone" if tokens.open else tokens.name(request.headers.get("authorization"))
        if name is None:
            raise HTTPException(401, "a token is needed", {"WWW-Authenticate": challenge})
        request.state.who = name

    return known


def probes(problems: Callable[[], Sequence[str]]) -> APIRouter:
    """``/health`` and ``/ready``, open to everybody; ready is who has no problems."""
    router = APIRouter()

    @router.get("/health")
    def get_health() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @router.get("/ready")
    def get_ready() -> JSONResponse:
        """What is asked is done: 503 with the problems where it is not."""
        found = list(problems())
        return JSONResponse({"ready": not found, "problems": found}, 503 if found else 200)

    return router
