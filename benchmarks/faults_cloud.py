"""A stand-in for the cloud's service that answers at once: P(defect) follows from the request's bytes.

It takes what the station's client sends (chat completions with log-probabilities, tokens of a text) and
computes nothing, so that faults can be studied at rates that a model on this machine would not reach.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LABELS = ("0", "1")
TEXT = {"Label: ": [1], "Label: 0": [1, 2], "Label: 1": [1, 3]}


def completion(body: bytes) -> dict[str, Any]:
    """The answer to a question, the same for the same bytes."""
    asked = json.loads(body)
    if not asked.get("logprobs"):
        words = json.dumps({"kind": "mark", "description": "A mark."})
        return {"choices": [{"index": 0, "message": {"role": "assistant", "content": words}}]}
    p = (1 + hashlib.sha256(body).digest()[0]) / 257
    chances = dict(zip(LABELS, (1 - p, p), strict=True))
    top = [{"token": t, "logprob": math.log(q), "bytes": None} for t, q in chances.items()]
    likelier = max(chances, key=lambda label: chances[label])
    best = top[LABELS.index(likelier)]
    message = {"role": "assistant", "content": likelier}
    return {
        "choices": [{"index": 0, "message": message, "logprobs": {"content": [best | {"top_logprobs": top}]}}]
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        models = {"object": "list", "data": [{"id": "small", "object": "model"}]}
        self._answer(models if self.path == "/v1/models" else {"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/tokenize":
            self._answer({"tokens": TEXT[json.loads(body)["prompt"]]})
        else:
            self._answer(completion(body))

    def _answer(self, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    host, _, port = parser.parse_args().listen.rpartition(":")
    ThreadingHTTPServer.request_queue_size = 64
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
