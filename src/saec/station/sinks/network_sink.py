"""What the sinks at the other end of a network share: time-out and certificates, with their faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saec.station.section_types import FieldFault, Seconds
from saec.station.sinks.verdict_sink import SinkSettings


class NetworkSink(SinkSettings, frozen=True, kw_only=True):
    """What a [[sink]] of kind "webhook" or "mqtt" has.

    Attributes:
        timeout_s: Seconds to wait for a connection, and for each answer.
        ca_file: Certificates to trust beside the system's, PEM. It needs TLS.
        certificate_file: The station's own certificate, where the receiver asks for one, PEM. It needs TLS.
        key_file: Key of that certificate, PEM. It needs TLS.
    """

    timeout_s: Seconds = 10.0
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def without_tls(self, off: str) -> Iterator[FieldFault]:
        """Certificates that are named where there is no TLS, for the reason ``off``."""
        named = {
            "ca_file": self.ca_file,
            "certificate_file": self.certificate_file,
            "key_file": self.key_file,
        }
        for key, path in named.items():
            if path is not None:
                yield key, f"{key} needs TLS, but {off}", f"turn TLS on, or remove {key}"

    def lone_key(self) -> Iterator[FieldFault]:
        """A private key that is named without its certificate."""
        if self.key_file is not None and self.certificate_file is None:
            yield "key_file", "there is a key, but no certificate", "set certificate_file"
