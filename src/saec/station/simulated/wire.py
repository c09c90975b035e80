"""A wire between a client and a server of TCP on this machine, which can be cut or fall silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from saec.errors import MachineError

_CHUNK = 65_536


class Wire:
    """Passes what clients send to a server, and its answers back.

    Args:
        target: the port of the server, on 127.0.0.1.
        port: where clients connect; 0 takes a free one.

    Attributes:
        port: where clients connect.
    """

    def __init__(self, target: int, *, port: int = 0) -> None:
        self.port = port
        self._target = target
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._ends: set[socket.socket] = set()
        self.listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def silence(self, silent: bool = True) -> None:
        """Pass nothing on, while connections stay open: a dead session. False passes on what has waited."""
        set_or_clear = self._open.clear if silent else self._open.set
        set_or_clear()

    def hang_up(self) -> None:
        """End all connections, and take none until ``listen``."""
        with self._lock:
            listener, self._listener = self._listener, None
            ends, self._ends = self._ends, set()
        for end in (*ends, *([listener] if listener is not None else [])):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def listen(self) -> None:
        """Take connections, on the same port as before.

        Raises:
            MachineError: the port is taken.
        """
        try:
            listener = socket.create_server(("127.0.0.1", self.port))
        except OSError as e:
            what = f"nothing can listen on 127.0.0.1:{self.port} ({e.strerror or e})"
            raise MachineError(what, "name another port") from e
        self.port = listener.getsockname()[1]
        with self._lock:
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="wire", daemon=True).start()

    def close(self) -> None:
        self.hang_up()
        self.silence(False)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # of a listener that was closed
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    if self._listener is not listener:
                        near.close()
                        far.close()
                        return
                    self._ends |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._open.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._ends -= {source, sink}
        source.close()
