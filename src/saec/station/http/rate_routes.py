"""How well a line judges, over HTTP."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query

from saec.station.quality.line_quality import QualityReader
from saec.station.quality.shift_windows import shift_at
from saec.station.station import Station

_Time = Annotated[float | None, Query(ge=0, le=1e11, allow_inf_nan=False)]
_LONGEST_S = 366 * 86_400.0


def rate_routes(station: Station) -> APIRouter:
    """Routes of the rates; one question at a time, so that many take one processor at most."""
    router = APIRouter()
    pool = ThreadPoolExecutor(1, "saec-rates")

    @cache
    def reader() -> QualityReader:
        return QualityReader(station.settings.station.data, station.spool, station.settings.quality)

    @router.get("/v1/lines/{line}/rates")
    async def get_rates(
        line: str,
        since: _Time = None,
        until: _Time = None,
        version: Annotated[str | None, Query(max_length=100)] = None,
        within: Annotated[float | None, Query(gt=0, lt=1, allow_inf_nan=False)] = None,
    ) -> Any:
        """Shares and rates of a window with their intervals; the present shift by default."""
        if line not in station.runners:
            raise HTTPException(404, f"there is no line {line[:80]!r}")
        end = time.time() if until is None else until
        begin = shift_at(end, station.settings.quality.shifts).since if since is None else since
        if not 0.0 < end - begin <= _LONGEST_S:
            raise HTTPException(400, "the window ends before it begins, or is longer than a year")
        ask = partial(reader().quality, line, begin, end, version=version, within=within)
        return msgspec.to_builtins(await asyncio.get_running_loop().run_in_executor(pool, ask))

    return router
