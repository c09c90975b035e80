"""A receiver of verdicts: ``year_receiver.py LOG`` prints its port, and notes every key that it has taken.

``POST /mode`` with a word sets how it answers: up, away (503), gone (it closes each connection). Up, it
refuses the verdicts on every ``POISON``-th frame with 400, for ever.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

POISON = 5000


def is_poison(key: str) -> bool:
    """Whether a verdict with this key, ``cell-0000000042/final``, is refused."""
    return int(key.partition("/")[0].rpartition("-")[2]) % POISON == 0


class Receiver:
    """Answers as it is told to."""

    def __init__(self, log: Path) -> None:
        self._log, self.mode = log.open("a", buffering=1), "up"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await self._head(reader)) is not None:
                line, headers = head
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if line.startswith("POST /mode"):
                    self.mode, status = body.decode(), 200
                elif self.mode == "gone":
                    break
                else:
                    status = self._answer(headers["idempotency-key"])
                writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    def _answer(self, key: str) -> int:
        if self.mode == "away":
            return 503
        if is_poison(key):
            return 400
        print(key, file=self._log)
        return 200

    async def _head(self, reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
        text = await reader.readuntil(b"\r\n\r\n")
        line, *rest = text.decode().split("\r\n")
        pairs = (entry.partition(":") for entry in rest if entry)
        return line, {name.lower(): value.strip() for name, _, value in pairs}


async def main() -> None:
    receiver = Receiver(Path(sys.argv[1]))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
