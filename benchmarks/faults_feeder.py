"""The robot that posts frames to a station at a steady rate, and notes what it was promised.

    faults_feeder.py URL FRAMES --rate 20 --wait 1.0 --out acknowledged.jsonl

Every frame has a key of its own and is sent again until the station has acknowledged it: what had to be kept
back is sent beside the new frames at half their rate, as whoever keeps a queue does, or with --at-once all at
once, as soon as the station can be reached. A line is written for each acknowledgement. SIGTERM ends the
stream of new frames; those that are not acknowledged yet are still sent. Times are seconds of
``time.monotonic``, which is one for all processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Any, TextIO

import httpx

_REST = 0.1
_PATIENCE = 10.0
"""Seconds beyond the wait for a verdict after which an answer is no longer waited for."""


class Feeder:
    """Posts frames in turn until it is told to stop."""

    def __init__(
        self, url: str, frames: list[bytes], rate: float, wait: float, out: TextIO, *, at_once: bool
    ) -> None:
        self._url, self._frames, self._rate, self._wait, self._out = url, frames, rate, wait, out
        self._at_once = at_once
        self._stopping = asyncio.Event()
        self._turn_at = 0.0
        self._pending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stopping.set)
        limits = httpx.Limits(max_connections=150, max_keepalive_connections=50)
        async with httpx.AsyncClient(limits=limits, timeout=self._wait + _PATIENCE) as client:
            number, due = 0, time.monotonic()
            while not self._stopping.is_set():
                task = asyncio.create_task(self._send(client, number))
                self._pending.add(task)
                task.add_done_callback(self._pending.discard)
                number, due = number + 1, due + 1 / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*self._pending)

    async def _send(self, client: httpx.AsyncClient, number: int) -> None:
        key, tries = f"part-{number:06d}", []
        headers = {"Content-Type": "image/jpeg", "Idempotency-Key": key}
        frame = self._frames[number % len(self._frames)]
        while True:
            sent = time.monotonic()
            try:
                url = f"{self._url}/v1/lines/cell/frames?wait={self._wait}"
                answer = await client.post(url, content=frame, headers=headers)
            except httpx.HTTPError as e:
                tries.append([sent, time.monotonic(), type(e).__name__])
            else:
                tries.append([sent, time.monotonic(), answer.status_code])
                if answer.status_code == 201:
                    self._note(key, tries, answer.json())
                    return
                if answer.status_code not in (408, 429, 500, 503, 507):
                    raise SystemExit(f"{key}: {answer.status_code} {answer.text[:300]}")
            await self._turn()

    async def _turn(self) -> None:
        """Wait until a frame that was kept back may be sent again; they take turns, or all go at once."""
        if self._at_once:
            await asyncio.sleep(_REST)
            return
        now = time.monotonic()
        self._turn_at = max(now, self._turn_at) + 2 / self._rate
        await asyncio.sleep(self._turn_at - now)

    def _note(self, key: str, tries: list[Any], answer: dict[str, Any]) -> None:
        verdict = answer.get("verdict")
        line = {
            "key": key,
            "id": answer["id"],
            "duplicate": answer["duplicate"],
            "tries": tries,
            "label": None if verdict is None else verdict["label"],
            "state": None if verdict is None else verdict["state"],
            "ms": None if verdict is None else verdict["ms"].get("answer"),
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("frames", type=Path, help="folder of JPEG files")
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--wait", type=float, default=1.0)
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    frames = [path.read_bytes() for path in sorted(args.frames.glob("*.jpg"))]
    with args.out.open("w") as out:
        asyncio.run(Feeder(args.url, frames, args.rate, args.wait, out, at_once=args.at_once).run())


if __name__ == "__main__":
    main()
