"""Real peers of the sinks, in this process: an HTTP receiver, an MQTT broker, certificates of a plant."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from saec.station.storage.records import Delivery
from saec.types import VerdictRecord


def deliveries(n: int, first: int = 0) -> list[Delivery]:
    return [
        Delivery(
            n=i + 1,
            sink="s",
            attempts=0,
            act=True,
            state="final",
            verdict=VerdictRecord(
                id=f"cell-{i:010d}", path="", sha256="", line="cell", time=86400.0 * (i // 2), label=0
            ),
        )
        for i in range(first, first + n)
    ]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Receiver:
    """An HTTP server that keeps what it has taken.

    Attributes:
        got: key, token and body of each verdict that was taken.
        asked: the keys of all requests.
        status: of the answer to a key.
        headers: of each answer.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[tuple[str, str, dict[str, Any]]] = []
        self.asked: list[str] = []
        self.status: Callable[[str], int] = lambda key: 200
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                key, token = self.headers["Idempotency-Key"], self.headers["Authorization"]
                receiver.asked.append(key)
                status = receiver.status(key)
                if status < 300:
                    receiver.got.append((key, token, json.loads(body)))
                self.send_response(status)
                for name, value in {"Content-Length": "0", **receiver.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/verdicts"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Broker:
    """An MQTT 3.1.1 broker of few lines.

    Attributes:
        code: of its answer to a connection.
        silent: does not acknowledge.
        got: topic and message of each publication, also those that come again.
        connections: how many were made.
    """

    def __init__(self, code: int = 0, *, silent: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.code, self.silent, self._tls = code, silent, tls
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.users: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_up(self) -> None:
        """Close every connection."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.server.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def settle(self) -> None:
        """Wait until all that clients have sent before their goodbye was read."""
        for thread in self._threads:
            thread.join(30)

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            self._open.append(client)
            stream = client.makefile("rb")
            while head := stream.read(1):
                length, shift = 0, 0
                while True:
                    byte = stream.read(1)[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if not byte & 128:
                        break
                self._answer(client, head[0] >> 4, stream.read(length))
        except (OSError, IndexError):
            pass
        finally:
            client.close()

    def _answer(self, client: socket.socket, kind: int, body: bytes) -> None:
        if kind == 1:
            self.connections += 1
            self.users.append(body[12:])
            client.sendall(bytes([0x20, 2, 0, self.code]))
        elif kind == 3:
            end = 2 + int.from_bytes(body[:2])
            self.got.append((body[2:end].decode(), json.loads(body[end + 2 :])))
            if not self.silent:
                client.sendall(b"\x40\x02" + body[end : end + 2])
        elif kind == 12:
            client.sendall(b"\xd0\x00")
        elif kind == 14:
            raise OSError("goodbye")


class Plant:
    """A CA of a plant, with a certificate for localhost, one for another host, and one of a client."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs openssl to make certificates: apt-get install openssl")
        self.folder, self.ca = folder, folder / "ca.pem"
        self._make("ca", "/CN=plant CA", "basicConstraints=critical,CA:TRUE")
        self._make("other", "/CN=another CA", "basicConstraints=critical,CA:TRUE")
        for name, host in (("localhost", "localhost"), ("elsewhere", "elsewhere.example")):
            self._make(name, f"/CN={host}", f"subjectAltName=DNS:{host}", signed=True)
        self._make("client", "/CN=station", "extendedKeyUsage=clientAuth", signed=True)

    def _make(self, name: str, subject: str, extension: str, *, signed: bool = False) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            + ["-days", "2", "-subj", subject, "-addext", extension]
            + ["-keyout", str(self.key(name)), "-out", str(self.certificate(name))]
            + (["-CA", str(self.ca), "-CAkey", str(self.key("ca"))] if signed else []),
            check=True,
            capture_output=True,
        )

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def server(self, name: str = "localhost", *, clients: bool = False) -> ssl.SSLContext:
        """TLS of a server; ``clients``: it wants a certificate of each client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate(name), self.key(name))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context
