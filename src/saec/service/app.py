"""The service's HTTP side: chat completions, models, tokens of a text, metrics and health.

Health and readiness are open; all else asks for a token where there is a tokens file.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as HttpError

from saec.service.desk import Answer, Desk
from saec.service.metrics import CONTENT_TYPE
from saec.service.refusals import Refused, error_body
from saec.web.access import Tokens
from saec.web.bodies import read_body
from saec.web.routes import KEY, asker, probes

_CODES = {
    401: "no_token",
    404: "not_found",
    405: "method_not_allowed",
    408: "slow_body",
    413: "body_too_large",
}
_TOKENIZE_BYTES = 100_000
_GONE = 499
"""Status in logs and metrics of a request whose asker has gone before its answer."""

log = structlog.get_logger()


def make_app(desk: Desk, tokens: Tokens) -> FastAPI:
    """The application of one service."""
    app = FastAPI(title="SAEC cloud", docs_url=None, redoc_url=None, openapi_url=None)
    _explain_errors(app)
    app.include_router(_routes(desk), dependencies=[Depends(asker(tokens, "Bearer"))])
    app.include_router(probes(partial(_problems, desk), desk.stuck))
    return app


async def _problems(desk: Desk) -> list[str]:
    return desk.problems()


def _explain_errors(app: FastAPI) -> None:
    """Errors as OpenAI's API words them."""

    @app.exception_handler(Refused)
    async def refuse(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error.body, error.status, error.headers)

    @app.exception_handler(HttpError)
    async def explain(request: Request, error: HttpError) -> JSONResponse:
        code = _CODES.get(error.status_code, "bad_request")
        body = error_body(error.status_code, code, str(error.detail))
        return JSONResponse(body, error.status_code, error.headers)


def _routes(desk: Desk) -> APIRouter:
    """What asks for a token."""
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        """A chat completion, as far as it is answered (docs/service.md)."""
        return await _complete(desk, request)

    @router.get("/v1/models")
    def models() -> dict[str, Any]:
        """The base and its adapters."""
        served = desk.served
        return {"object": "list", "data": [served.about(entry) for entry in served.entries.values()]}

    @router.get("/v1/models/{name:path}")
    def model(name: str) -> dict[str, Any]:
        """One model."""
        return desk.served.about(desk.entry(name))

    @router.post("/tokenize")
    async def tokenize(request: Request) -> dict[str, Any]:
        """Ids of a text's tokens, as vLLM tells them."""
        return await desk.tokens(await _body(request, desk, _TOKENIZE_BYTES))

    @router.get("/metrics")
    def metrics() -> Response:
        threads = {one.name: one.status() for one in desk.living}
        text = desk.metrics.text(desk.batcher.depth, not desk.problems(), threads)
        return Response(text, media_type=CONTENT_TYPE)

    return router


async def _body(request: Request, desk: Desk, largest: int) -> bytes:
    return await read_body(request, largest, seconds=desk.config.body_seconds)


async def _complete(desk: Desk, request: Request) -> Response:
    """One chat completion, counted and logged, whatever becomes of it."""
    begun, who = time.monotonic(), request.state.who
    desk.active += 1
    try:
        response, status, code = await _outcome(desk, request)
    finally:
        desk.active -= 1
    seconds = time.monotonic() - begun
    desk.metrics.request(who, status, code, seconds)
    key = request.headers.get("idempotency-key", "")[:200]
    log.info("completion", station=who, key=key, status=status, code=code, ms=round(seconds * 1000, 1))
    return response


async def _outcome(desk: Desk, request: Request) -> tuple[Response, int, str]:
    """The response, its status, and the word of a refusal."""
    try:
        answer = await _answer(desk, request)
    except Refused as e:
        return JSONResponse(e.body, e.status, e.headers), e.status, e.code
    except HttpError as e:
        code = _CODES.get(e.status_code, "bad_request")
        body = error_body(e.status_code, code, str(e.detail))
        return JSONResponse(body, e.status_code), e.status_code, code
    except Exception as e:
        log.exception("the model failed")
        body = error_body(500, "model_failed", f"the model failed: {type(e).__name__}")
        return JSONResponse(body, 500), 500, "model_failed"
    if answer is None:
        return Response(status_code=_GONE), _GONE, "asker_gone"
    return JSONResponse(answer.body), 200, ""


async def _answer(desk: Desk, request: Request) -> Answer | None:
    """The answer, or None when its asker has gone before."""
    who, key = request.state.who, request.headers.get("idempotency-key")
    desk.let_in()
    if key is not None and not KEY.fullmatch(key):
        raise Refused(400, "bad_key", "Idempotency-Key is not 1 to 200 printable characters without spaces")
    data = await _body(request, desk, desk.config.max_bytes)
    desk.admit(who)
    answer = asyncio.ensure_future(desk.answer(data, who, key))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not answer.done():
            answer.cancel()
    return answer.result() if answer.done() else None


async def _gone(request: Request) -> None:
    """Return when the asker has closed the connection; the body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
