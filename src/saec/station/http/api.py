"""The station's HTTP side: frames in, records out, the page, metrics, health.

The body of a frame is the image file itself. Nothing in a request is ever taken for a path or an address.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from saec.errors import ReviewError, SaecError, SpoolError, SpoolFullError, is_transient
from saec.station.http.challenge_routes import challenge_routes
from saec.station.http.page_proxy import PagePlace, page_routes
from saec.station.http.rate_gauges import RateGauges
from saec.station.http.rate_routes import rate_routes
from saec.station.http.recipe_routes import recipe_routes
from saec.station.http.review_routes import review_routes
from saec.station.http.role_check import RoleCheck
from saec.station.http.search_routes import LARGEST_NUMBER, frame_record, search_routes
from saec.station.http.station_metrics import CONTENT_TYPE, metrics_text
from saec.station.http.verdict_waits import first_verdict, part_verdict
from saec.station.parts.part_ids import check_part
from saec.station.sources.frame_source import LARGEST
from saec.station.station import Station
from saec.station.storage.records import NewFrame, SpooledFrame
from saec.tracing.trace_ids import read_traceparent
from saec.tracing.tracers import tracer
from saec.web.admission.admission_control import AdmissionControl
from saec.web.admission.request_bodies import RequestBodies
from saec.web.admission.request_guard import Refusal, RequestGuard
from saec.web.browser_sessions import BrowserSessions
from saec.web.program.health_routes import KEY, health_routes

_KINDS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/bmp": ".bmp",
    "image/x-ms-bmp": ".bmp",
    "image/tiff": ".tif",
    "image/webp": ".webp",
}
_ID = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,62})-(\d{10,18})")
_LONGEST_WAIT = 60.0
_AT_ONCE = 32
"""Frames that are taken over at once, and so share a sync."""


def make_station_app(
    station: Station,
    admission: AdmissionControl,
    *,
    page: PagePlace | None = None,
    sessions: BrowserSessions | None = None,
) -> RequestGuard:
    """The application of one station, behind its admission control.

    Args:
        station: the station.
        admission: who is let in.
        page: where the page's process is; None without a page.
        sessions: whose a browser's session is; None where nobody logs in.
    """
    app = FastAPI(title="SAEC station", docs_url=None, redoc_url=None, redirect_slashes=False)
    _explain_errors(app)
    routers = (
        _intake(station, admission.bodies),
        search_routes(station),
        _frames(station),
        review_routes(station, admission.bodies, partial(_frame_of, station)),
        recipe_routes(station, admission.bodies),
        rate_routes(station),
        challenge_routes(station, admission.bodies),
        _overview(station, admission),
    )
    for router in routers:
        app.include_router(router)
    app.include_router(health_routes(partial(_problems, station, admission), station.stuck, station.states))
    app.include_router(page_routes(page, admission.bodies))
    checked = RoleCheck(app)
    return RequestGuard(checked, admission, 'Basic realm="SAEC station"', _worded, sessions=sessions)


def _worded(refusal: Refusal) -> dict[str, Any]:
    return {"error": {"message": refusal.what, "remedy": refusal.remedy, "code": refusal.code}}


async def _problems(station: Station, admission: AdmissionControl) -> list[str]:
    """Why the station is not ready, the spool's state now among it."""
    spool = await station.probe.problem()
    return [*station.problems(), *filter(None, [spool]), *admission.problems()]


