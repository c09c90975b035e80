"""The section [http]: how a program is reached over HTTP, and how much of it one asker may take."""

from __future__ import annotations

from typing import Annotated

import msgspec

from saec.settings.setting_fields import Everyday, ExistingFile, Option, PositiveShare

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Number = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section [http] of a station and of `saec cloud`.

    An address stands for all of its /64 network where it is one of IPv6.

    Attributes:
        hosts: Another name by which clients reach this machine. Give it several times for several names.
        proxies: Address or network of a reverse proxy. Its X-Forwarded-For header is trusted, and the limit
            of connections from one address is not applied to it. Give it several times for several proxies.
        tls_cert: The certificate chain, a PEM file. Without it and --tls-key there is no TLS.
        tls_key: The certificate's key, a PEM file.
        plain_http: Allow tokens without TLS: a proxy in front does the TLS, or the network is closed.
        expiry_days: Warn so many days before the certificate expires.
        head_s: Seconds until the head of a request must have arrived.
        body_s: Seconds until the body of a request must have arrived.
        answer_s: Seconds within which the client must fetch an answer.
        idle_s: Close a connection after so many seconds without a request.
        linger_s: Where a request is refused before all of it has come, read its rest for so many seconds. So
            the client can still receive the refusal.
        connections: At most so many connections are open at once.
        connections_per_address: At most so many connections are open from one address.
        connections_per_loopback: At most so many connections are open from this machine itself.
        reserved_connections: Further connections, which get answers about health, readiness and metrics only.
        requests_per_token: At most so many requests are under way at once with one token. If there is no file
            of tokens, it counts for one address.
        bodies_mb: Memory for the bodies of all requests that are held at once, in megabytes.
        bodies_share: Share of the memory for bodies that one token or address may hold.
        guesses_per_minute: Unknown tokens that one address may try in a minute.
    """

    hosts: Annotated[tuple[str, ...], Option(name="--http-host", metavar="NAME")] = ()
    proxies: Annotated[tuple[str, ...], Option(name="--http-proxy", metavar="ADDRESS")] = ()
    tls_cert: Everyday[ExistingFile | None] = None
    tls_key: Everyday[ExistingFile | None] = None
    plain_http: Everyday[bool] = False
    expiry_days: Annotated[float, msgspec.Meta(ge=0, le=366), Option(name="--http-expiry-days")] = 21.0
    head_s: Annotated[Seconds, Option(name="--http-head-s")] = 10.0
    body_s: Annotated[Seconds, Option(name="--http-body-s")] = 30.0
    answer_s: Annotated[Seconds, Option(name="--http-answer-s")] = 60.0
    idle_s: Annotated[Seconds, Option(name="--http-idle-s")] = 30.0
    linger_s: Annotated[Seconds, Option(name="--http-linger-s")] = 2.0
    connections: Annotated[Number, Option(name="--http-connections")] = 512
    connections_per_address: Annotated[Number, Option(name="--http-connections-per-address")] = 64
    connections_per_loopback: Annotated[Number, Option(name="--http-connections-per-loopback")] = 256
    reserved_connections: Annotated[Number, Option(name="--http-reserved-connections")] = 32
    requests_per_token: Annotated[Number, Option(name="--http-requests-per-token")] = 128
    bodies_mb: Annotated[Number, Option(name="--http-bodies-mb")] = 256
    bodies_share: Annotated[PositiveShare, Option(name="--http-bodies-share")] = 0.5
    guesses_per_minute: Annotated[Number, Option(name="--http-guesses-per-minute")] = 10
