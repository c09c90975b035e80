"""Images of requests are decoded in processes that can be ended; no token has more than its share of them.

A request holds one decoder while its images are decoded one after the other, so the first image that costs
too much ends it. Who has gone is not decoded for: the process is ended, and a warm one takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from saec.data.images.killable_decoder import Decoder, Spares
from saec.service.requests.data_urls import decode_image_file
from saec.types import Image


@dataclass(eq=False)
class _Waiting:
    """Who waits for a decoder."""

    who: str
    given: asyncio.Future[Decoder] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class DecoderPool:
    """A number of decoders; its methods belong to one event loop.

    Args:
        count: number of decoders.
        most: how many of them one asker may hold, by its name.
        watch: told each job that is handed to a thread.
        decoder: makes one; each begins its process when it is first used.
    """

    def __init__(
        self,
        count: int,
        most: Callable[[str], int],
        watch: Callable[[Future[Any]], None],
        decoder: Callable[[Spares], Decoder] = Decoder,
    ) -> None:
        self._spares = Spares()
        self._all = [decoder(self._spares) for _ in range(count)]
        self._free, self._most, self._watch = list(self._all), most, watch
        self._held: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []
        self._pool = ThreadPoolExecutor(count, "saec-decode")

    async def images(self, files: Sequence[bytes], who: str) -> list[Image]:
        """The images of one request, each H x W x 3 RGB uint8, upright.

        Raises:
            Refused: one of them cannot be decoded, or costs too much; 503, none can be decoded now.
        """
        if not files:
            return []
        async with self._lent(who) as decoder:
            return [await self._decode(decoder, data) for data in files]

    async def _decode(self, decoder: Decoder, data: bytes) -> Image:
        job = self._pool.submit(decode_image_file, data, decoder.decode)
        self._watch(job)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            decoder.kill()
            raise

    @contextlib.asynccontextmanager
    async def _lent(self, who: str) -> AsyncIterator[Decoder]:
        waiting = _Waiting(who)
        self._waiting.append(waiting)
        self._lend()
        try:
            yield await waiting.given
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.given.done() and not waiting.given.cancelled():
                self._free.append(waiting.given.result())
                self._held[who] -= 1
            self._lend()

    def _lend(self) -> None:
        """Give what is free to who holds least, and of those to who came first."""
        while self._free:
            able = [w for w in self._waiting if self._held[w.who] < self._most(w.who) and not w.given.done()]
            if not able:
                return
            first = min(able, key=lambda w: self._held[w.who])
            self._waiting.remove(first)
            self._held[first.who] += 1
            first.given.set_result(self._free.pop())

    def close(self) -> None:
        """End all processes, and with them the threads that wait for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for decoder in self._all:
            decoder.close()
        self._spares.close()
