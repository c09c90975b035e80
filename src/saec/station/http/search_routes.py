"""Frames that are searched and verdicts that are counted, over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from saec.frame.reason_words import verdict_sentence
from saec.station.station import Station
from saec.station.storage.frame_search import FrameQuery
from saec.station.storage.records import SpooledFrame, frame_name
from saec.types import DecidedBy, State

LARGEST_NUMBER = 2**63 - 1
"""The largest number that the database holds."""

_MOST_STRETCHES = 10_000

_OF_A_PART = 100
"""Visits of a part, and frames, that its record holds; a search goes on from page to page."""

_Text = Annotated[str | None, Query(max_length=500)]
_Number = Annotated[float | None, Query(allow_inf_nan=False)]
_Time = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]

T = TypeVar("T")


def frame_query(
    line: _Text = None,
    label: Annotated[int | None, Query(ge=0, le=1)] = None,
    decided_by: DecidedBy | None = None,
    state: State | None = None,
    since: _Time = None,
    until: _Time = None,
    score_from: _Number = None,
    score_to: _Number = None,
    name: _Text = None,
    version: _Text = None,
    kind: _Text = None,
    part: _Text = None,
    before: Annotated[int | None, Query(ge=0, le=LARGEST_NUMBER)] = None,
) -> FrameQuery:
    """What a request searches for; the names are the fields of the query."""
    return FrameQuery(**locals())


def search_routes(station: Station) -> APIRouter:
    """Lists of frames, and counts: one question at a time, so that many take one processor at most."""
    router = APIRouter()
    pool = ThreadPoolExecutor(1, "saec-search")

    async def ask(question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, question)

    @router.get("/v1/frames")
    async def get_frames(
        request: Request,
        response: Response,
        query: Annotated[FrameQuery, Depends(frame_query)],
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
    ) -> list[dict[str, Any]]:
        """The frames that a query means, newest verdict first; the header Link has the next page."""

        def search() -> tuple[list[dict[str, Any]], int | None]:
            found = station.spool.search(query, limit)
            frames = filter(None, [station.spool.frame(one.seq) for one in found])
            return [frame_record(station, frame) for frame in frames], found[-1].n if found else None

        records, last = await ask(search)
        if last is not None and len(records) == limit:
            url = request.url.include_query_params(before=last)
            response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return records

    @router.get("/v1/parts/{part:path}")
    async def get_part(part: str) -> dict[str, Any]:
        """A part: its visits to lines whose parts get a verdict, and its frames, each the newest first."""

        def search() -> dict[str, Any]:
            visits = station.spool.part_visits(part, _OF_A_PART)
            found = station.spool.search(FrameQuery(part=part), _OF_A_PART)
            frames = filter(None, [station.spool.frame(one.seq) for one in found])
            return {
                "part": part,
                "visits": msgspec.to_builtins(visits),
                "frames": [frame_record(station, frame) for frame in frames],
            }

        known = await ask(search)
        if not known["visits"] and not known["frames"]:
            raise HTTPException(404, f"there is no part {part[:100]!r} with a verdict")
        return known

    @router.get("/v1/counts")
    async def get_counts(
        since: _Time = None,
        until: _Time = None,
        step: Annotated[float, Query(ge=1, allow_inf_nan=False)] = 3600.0,
        line: _Text = None,
    ) -> Any:
        """What the verdicts of a window add up to, for each stretch and line; the last day by default."""
        end = time.time() if until is None else until
        begin = end - 86400.0 if since is None else since
        if (end - begin) / step > _MOST_STRETCHES:
            raise HTTPException(400, f"more than {_MOST_STRETCHES} steps: ask for a longer step")
        counts = await ask(lambda: station.spool.verdict_counts(begin, end, step, line))
        return msgspec.to_builtins(counts)

    return router


def frame_record(station: Station, frame: SpooledFrame) -> dict[str, Any]:
    """All that is known of a frame: itself, its verdicts, the cloud's words."""
    plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(frame, edge=None))
    del plain["edge"]
    name, verdicts = f"{frame.id}.jpg", station.spool.verdicts(frame.seq)
    shown = verdicts.get("final") or verdicts.get("provisional")
    return plain | {
        "name": frame_name(frame.source, frame.key),
        "image": bool(frame.image),
        "map": station.pictures.path(name) is not None,
        "verdicts": msgspec.to_builtins(verdicts),
        "why": "" if shown is None else verdict_sentence(shown),
        "words": msgspec.to_builtins(station.spool.words(frame.seq)),
    }
