"""saec station opcua-certificate: who the station is to a PLC's OPC UA server."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.settings.setting_fields import Argument, Everyday


class OpcUaCertificateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [opcua_certificate]: what a new certificate holds.

    Attributes:
        folder: The folder for the certificate and its key.
        uri: The application URI that it holds. Give each station its own.
        host: The name or address of the station's machine. Default: its host name.
        days: Days until it expires.
    """

    folder: Argument[Path]
    uri: Everyday[str] = "urn:saec:station"
    host: Everyday[str | None] = None
    days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] = 1825


@settings_command()
def opcua_certificate(opcua_certificate: OpcUaCertificateSettings) -> None:
    """Make a certificate for OPC UA.

    FOLDER gets certificate.pem, certificate.der and key.pem. The settings name the first and the last. The
    PLC's server has to trust certificate.der.

    \b
    saec station opcua-certificate pki --uri urn:plant-7:saec:cell-3
    """
    s = opcua_certificate
    from saec.errors import ConfigError, ExtraError

    try:
        from saec.station.plc.opcua.opcua_certificates import load_certificate, make_certificate
    except ImportError as e:
        raise ExtraError("cryptography", "station") from e

    pem, key, der = (s.folder / name for name in ("certificate.pem", "key.pem", "certificate.der"))
    for path in (pem, key, der):
        if path.exists():
            raise ConfigError(f"{path} exists", "name another folder")
    s.folder.mkdir(parents=True, exist_ok=True)
    certificate, private = make_certificate(s.uri, [s.host or socket.gethostname()], s.days)
    pem.write_bytes(certificate)
    key.touch(0o600)
    key.write_bytes(private)
    der.write_bytes(load_certificate(pem))
    click.echo(f"certificate_file = {str(pem)!r}\nkey_file = {str(key)!r}")
    click.echo(f"have the PLC's server trust {der}", err=True)
