"""HOST:PORT, and which hosts only this machine can reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from saec.errors import ConfigError
from saec.texts import whole_number

LOOPBACK = "this machine"


def parse_address(listen: str) -> tuple[str, int]:
    """HOST and PORT of "HOST:PORT"; port 0 takes a free one.

    Raises:
        ConfigError: it is no such address.
    """
    host, _, port = listen.rpartition(":")
    number = whole_number(port)
    if not host or number is None or number > 65535:
        raise ConfigError(f"{listen!r} is not an address", "give HOST:PORT, such as 127.0.0.1:8090")
    return host.strip("[]"), number


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host, for certain."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(4096)
def client_network(host: str) -> str:
    """The client that an address counts for: itself, its /64 network for IPv6, one word for this machine.

    Who has a network of IPv6 has all of its addresses; those that are valid on one cable alone are each
    somebody's own.
    """
    ip = _ip(host)
    if ip is None:
        return host
    if ip.is_loopback:
        return LOOPBACK
    if isinstance(ip, ipaddress.IPv4Address) or ip.is_link_local:
        return str(ip)
    return str(ipaddress.ip_network((int(ip), 64), strict=False))


def parse_networks(texts: Iterable[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks by their texts.

    Raises:
        ConfigError: one is neither.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError as e:
            raise ConfigError(
                f"{text!r} is not an address", "give one such as 10.0.0.5 or 10.0.0.0/24"
            ) from e
    return found


def in_networks(host: str, known: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    """Whether an address lies in one of the networks."""
    ip = _ip(host)
    return ip is not None and any(ip in network for network in known)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text is, an IPv4 one also where it is written as IPv6; None for a name."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return ip if mapped is None else mapped
