"""Bodies of requests: of bounded size, and within bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

BODY_SECONDS = 30.0
"""A body must have arrived by then."""


async def read_body(request: Request, largest: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body.

    Args:
        request: whose body is read.
        largest: bytes that it may have; more are not read.
        seconds: within which it must have arrived.

    Raises:
        HTTPException: 413 when it is larger, 408 when it is late, 400 when the connection ends before it.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > largest:
        raise HTTPException(413, f"the body is larger than {largest} bytes")
    try:
        async with asyncio.timeout(seconds):
            return await _read(request.stream(), largest)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the body") from None


async def _read(chunks: AsyncIterator[bytes], largest: int) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > largest:
            raise HTTPException(413, f"the body is larger than {largest} bytes")
    return bytes(data)
