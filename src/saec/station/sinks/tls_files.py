"""Faults of the certificate files that a sink names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from saec.station.section_types import FieldFault


class WithTls(Protocol):
    """Settings of a connection that may be by TLS."""

    @property
    def ca_file(self) -> Path | None: ...
    @property
    def certificate_file(self) -> Path | None: ...
    @property
    def key_file(self) -> Path | None: ...


def without_tls(settings: WithTls, off: str) -> Iterator[FieldFault]:
    """Certificates that are named where there is no TLS, for the reason ``off``."""
    named = {
        "ca_file": settings.ca_file,
        "certificate_file": settings.certificate_file,
        "key_file": settings.key_file,
    }
    for key, path in named.items():
        if path is not None:
            yield key, f"{key} without TLS: {off}", "turn TLS on, or remove it"


def lone_key(settings: WithTls) -> Iterator[FieldFault]:
    """A private key that is named without its certificate."""
    if settings.key_file is not None and settings.certificate_file is None:
        yield "key_file", "a key without its certificate", "name the certificate_file"
