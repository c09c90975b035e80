"""HOST:PORT, and which hosts only this machine can reach."""

from __future__ import annotations

import ipaddress

from saec.errors import ConfigError


def address(listen: str) -> tuple[str, int]:
    """HOST and PORT of "HOST:PORT"; port 0 takes a free one.

    Raises:
        ConfigError: it is no such address.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{listen!r} is no address", "give HOST:PORT, such as 127.0.0.1:8090")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host, for certain."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
