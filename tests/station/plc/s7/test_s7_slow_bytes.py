"""A CPU whose bytes come one by one, and never end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from saec.errors import LinkError
from saec.station.plc.s7.s7_session import S7Session


def test_an_answer_in_single_bytes_is_waited_for_no_longer_than_others() -> None:
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client = server.accept()[0]
            with contextlib.suppress(OSError):
                while not ended.wait(0.02):
                    client.sendall(b"\x03")
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        session = S7Session("127.0.0.1", server.getsockname()[1], rack=0, slot=1, timeout=0.1)
        began = time.monotonic()
        with pytest.raises(LinkError, match="in time"):
            session.open()
        assert time.monotonic() - began < 2
        ended.set()
        thread.join()
