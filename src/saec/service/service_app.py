"""The service's HTTP side: chat completions, models, tokens of a text, metrics and health.

Health and readiness are open; all else asks for a token where there is a tokens file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as HttpError
from starlette.types import ASGIApp, Receive, Scope, Send

from saec.service.completions import Answer
from saec.service.request_handling import RequestHandler
from saec.service.requests.refusals import RequestRefused, error_body
from saec.service.service_metrics import CONTENT_TYPE
from saec.tracing.trace_ids import read_traceparent, trace_in
from saec.tracing.tracers import Attributes, Stages, tracer
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.admission_metrics import AdmissionCollector
from saec.web.admission.request_bodies import RequestBodies
from saec.web.admission.request_guard import Refusal, RequestGuard
from saec.web.program.health_routes import KEY, health_routes
from saec.web.program.logs import logged_trace

_CODES = {
    401: "no_token",
    404: "not_found",
    405: "method_not_allowed",
    408: "slow_body",
    413: "body_too_large",
    429: "bytes_held",
    503: "bytes_held",
}
_CHAT = "/v1/chat/completions"
_TOKENIZE_BYTES = 100_000
_LOOK = ["GET", "HEAD"]
_WAYS = f"POST {_CHAT}, GET /v1/models, POST /tokenize, /health, /ready, /metrics"
_GONE = 499
"""Status in logs and metrics of a request whose asker has gone before its answer."""

log = structlog.get_logger()


def make_service_app(handler: RequestHandler, admission: AdmissionControl) -> RequestGuard:
    """The application of one service, behind its admission control."""
    app = FastAPI(title="SAEC cloud", redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None)
    _explain_errors(app)
    handler.metrics.register(AdmissionCollector(admission))
    app.include_router(_routes(handler, admission.bodies))
    app.include_router(health_routes(partial(_problems, handler, admission), handler.stuck))
    return RequestGuard(
        _completions_first(app, handler, admission.bodies), admission, "Bearer", _worded, slashes=True
    )


def _completions_first(app: ASGIApp, handler: RequestHandler, bodies: RequestBodies) -> ASGIApp:
    """An application whose completions are answered past its layers and routes, which would cost as much."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", _CHAT):
            response = await _complete(handler, bodies, Request(scope, receive, send))
            await response(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


def _worded(refusal: Refusal) -> dict[str, Any]:
    return error_body(refusal.status, refusal.code, f"{refusal.what}: {refusal.remedy}")


async def _problems(handler: RequestHandler, admission: AdmissionControl) -> list[str]:
    return [*handler.problems(), *admission.problems()]


def _explain_errors(app: FastAPI) -> None:
    """Errors as OpenAI's API words them."""

    @app.exception_handler(RequestRefused)
    async def refuse(request: Request, error: RequestRefused) -> JSONResponse:
        return JSONResponse(error.body, error.status, error.headers)

    @app.exception_handler(HttpError)
    async def explain(request: Request, error: HttpError) -> JSONResponse:
        code = _CODES.get(error.status_code, "bad_request")
        what = str(error.detail)
        if error.status_code in (404, 405):
            what = f"{request.method} {request.url.path[:80]} does not exist; there are {_WAYS}"
        return JSONResponse(error_body(error.status_code, code, what), error.status_code, error.headers)


def _routes(handler: RequestHandler, bodies: RequestBodies) -> APIRouter:
    """What asks for a token."""
    router = APIRouter()

    @router.post(_CHAT)
    async def complete(request: Request) -> Response:
        """A chat completion, as far as it is answered (docs/service.md)."""
        return await _complete(handler, bodies, request)

    @router.api_route("/v1/models", methods=_LOOK)
    async def models() -> dict[str, Any]:
        """The base and its adapters."""
        return {"object": "list", "data": await handler.engine.models()}

    @router.api_route("/v1/models/{name:path}", methods=_LOOK)
    async def model(name: str) -> dict[str, Any]:
        """One model."""
        return await handler.model(name)

    @router.post("/tokenize")
    async def tokenize(request: Request) -> dict[str, Any]:
        """Ids of a text's tokens, as vLLM tells them."""
        return await _told(handler, bodies, request, handler.engine.tokens)

    @router.post("/detokenize")
    async def detokenize(request: Request) -> dict[str, Any]:
        """The text of tokens, as vLLM tells it."""
        return await _told(handler, bodies, request, handler.engine.text)

    @router.api_route("/metrics", methods=_LOOK)
    def metrics() -> Response:
        threads = {one.name: one.status() for one in handler.living}
        engine = handler.engine
        text = handler.metrics.text(engine.depth, engine.room, not handler.problems(), threads)
        return Response(text, media_type=CONTENT_TYPE)

    return router


async def _told(
    handler: RequestHandler,
    bodies: RequestBodies,
    request: Request,
    tell: Callable[[bytes], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """What is told at once, without a turn at the model."""
    _check_kind(request)
    handler.let_in(request.state.who)
    async with bodies.read(request, _TOKENIZE_BYTES) as data:
        return await tell(data)


def _check_kind(request: Request) -> None:
    """Refuse what a page of another site can have a browser send without being asked (text/plain).

    A body of which nothing is said is read: a browser names the page's origin with it, which is refused
    before.

    Raises:
        Refused: 415, the body is said to be no JSON, or to be compressed.
    """
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestRefused(415, "not_json", f"Content-Type is {kind[:80]!r}", "send application/json")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        what, remedy = f"Content-Encoding is {encoding[:80]!r}", "send the body without an encoding"
        raise RequestRefused(415, "encoded_body", what, remedy)


async def _complete(handler: RequestHandler, bodies: RequestBodies, request: Request) -> Response:
    """One chat completion, counted and logged, whatever becomes of it."""
    begun, who = time.monotonic(), request.state.who
    caller = read_traceparent(request.headers.get("traceparent"))
    with (
        tracer().span(f"POST {_CHAT}", caller, kind="server") as span,
        logged_trace(trace_in(span.traceparent)),
    ):
        response, status, code = await _outcome(handler, bodies, request)
        seconds = time.monotonic() - begun
        span.note(_facts(who, status, code))
        handler.metrics.request(who, status, code, seconds)
        key = request.headers.get("idempotency-key", "")[:200]
        log.info(
            "request answered", client=who, key=key, status=status, error=code, ms=round(seconds * 1000, 1)
        )
    return response


def _facts(who: str, status: int, code: str) -> Attributes:
    """What a request's span says of it, by OpenTelemetry's names where it has one."""
    facts: dict[str, str | int | float | bool] = {
        "http.request.method": "POST",
        "http.route": _CHAT,
        "http.response.status_code": status,
        "saec.client": who,
    }
    return facts | {"error.type": code} if code else facts


async def _outcome(
    handler: RequestHandler, bodies: RequestBodies, request: Request
) -> tuple[Response, int, str]:
    """The response, its status, and the word of a refusal."""
    try:
        answer = await _answer(handler, bodies, request)
    except RequestRefused as e:
        return JSONResponse(e.body, e.status, e.headers), e.status, e.code
    except HttpError as e:
        code = _CODES.get(e.status_code, "bad_request")
        body = error_body(e.status_code, code, str(e.detail))
        return JSONResponse(body, e.status_code, e.headers), e.status_code, code
    except Exception as e:
        log.exception("the model failed")
        body = error_body(500, "model_failed", f"the model failed: {type(e).__name__}")
        return JSONResponse(body, 500), 500, "model_failed"
    if answer is None:
        return Response(status_code=_GONE), _GONE, "asker_gone"
    return Response(answer.data, media_type=answer.kind), 200, ""


async def _answer(handler: RequestHandler, bodies: RequestBodies, request: Request) -> Answer | None:
    """The answer, or None when its asker has gone before."""
    who, key = request.state.who, request.headers.get("idempotency-key")
    _check_kind(request)
    if key is not None and not KEY.fullmatch(key):
        raise RequestRefused(
            400, "bad_key", "Idempotency-Key is not 1 to 200 printable characters without spaces"
        )
    stages = Stages()
    with handler.place(who):
        stages.end("admission")
        async with bodies.read(request, handler.config.max_bytes) as data:
            stages.end("read")
            answer = asyncio.ensure_future(handler.answer(data, who, key))
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
