"""Clients of HTTP that wait for a verdict: the first on their frame, or the one on its part."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from saec.station.station import Station
from saec.station.storage.records import PartVerdict
from saec.types import VerdictRecord


async def first_verdict(station: Station, seq: int, wait: float) -> Any:
    """The first verdict on a frame, or null when none has come in time."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[VerdictRecord] = loop.create_future()

    def note(verdict: VerdictRecord) -> None:
        if not first.done():
            first.set_result(verdict)

    def tell(verdict: VerdictRecord) -> None:
        with contextlib.suppress(RuntimeError):  # the server has gone meanwhile
            loop.call_soon_threadsafe(note, verdict)

    with station.spool.watch(seq, tell):
        earlier = await asyncio.to_thread(station.spool.verdicts, seq)
        for state in ("provisional", "final"):
            if state in earlier:
                note(earlier[state])
        with contextlib.suppress(TimeoutError):
            return msgspec.to_builtins(await asyncio.wait_for(first, wait))
    return None


async def part_verdict(station: Station, seq: int, wait: float) -> Any:
    """The verdict on the part that a frame shows, or null where none has come in time, or none will."""
    loop, spool, changed = asyncio.get_running_loop(), station.spool, asyncio.Event()

    def tell(verdict: VerdictRecord | PartVerdict) -> None:
        with contextlib.suppress(RuntimeError):  # the server has gone meanwhile
            loop.call_soon_threadsafe(changed.set)

    until = loop.time() + wait
    with spool.watch(seq, tell), spool.parts.watch(seq, tell), contextlib.suppress(TimeoutError):
        while True:
            changed.clear()
            judged = await asyncio.to_thread(spool.verdicts, seq)
            visit = await asyncio.to_thread(spool.part_of, seq)
            if visit is not None and visit.verdict is not None:
                return msgspec.to_builtins(visit.verdict)
            if visit is None and judged:
                return None  # its frame shows no part that gets a verdict
            await asyncio.wait_for(changed.wait(), until - loop.time())
    return None
