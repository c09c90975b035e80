"""By which names this machine may be asked: another site could lead its own name here (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Iterable

import psutil

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:/@?#\s]+)(?::\d{1,5})?")
_AGAIN = 5.0
"""Seconds after which the addresses of this machine are asked for anew, and no sooner."""


def host_of(header: str) -> str | None:
    """The host in a Host header, lower case, without brackets, port and last dot; None where it is none."""
    match = _HOST.fullmatch(header.strip())
    return None if match is None else match[1].strip("[]").rstrip(".").lower()


class HostNames:
    """The names of this machine.

    Args:
        listen: the host that is listened on.
        named: further names, as the settings have them.
        addresses: those of this machine's interfaces.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        listen: str,
        named: Iterable[str] = (),
        *,
        addresses: Callable[[], Iterable[str]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        own = socket.gethostname().lower().rstrip(".")
        self._names = {"localhost", own, own.partition(".")[0], listen.lower(), *(n.lower() for n in named)}
        self._names -= {"", "0.0.0.0", "::"}
        self._addresses, self._clock = addresses or _own_addresses, clock
        self._known: set[str] = set()
        self._looked = float("-inf")

    def known(self, header: str) -> bool:
        """Whether a Host header names this machine."""
        host = host_of(header)
        if host is None:
            return False
        if host in self._names:
            return True
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return False
        return ip.is_loopback or str(ip) in self._own(str(ip))

    def _own(self, wanted: str) -> set[str]:
        now = self._clock()
        if wanted not in self._known and now - self._looked >= _AGAIN:
            self._known, self._looked = set(self._addresses()), now
        return self._known


def _own_addresses() -> Iterable[str]:
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                yield str(ipaddress.ip_address(entry.address.partition("%")[0]))
