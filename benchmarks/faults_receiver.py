"""A webhook's receiver for ``faults.py``: away, gone or refusing everything for a while, and always some."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

State = Literal["takes", "away", "gone", "refuses all"]

ONE_IN = 50
"""One frame in so many is refused for good, while faults last."""


class Receiver:
    """Keeps the keys of the verdicts that it has taken; another process can end without it.

    Attributes:
        state: what it does now. "away" answers 503, "gone" hangs up, "refuses all" answers 401.
        picky: whether it refuses one frame in ``ONE_IN`` for good, with 422.
        taken: how often each key was taken.
        wrong: keys that came again with another verdict.
    """

    def __init__(self, port: int) -> None:
        self.state: State = "takes"
        self.picky = True
        self.taken: Counter[str] = Counter()
        self.wrong: set[str] = set()
        self._bodies: dict[str, bytes] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answer(self.headers["Idempotency-Key"], body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, key: str, body: bytes) -> int:
        """The status for a verdict; 0 hangs up."""
        if self.state != "takes":
            return {"away": 503, "gone": 0, "refuses all": 401}[self.state]
        if self.picky and refused(key):
            return 422
        self.taken[key] += 1
        verdict = json.dumps(json.loads(body)["verdict"], sort_keys=True).encode()
        if self._bodies.setdefault(key, verdict) != verdict:
            self.wrong.add(key)
        return 200

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def refused(key: str) -> bool:
    """Whether a key, LINE-NUMBER/STATE, is of a frame that is refused for good."""
    return int(key.partition("/")[0].rpartition("-")[2]) % ONE_IN == 7