def _explain_errors(app: FastAPI) -> None:
    """Errors as JSON: those of this package with their remedy, those of a request in one sentence."""

    @app.exception_handler(SaecError)
    async def refuse(request: Request, error: SaecError) -> JSONResponse:
        body = {"error": {"kind": type(error).__name__, "message": error.what, "remedy": error.remedy}}
        if isinstance(error, SpoolFullError):
            return JSONResponse(body, 507, {"Retry-After": "5"})
        return JSONResponse(body, 409 if isinstance(error, SpoolError | ReviewError) else 400)

    async def wait(request: Request, error: Exception) -> JSONResponse:
        """What the machine lacks for now: who asks keeps what it has, and asks again."""
        if not is_transient(error):
            raise error
        body = {
            "error": {"kind": type(error).__name__, "message": str(error), "remedy": "send the request again"}
        }
        return JSONResponse(body, 503, {"Retry-After": "5"})

    for kind in (OSError, MemoryError, sqlite3.OperationalError):
        app.add_exception_handler(kind, wait)

    @app.exception_handler(Exception)
    async def fail(request: Request, error: Exception) -> JSONResponse:
        """What nobody foresaw, as a damaged disk; the log has the whole of it."""
        remedy = "keep the frame and send it again; the station's log has the details"
        message = f"the station failed on this request: {type(error).__name__}"
        return JSONResponse({"error": {"kind": "Failed", "message": message, "remedy": remedy}}, 500)

    @app.exception_handler(HTTPException)
    async def explain(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": {"message": error.detail}}, error.status_code, error.headers)


def _intake(station: Station, bodies: RequestBodies) -> APIRouter:
    """Frames in."""
    router = APIRouter()
    pool = ThreadPoolExecutor(_AT_ONCE, "saec-intake")

    @router.post("/v1/lines/{line}/frames", status_code=201)
    async def post_frame(
        line: str,
        request: Request,
        wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT)] = 0.0,
        part: str | None = None,
        answer_by: Annotated[Literal["part"] | None, Query(alias="answer")] = None,
    ) -> dict[str, Any]:
        """Take a frame over. The answer means that it is on the disk and will be judged.

        The body is an image file and Content-Type its kind. An Idempotency-Key makes it safe to send the
        same frame again; without one the bytes, the part and the second are the key. ``wait`` seconds are
        waited for a verdict to act on, which is then in the answer. ``part``, or the header Part-Id, is the
        id of the part that the frame shows; with ``answer=part`` it is the part's verdict that is waited for.
        """
        if line not in station.runners:
            raise HTTPException(404, f"there is no line {line[:80]!r}")
        suffix, of_part = _suffix(request), _part(request, part)
        async with bodies.read(request, LARGEST) as data:
            if not data:
                raise HTTPException(400, "the body is empty; send the image file")
            begun = time.perf_counter()
            frame = _new_frame(request, line, suffix, data, of_part)
            take = asyncio.get_running_loop().run_in_executor
            accepted = await take(pool, station.accept, frame, data, begun)
        del data
        if caller := read_traceparent(request.headers.get("traceparent")):
            tracer().record("accept", caller, begun, time.perf_counter(), {"saec.frame": accepted.id})
        answer: dict[str, Any] = {"id": accepted.id, "duplicate": accepted.duplicate}
        if wait:
            waits = first_verdict if answer_by is None else part_verdict
            answer["verdict"] = await waits(station, accepted.seq, wait)
        return answer

    return router


def _suffix(request: Request) -> str:
    """The suffix of the file that the body is, by its Content-Type."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _KINDS:
        raise HTTPException(415, f"Content-Type {kind[:80]!r} is not one of {', '.join(_KINDS)}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "send the image file itself, without a Content-Encoding")
    return _KINDS[kind]


def _part(request: Request, asked: str | None) -> str:
    """The id of the part that a request names, in its address or in its header; "" where it names none."""
    named = {check_part(text) for text in (asked, request.headers.get("part-id")) if text is not None}
    if len(named) > 1:
        raise HTTPException(400, "part in the address and the header Part-Id differ; give one of them")
    return next(iter(named), "")


def _new_frame(request: Request, line: str, suffix: str, data: bytes, part: str) -> NewFrame:
    """The frame that a request brings, captured now."""
    key = request.headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        raise HTTPException(400, "Idempotency-Key must be 1 to 200 printable characters without spaces")
    source, now = f"http:{request.state.who}", time.time()
    return NewFrame(
        line=line,
        source=source,
        key=f"{source}/{key or f'{hashlib.sha256(data + part.encode()).hexdigest()}@{int(now)}'}",
        suffix=suffix,
        captured=now,
        part=part,
    )


def _frame_of(station: Station, id: str) -> SpooledFrame:
    match = _ID.fullmatch(id)
    frame = station.spool.frame(int(match[2])) if match else None
    if frame is None or frame.id != id:
        raise HTTPException(404, f"there is no frame {id[:80]!r}")
    return frame


def _frames(station: Station) -> APIRouter:
    """What is known of the frames that were accepted."""
    router, frame_of = APIRouter(), partial(_frame_of, station)

    @router.get("/v1/frames/{id}")
    def get_frame(id: str) -> dict[str, Any]:
        """A frame's record: what is known of it, its verdicts, the cloud's words."""
        return frame_record(station, frame_of(id))

    @router.get("/v1/frames/{id}/image")
    def get_image(id: str) -> FileResponse:
        frame = frame_of(id)
        path = station.spool.path(frame)
        if not frame.image or not path.is_file():  # retention, or somebody, has removed it
            raise HTTPException(410, f"the image of {id} was deleted to free space")
        return FileResponse(path)

    @router.get("/v1/frames/{id}/map")
    def get_map(id: str) -> FileResponse:
        path = station.pictures.path(f"{frame_of(id).id}.jpg")
        if path is None:
            raise HTTPException(404, f"there is no picture of {id}")
        return FileResponse(path, media_type="image/jpeg")

    return router


def _overview(station: Station, admission: AdmissionControl) -> APIRouter:
    """How the station does: alarms, status, metrics, and the page that shows them."""
    router = APIRouter()

    @router.get("/v1/alarms")
    def get_alarms(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        after: Annotated[int, Query(ge=0, le=LARGEST_NUMBER)] = 0,
    ) -> Any:
        return msgspec.to_builtins(station.spool.alarms(limit, after=after))

    rates = RateGauges(station)

    @router.get("/v1/status")
    def get_status() -> dict[str, Any]:
        problems = [*station.problems(), *admission.problems()]
        return {**station.status(), "problems": problems, "tokens": admission.tokens.problem}

    @router.get("/metrics")
    def get_metrics() -> Response:
        return Response(metrics_text(station, admission, rates), media_type=CONTENT_TYPE)

    return router
