"""Browsers that look at a station's page: they open Live, listen, and fetch each picture that they are shown.

    python benchmarks/page_clients.py PORT COOKIE NUMBER

Run by ``page_load.py``. Each of NUMBER clients does over the network what a browser does, and draws nothing.
It ends with its standard input, and prints as JSON what it saw.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_SOURCE = re.compile(r'src="(/v1/frames/([A-Za-z0-9_-]+-\d{10})/[a-z]+[^"]*)"')


@dataclass
class Seen:
    """What all clients together saw.

    Attributes:
        first: when a frame was shown first to each client that was shown it, seconds since the epoch.
    """

    messages: int = 0
    pictures: int = 0
    bytes: int = 0
    breaks: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[float]] = field(default_factory=dict)


class Client:
    """One browser with one tab.

    Args:
        port: of the station.
        cookie: of a person's session.
        seen: where it notes what it sees.
    """

    def __init__(self, port: int, cookie: str, seen: Seen) -> None:
        self._port, self._cookie, self._seen = port, cookie, seen
        self._known: set[str] = set()
        self._frames: set[str] = set()

    async def run(self) -> None:
        await self._fetch("/page/live")
        while True:
            try:
                async for text in self._lines("/page/events"):
                    await self._look(text)
            except (OSError, asyncio.IncompleteReadError):
                pass
            self._seen.breaks += 1
            await asyncio.sleep(1.0)

    async def _look(self, text: str) -> None:
        if text.startswith("event:"):
            self._seen.messages += 1
        for source, frame in _SOURCE.findall(text):
            if frame not in self._frames:
                self._frames.add(frame)
                self._seen.first.setdefault(frame, []).append(time.time())
            if source not in self._known:
                self._known.add(source)
                self._seen.pictures += 1
                await self._fetch(html.unescape(source))

    async def _fetch(self, path: str) -> None:
        async for _ in self._lines(path):
            pass

    async def _lines(self, path: str) -> AsyncIterator[str]:
        """The lines of an answer as they come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        try:
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: close\r\n"
            writer.write(f"{head}Cookie: saec_session={self._cookie}\r\nAccept: */*\r\n\r\n".encode())
            await writer.drain()
            status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
            if status != "200":
                self._seen.refused[status] = self._seen.refused.get(status, 0) + 1
            while line := await reader.readline():
                self._seen.bytes += len(line)
                yield line.decode("utf-8", "replace").rstrip("\r\n")
        finally:
            writer.close()


async def main() -> None:
    port, cookie, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    seen = Seen()
    tasks = [asyncio.create_task(Client(port, cookie, seen).run()) for _ in range(number)]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(seen.__dict__))


if __name__ == "__main__":
    asyncio.run(main())
