"""What is no fault of the settings but should be known before a station starts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from saec.station.outputs.couplers.coupler_settings import ModbusCoupler
from saec.station.plc.opcua.opcua_certificates import end_of
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.setup.station_settings import StationSettings
from saec.web.admission.secret_files import readable_by_others
from saec.web.admission.server_certificate import ServerCertificate

_DAY = 86_400.0


def warnings(settings: StationSettings) -> Iterator[str]:
    """One sentence each: secrets that others may read, a certificate that ends soon, no watchdog.

    An expired certificate is no reason not to start: a line that stands still for it helps nobody.
    """
    yield from readable_by_others(_secrets(settings))
    http = settings.http
    if http.tls_cert is not None and http.tls_key is not None:
        warning = ServerCertificate(http.tls_cert, http.tls_key, days=http.expiry_days).warning
        if warning:
            yield warning
    yield from _opcua_certificates(settings)
    yield from _watchdogs(settings)


def _secrets(settings: StationSettings) -> Iterator[Path | None]:
    yield settings.station.tokens_file
    yield settings.http.tls_key
    yield settings.people.oidc.client_secret_file
    if settings.cloud is not None and settings.cloud.remote.token_file is not None:
        yield Path(settings.cloud.remote.token_file)
    for section in (*settings.sink, *settings.plc):
        for name in ("token_file", "password_file", "key_file"):
            if name in section.__struct_fields__:
                yield getattr(section, name)


def _opcua_certificates(settings: StationSettings) -> Iterator[str]:
    """Certificates of OPC UA that end soon, the station's own and those that it trusts."""
    for plc in settings.plc:
        if not isinstance(plc, OpcUaPlc):
            continue
        for path in (plc.certificate_file, plc.peer_certificate_file):
            if path is None:
                continue
            ends = end_of(path)
            left = (ends - datetime.now(UTC)).total_seconds() / _DAY
            if left < settings.http.expiry_days:
                told = f"ends on {ends:%Y-%m-%d}" if left > 0 else f"has ended on {ends:%Y-%m-%d}"
                yield f"the certificate {path} of the PLC {plc.name} {told}"


def _watchdogs(settings: StationSettings) -> Iterator[str]:
    """Couplers whose outputs nobody sets when the station is killed."""
    for coupler in settings.coupler:
        outputs = any(one.coupler == coupler.name for one in settings.output)
        if outputs and isinstance(coupler, ModbusCoupler) and not (coupler.watchdog or coupler.setup):
            yield (
                f"the coupler {coupler.name} has no watchdog in the settings: unless it has one that is set "
                "up otherwise, its outputs stay as they are when the station is killed or the cable is cut"
            )
