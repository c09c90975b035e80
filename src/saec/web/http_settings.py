"""How a program is reached over HTTP, and how much of it one asker may take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from saec.decoding import convert
from saec.errors import ConfigError

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section ``[http]`` of a station, and what ``saec cloud --limit`` sets.

    An address stands for all of its /64 network where it is one of IPv6.

    Attributes:
        hosts: names by which this machine is asked, beside its own name and addresses.
        proxies: addresses or networks of proxies in front: their X-Forwarded-For is believed, and they may
            have any number of connections.
        tls_cert, tls_key: PEM files of the certificate chain and of its key; without them there is no TLS.
        plain_http: tokens may travel without TLS, since a proxy in front ends it or the network is closed.
        expiry_days: an alarm is raised so many days before the certificate expires.
        head_seconds: time within which the head of a request must have arrived.
        body_seconds: time within which its body must have arrived.
        answer_seconds: time within which an answer must have been fetched once it waits for the other side.
        idle_seconds: time after which a connection without a request is closed.
        linger_seconds: how long the rest of a body is still taken in after it was answered.
        connections: most connections that are open at once.
        per_address: most connections from one address.
        per_loopback: most connections from this machine itself.
        reserve: further connections, to which health, readiness and metrics alone are answered.
        per_token: most requests under way at once with one token; without a tokens file, from
            one address.
        megabytes: size of all bodies that are held at once.
        share: part of these megabytes that one token or address may hold.
        guesses: how many unknown tokens one address may try in a minute.
    """

    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain_http: bool = False
    expiry_days: Annotated[float, msgspec.Meta(ge=0, le=366)] = 21.0
    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 30.0
    answer_seconds: Seconds = 60.0
    idle_seconds: Seconds = 30.0
    linger_seconds: Seconds = 2.0
    connections: Count = 512
    per_address: Count = 64
    per_loopback: Count = 256
    reserve: Count = 32
    per_token: Count = 128
    megabytes: Count = 256
    share: Share = 0.5
    guesses: Count = 10


_LIMITS = tuple(f.name for f in msgspec.structs.fields(HttpSettings) if isinstance(f.default, (int, float)))


def http_settings(limits: tuple[str, ...], **others: Any) -> HttpSettings:
    """Settings of a command's options.

    Args:
        limits: each NAME=NUMBER.
        others: the fields that have options of their own.

    Raises:
        ConfigError: a limit is not known, or no number in its range.
    """
    given: dict[str, str] = {}
    for limit in limits:
        name, _, number = limit.partition("=")
        if name not in _LIMITS or name in others:
            known = ", ".join(name for name in _LIMITS if name not in others)
            raise ConfigError(
                f"--limit {limit[:80]!r}: no such limit", f"give NAME=NUMBER, where NAME is one of {known}"
            )
        given[name] = number
    try:
        return convert({**others, **given}, HttpSettings, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(f"--limit: {e}", "docs/service.md lists the limits") from e
