"""Asks the station that runs on this machine, as its settings say that it listens."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from saec.errors import ConfigError
from saec.station.setup.station_settings import StationSettings
from saec.web.addresses import parse_address

_PATIENCE = 5.0
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # such a station listens here too


def ask_itself(settings: StationSettings, path: str, token: str | None = None) -> str:
    """The text of an answer of 200 or 503; no other address is asked, and no proxy.

    Args:
        path: such as "/ready".
        token: sent where the address needs one.

    Raises:
        httpx.HTTPError: there is no answer, or another.
        ConfigError: the certificate of the settings is none.
    """
    host, port = parse_address(settings.station.listen)
    host, cert = _HERE.get(host, host), settings.http.tls_cert
    where = f"{'http' if cert is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    verify = True if cert is None else trust_only(cert)
    with httpx.Client(verify=verify, timeout=_PATIENCE, trust_env=False) as client:
        answer = client.get(f"{where}{path}", headers=headers)
    if answer.status_code not in (200, 503):
        raise httpx.HTTPError(f"the station answered {answer.status_code}; give --station-token-file")
    return answer.text


def trust_only(cert: Path) -> ssl.SSLContext:
    """TLS of a client that trusts one certificate: the first of a PEM file, whoever has signed it.

    The address that is asked need not stand in it: no other program has its key.

    Raises:
        ConfigError: the file holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        text = cert.read_text("ascii", "replace")
        first, end, _ = text.partition("-----END CERTIFICATE-----")
        context.load_verify_locations(cadata=first[first.index("-----BEGIN CERTIFICATE-----") :] + end)
    except (OSError, ValueError) as e:
        raise ConfigError(f"{cert} holds no certificate: {e}", "give a PEM file") from e
    return context
