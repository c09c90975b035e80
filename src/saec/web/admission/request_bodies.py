"""Bodies of requests: of bounded size, within bounded time, and so many bytes of them at once for each asker.

A body is charged before it is read: the length that its head declares, or piece by piece where it declares
none.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from saec.texts import whole_number
from saec.web.admission.fair_shares import FairShares
from saec.web.http_settings import HttpSettings

_PIECE = 1 << 20
"""Bytes that a body without a length is charged at a time."""

_AGAIN = {"Retry-After": "1"}


class RequestBodies:
    """The bodies that are held at once.

    Args:
        settings: their limits.
        refused: told a word for each that found no room.
    """

    def __init__(self, settings: HttpSettings, refused: Callable[[str], None] = lambda why: None) -> None:
        most = settings.bodies_mb << 20
        self._shares = FairShares(most, most * settings.bodies_share)
        self._seconds, self._refused = settings.body_s, refused

    @property
    def held(self) -> int:
        """Bytes that are charged now."""
        return self._shares.total

    @contextlib.asynccontextmanager
    async def read(self, request: Request, largest: int) -> AsyncIterator[bytes]:
        """The whole body of a request, charged to ``request.state.share`` as long as the context lasts.

        Args:
            request: the request whose body is read.
            largest: bytes that it may have; more are not read.

        Raises:
            HTTPException: 413 when it is larger, 408 when it is late, 400 when the connection ends before it,
                429 when the asker holds its share already, 503 when all askers hold what there is.
        """
        charge = _Charge(self._shares, request.state.share, self._refused)
        try:
            declared = request.headers.get("content-length", "")
            if declared:  # the server has let nothing but digits pass
                size = whole_number(declared)
                if size is None or size > largest:
                    raise HTTPException(413, f"the body is larger than {largest} bytes")
                charge.more(size)
            yield await self._whole(request, largest, charge)
        finally:
            charge.back()

    async def _whole(self, request: Request, largest: int, charge: _Charge) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await _read(request.stream(), largest, charge)
        except TimeoutError:
            self._refused("slow body")
            raise HTTPException(408, f"the body did not arrive within {self._seconds:g} s") from None
        except ClientDisconnect:
            raise HTTPException(400, "the connection closed before the whole body arrived") from None


class _Charge:
    """What one body holds."""

    def __init__(self, shares: FairShares, share: str, refused: Callable[[str], None]) -> None:
        self._shares, self._share, self._refused = shares, share, refused
        self.bytes = 0

    def more(self, amount: int) -> None:
        """Hold so many bytes more.

        Raises:
            HTTPException: there is no room for them.
        """
        why = self._shares.refuses(self._share, amount)
        if why:
            self._refused("bytes")
            status, whose = (429, "your requests") if why == "share" else (503, "other requests")
            raise HTTPException(
                status, f"no memory for the body: {whose} use it; send it again later", _AGAIN
            )
        self._shares.take(self._share, amount)
        self.bytes += amount

    def back(self) -> None:
        self._shares.give(self._share, self.bytes)
        self.bytes = 0


async def _read(chunks: AsyncIterator[bytes], largest: int, charge: _Charge) -> bytes:
    data, size = io.BytesIO(), 0  # gives its bytes without a copy
    async for chunk in chunks:
        size += len(chunk)
        if size > largest:
            raise HTTPException(413, f"the body is larger than {largest} bytes")
        if size > charge.bytes:
            charge.more(max(_PIECE, size - charge.bytes))
        data.write(chunk)
    return data.getvalue()
