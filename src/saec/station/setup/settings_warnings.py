"""What is no fault of the settings but should be known before a station starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saec.station.setup.station_settings import StationSettings
from saec.web.admission.secret_files import readable_by_others
from saec.web.admission.server_certificate import ServerCertificate


def warnings(settings: StationSettings) -> Iterator[str]:
    """One sentence each: secrets that others may read, and a certificate that ends soon.

    An expired certificate is no reason not to start: a line that stands still for it helps nobody.
    """
    yield from readable_by_others(_secrets(settings))
    http = settings.http
    if http.tls_cert is not None and http.tls_key is not None:
        warning = ServerCertificate(http.tls_cert, http.tls_key, days=http.expiry_days).warning
        if warning:
            yield warning


def _secrets(settings: StationSettings) -> Iterator[Path | None]:
    yield settings.station.tokens_file
    yield settings.http.tls_key
    yield settings.people.oidc.client_secret_file
    if settings.cloud is not None and settings.cloud.remote.token_file is not None:
        yield Path(settings.cloud.remote.token_file)
    for section in settings.sink:
        for name in ("token_file", "password_file", "key_file"):
            if name in section.__struct_fields__:
                yield getattr(section, name)
