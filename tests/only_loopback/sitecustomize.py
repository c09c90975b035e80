"""Loaded by every Python that is started with this folder on PYTHONPATH, before anything else.

Each look-up and each connection that leaves the machine is refused, and noted in the file that
``SAEC_TEST_EGRESS`` names.
"""

import os
import sys
from typing import Any

_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
_SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event in _LOOKUPS:
        where = args[0]
    elif event in _SENDS:
        where = args[1]
    else:
        return
    if isinstance(where, tuple):  # an address of the internet; that of a local socket is a path
        where = where[0]
    elif event in _SENDS:
        return
    where = where.decode() if isinstance(where, bytes) else where
    if not where or where in ("localhost", "::", "::1", "0.0.0.0") or where.startswith("127."):
        return
    with open(os.environ["SAEC_TEST_EGRESS"], "a") as log:  # noqa: PTH123  pathlib costs every start
        log.write(f"{event} {where} {sys.argv}\n")
    raise OSError(101, "refused: a test allows loopback alone")


sys.addaudithook(_watch)
