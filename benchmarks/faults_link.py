"""The link between station and cloud: a TCP proxy that can be cut, slowed, or left hanging."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Literal

State = Literal["up", "cut", "hangs", "slow"]


class Link:
    """Forwards ``port`` to ``target``, both of loopback, from a thread of its own.

    States: "up" forwards; "cut" breaks every connection and refuses new ones; "hangs" takes what it is sent
    and forwards nothing; "slow" holds every piece back for ``delay`` seconds.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._state: State = "up"
        self._delay = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def set(self, state: State, delay: float = 0.0) -> None:
        asyncio.run_coroutine_threadsafe(self._set(state, delay), self._loop).result()

    async def _set(self, state: State, delay: float) -> None:
        self._state, self._delay = state, delay
        self._changed.set()
        self._changed = asyncio.Event()
        if state == "cut":
            for writer in list(self._open):
                writer.transport.abort()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self._port))
        started.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state == "cut":
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._open -= {writer, back}

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(65536):
                while self._state == "hangs":
                    await self._changed.wait()
                if self._state == "slow":
                    await asyncio.sleep(self._delay)
                sink.write(piece)
                await sink.drain()
        except OSError:
            sink.transport.abort()
        finally:
            sink.close()
