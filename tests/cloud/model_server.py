"""A small server of the OpenAI kind for tests: real HTTP, answers by a function of the request."""

from __future__ import annotations

import base64
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image as Pillow

IDS = {"Label: ": [7, 9, 3], "Label: 0": [7, 9, 3, 15], "Label: 1": [7, 9, 3, 16]}
"""What the server's tokenizer makes of the words that it is asked about."""

BROKEN = object()
"""An answer's status: the connection is cut instead."""


Answer = tuple[Any, dict[str, str], Any]
"""Status, headers, and JSON or bytes."""


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def images(self) -> list[np.ndarray]:
        """The images of a conversation, decoded."""
        parts = [p for m in self.body["messages"] if isinstance(m["content"], list) for p in m["content"]]
        urls = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
        data = [base64.b64decode(url.partition("base64,")[2], validate=True) for url in urls]
        return [np.asarray(Pillow.open(io.BytesIO(d))) for d in data]

    @property
    def prefilled(self) -> bool:
        return self.body["messages"][-1]["role"] == "assistant"


@dataclass
class Server:
    """What the server was asked, and what it answers."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Answer] = field(default=lambda _: scored(-0.1, -3.0))
    tokenize: Callable[[Asked], Answer] = field(default=lambda asked: tokenized(asked))
    models: Callable[[], Answer] = field(default=lambda: listed("small"))

    @property
    def chats(self) -> list[Asked]:
        """The conversations, without the questions to the tokenizer."""
        return [a for a in self.asked if a.path == "/v1/chat/completions"]


def scored(good: float, defect: float, written: str | None = None) -> Answer:
    """An answer of one token with the log-probabilities of both labels, as vLLM gives it."""
    written = written or ("0" if good >= defect else "1")
    of = {"0": good, "1": defect}
    top = [{"token": t, "logprob": p, "bytes": None} for t, p in of.items()]
    position = {"token": written, "logprob": of.get(written, -0.01), "bytes": None, "top_logprobs": top}
    choice = {"index": 0, "message": {"content": written}, "logprobs": {"content": [position]}}
    return 200, {}, {"choices": [choice]}


def said(text: Any) -> Answer:
    """An answer in words."""
    return 200, {}, {"choices": [{"message": {"role": "assistant", "content": text}}]}


def tokenized(asked: Asked) -> Answer:
    """What the server's tokenizer makes of a text."""
    return 200, {}, {"tokens": IDS[asked.body["prompt"]]}


def listed(name: str, weights: str = "") -> Answer:
    """The list of one model, as our own service gives it where the weights have a hash."""
    saec = {"saec": {"weights_hash": weights}} if weights else {}
    return 200, {}, {"data": [{"id": name, **saec}]}


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a port of its own, in a thread."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._write(*state.models())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = Asked(self.path, dict(self.headers), body)
            state.asked.append(asked)
            if self.path == "/tokenize":
                self._write(*state.tokenize(asked))
            else:
                self._write(*state.answer(asked))

        def _write(self, status: Any, headers: dict[str, str], content: Any) -> None:
            if status is BROKEN:
                self.close_connection = True
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that has gone is no error; any other is shown."""
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    http = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
