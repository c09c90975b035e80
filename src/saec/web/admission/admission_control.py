"""All that decides who gets in at a program that listens: names, tokens, certificate, slots and shares."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import structlog

from saec.errors import ConfigError
from saec.web.addresses import is_loopback, parse_address, parse_networks
from saec.web.admission.connection_slots import ConnectionSlots, SlotListener
from saec.web.admission.fair_shares import FairShares
from saec.web.admission.host_names import HostNames
from saec.web.admission.request_bodies import RequestBodies
from saec.web.admission.server_certificate import ServerCertificate
from saec.web.admission.tokens import Tokens
from saec.web.admission.unknown_tokens import UnknownTokens
from saec.web.http_settings import HttpSettings

log = structlog.get_logger()


class AdmissionControl:
    """The admission control of one program.

    Args:
        settings: how it is reached and how much one asker may take.
        tokens: who may ask.
        listen: "HOST:PORT".

    Raises:
        ConfigError: the certificate's files are no pair, or an address of a proxy is none.
    """

    def __init__(self, settings: HttpSettings, tokens: Tokens, listen: str) -> None:
        self.settings, self.tokens = settings, tokens
        self.slots = ConnectionSlots(settings)
        self.hosts = HostNames(parse_address(listen)[0], settings.hosts)
        self.unknown_tokens = UnknownTokens(settings.guesses_per_minute)
        self.places = FairShares(settings.connections, settings.requests_per_token)
        self.bodies = RequestBodies(settings, self._refused)
        self.certificate: ServerCertificate | None = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            self.certificate = ServerCertificate(
                settings.tls_cert, settings.tls_key, days=settings.expiry_days
            )
        self._last: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str]] = set()

    def _refused(self, word: str) -> None:
        self.slots.counts[word] += 1

    def listener(self, bound: socket.socket) -> socket.socket:
        """A listening socket, taken over: it accepts connections for which there is a slot."""
        return SlotListener(bound, self.slots)

    def problems(self) -> list[str]:
        """Why the program is not as it should be, for its readiness."""
        if self.certificate is None:
            return []
        expired = self.certificate.warning if self.certificate.expired else ""
        return [text for text in (self.certificate.problem, expired) if text]

    def look(self) -> list[tuple[str, str]]:
        """Read anew what has changed; what a person should know of it, as kind and text, each once a spell.

        Files are replaced one after the other, so what is wrong now is told if it still is at the next look.
        """
        self.tokens.refresh()
        if self.certificate is not None:
            self.certificate.refresh()
        now = set(self._wrong())
        lasting = now & self._last
        due = lasting - self._told
        self._last, self._told = now, (self._told & now) | due
        return sorted(due)

    def _wrong(self) -> Iterator[tuple[str, str]]:
        if self.tokens.problem:
            yield "tokens", self.tokens.problem
        if self.certificate is not None:
            for text in (self.certificate.problem, self.certificate.warning):
                if text:
                    yield "certificate", text


def check_admission(settings: HttpSettings, listen: str, *, tokens: bool) -> None:
    """Check settings of an admission control before anything is opened.

    Args:
        listen: "HOST:PORT".
        tokens: whether tokens are asked for.

    Raises:
        ConfigError: an address that is none or open to all, tokens in the clear, or files that are no pair.
    """
    host, port = parse_address(listen)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("only one of certificate and key is given", "give both, or neither")
    if settings.tls_cert is not None and settings.tls_key is not None:
        ServerCertificate(settings.tls_cert, settings.tls_key)
    parse_networks(settings.proxies)
    if is_loopback(host):
        return
    if not tokens:
        raise ConfigError(
            f"{host}:{port} can be reached from other machines, and no token is required",
            "name a tokens file, or listen on 127.0.0.1",
        )
    if settings.tls_cert is None and not settings.plain_http:
        raise ConfigError(
            f"tokens would travel to {host}:{port} without TLS",
            "give a certificate and its key; set plain_http only where a proxy in front does TLS",
        )
