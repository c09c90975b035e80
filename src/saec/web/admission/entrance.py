"""All that decides who gets in at a program that listens: names, tokens, certificate, seats and shares."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import structlog

from saec.errors import ConfigError
from saec.web.addresses import address, is_loopback, networks
from saec.web.admission.bodies import Bodies
from saec.web.admission.certificates import Certificate
from saec.web.admission.connections import Crowd, Doorway
from saec.web.admission.host_names import Hosts
from saec.web.admission.shares import Shares
from saec.web.admission.tokens import Tokens
from saec.web.admission.unknown_tokens import Strangers
from saec.web.settings import HttpSettings

log = structlog.get_logger()


class Entrance:
    """The entrance of one program.

    Args:
        settings: how it is reached and how much one asker may take.
        tokens: who may ask.
        listen: "HOST:PORT".

    Raises:
        ConfigError: the certificate's files are no pair, or an address of a proxy is none.
    """

    def __init__(self, settings: HttpSettings, tokens: Tokens, listen: str) -> None:
        self.settings, self.tokens = settings, tokens
        self.crowd = Crowd(settings)
        self.hosts = Hosts(address(listen)[0], settings.hosts)
        self.strangers = Strangers(settings.guesses)
        self.places = Shares(settings.connections, settings.per_token)
        self.bodies = Bodies(settings, self._refused)
        self.certificate: Certificate | None = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            self.certificate = Certificate(settings.tls_cert, settings.tls_key, days=settings.expiry_days)
        self._last: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str]] = set()

    def _refused(self, word: str) -> None:
        self.crowd.counts[word] += 1

    def doorway(self, bound: socket.socket) -> socket.socket:
        """A listening socket, taken over: it accepts whom there is a seat for."""
        return Doorway(bound, self.crowd)

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


def check(settings: HttpSettings, listen: str, *, tokens: bool) -> None:
    """What can be said of an entrance before it is opened.

    Args:
        listen: "HOST:PORT".
        tokens: whether tokens are asked for.

    Raises:
        ConfigError: an address that is none or open to all, tokens in the clear, or files that are no pair.
    """
    host, port = address(listen)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("of certificate and key one is missing", "give both, or neither")
    if settings.tls_cert is not None and settings.tls_key is not None:
        Certificate(settings.tls_cert, settings.tls_key)
    networks(settings.proxies)
    if is_loopback(host):
        return
    if not tokens:
        raise ConfigError(
            f"{host}:{port} can be reached from outside and no token is asked for",
            "name a tokens file, or listen on 127.0.0.1",
        )
    if settings.tls_cert is None and not settings.plain_http:
        raise ConfigError(
            f"tokens would travel to {host}:{port} without TLS",
            "give a certificate and its key, or say plain_http where a proxy in front ends TLS",
        )
