"""Files that a robot should not send, and what became of them: each must end in an error that is named."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from dataclasses import dataclass, field

import httpx
from PIL import Image

KEY = "poison-"
"""Keys of such frames begin so."""

_PATIENCE = 180.0
_REST = 0.2
_LONG = 0.5
"""Seconds of a turn of the edge that no sound frame of this benchmark takes."""


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each is a pass over all pixels."""
    out = io.BytesIO()
    Image.new("L", (side, side), 120).save(out, "JPEG", progressive=True, quality=30)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


@dataclass
class Poison:
    """Sends one file after the other, each until it is acknowledged and then judged.

    Attributes:
        sent: keys of the files that were sent.
        windows: when such a file held its line, seconds of ``time.monotonic``: one that uses up what a
            decoder may take does so each time it is tried, and is seen by the age of the edge's turn.
    """

    url: str
    sent: list[str] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def send(self, data: bytes, *, holds: bool) -> None:
        """Send a file from a thread of its own.

        Args:
            holds: it is within every limit of its header and uses up its decoder's time.
        """
        key = f"{KEY}{len(self.sent)}"
        self.sent.append(key)
        thread = threading.Thread(target=self._send, args=(key, data, holds), daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait until each is judged, as far as that comes."""
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _send(self, key: str, data: bytes, holds: bool) -> None:
        begun = time.monotonic()
        headers = {"Content-Type": "image/jpeg", "Idempotency-Key": key}
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False) as client:
            frame = ""
            while time.monotonic() - begun < _PATIENCE:
                with contextlib.suppress(httpx.HTTPError):
                    if not frame:
                        answer = client.post("/v1/lines/cell/frames", content=data, headers=headers)
                        frame = answer.json()["id"] if answer.status_code == 201 else ""
                    elif "final" in client.get(f"/v1/frames/{frame}").json().get("verdicts", {}):
                        break
                    elif holds:
                        self._note_hold(client)
                time.sleep(_REST)

    def _note_hold(self, client: httpx.Client) -> None:
        """Keep when the edge has been at one frame for long."""
        edge = client.get("/v1/status").json()["threads"]["edge-cell"]
        now = time.monotonic()
        if edge["turn_s"] >= _LONG:
            self.windows.append((now - edge["turn_s"], now + _REST))
