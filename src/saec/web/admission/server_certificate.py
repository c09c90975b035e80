"""The certificate of a program that listens: checked, and exchanged while it runs when its files change."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from cryptography import x509

from saec.errors import ConfigError
from saec.web.admission.file_stamps import check_plain_file, file_stamp

_DAY = 86_400.0

log = structlog.get_logger()


class ServerCertificate:
    """A chain and its key, in PEM files.

    A pair that is replaced serves the connections that come afterwards. One that does not fit keeps the old
    one.

    Args:
        cert, key: the files; the key has no password.
        days: how many days before the end of its validity a warning is due.
        clock: seconds since 1970.

    Attributes:
        context: the TLS context of a server; each connection gets the pair of its time.
        problem: why the files of now are not served; "" where they are.

    Raises:
        ConfigError: the files are no pair.
    """

    def __init__(
        self, cert: Path, key: Path, *, days: float = 21.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._cert, self._key, self._days, self._clock = cert, key, days, clock
        self._lock = threading.Lock()
        self._stamps = (file_stamp(cert), file_stamp(key))
        self._current, self.ends = _load(cert, key)
        self.problem = ""
        self.context: ssl.SSLContext = _Live(self)

    def refresh(self) -> None:
        """Load the files again where they are others now."""
        with self._lock:
            now = (file_stamp(self._cert), file_stamp(self._key))
            if now == self._stamps:
                return
            self._stamps = now
            try:
                self._current, self.ends = _load(self._cert, self._key)
            except ConfigError as e:
                self.problem = f"{e.what}; the server goes on with the certificate it loaded before"
                log.error("certificate not loaded", error=str(e))
            else:
                self.problem = ""
                log.info("certificate loaded", until=self.until)

    @property
    def until(self) -> str:
        """The day on which it ends."""
        return datetime.fromtimestamp(self.ends, UTC).date().isoformat()

    @property
    def expired(self) -> bool:
        return self._clock() >= self.ends

    @property
    def warning(self) -> str:
        """What a person should know of its end; "" when that is far."""
        left = (self.ends - self._clock()) / _DAY
        if left <= 0:
            return f"the certificate {self._cert} expired on {self.until}: renew it"
        return f"the certificate {self._cert} expires on {self.until}: renew it" if left <= self._days else ""

    def current(self) -> ssl.SSLContext:
        """The pair of now."""
        self.refresh()
        return self._current


class _Live(ssl.SSLContext):
    """Begins each connection with the pair of its time.

    To load another pair into one context would leave the old one beside it where the keys are of another
    kind.
    """

    _certificate: ServerCertificate

    def __new__(cls, certificate: ServerCertificate) -> _Live:
        made: _Live = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._certificate = certificate
        return made

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._certificate.current().wrap_bio(*args, **kwargs)


def _load(cert: Path, key: Path) -> tuple[ssl.SSLContext, float]:
    """A context with the pair, and the end of its validity, seconds since 1970.

    Raises:
        ConfigError: the files are no pair.
    """
    for path in (cert, key):
        check_plain_file(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # never asks at a terminal
        first = x509.load_pem_x509_certificates(cert.read_bytes())[0]
    except (OSError, ValueError) as e:
        why = getattr(e, "reason", None) or getattr(e, "strerror", None) or str(e)
        remedy = "give PEM files of one certificate and its key; the key must have no password"
        raise ConfigError(f"{cert} and {key} cannot be used: {why}", remedy) from e
    return context, first.not_valid_after_utc.timestamp()
