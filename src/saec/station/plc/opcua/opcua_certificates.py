"""Certificates of OPC UA: made, read from PEM or DER, and the application URI that each must hold."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from saec.errors import ConfigError

_REMEDY = "give a PEM or DER file"
_KEY_BITS = 2048
"""Each security policy of OPC UA that is not outdated takes keys of 2,048 bits."""

_USED = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign")
_UNUSED = ("key_agreement", "crl_sign", "encipher_only", "decipher_only")


def load_certificate(path: Path) -> bytes:
    """The certificate of a PEM or DER file, as DER.

    Raises:
        ConfigError: there is none in it.
    """
    data = _content(path)
    try:
        read = x509.load_pem_x509_certificate if b"-----BEGIN" in data else x509.load_der_x509_certificate
        return read(data).public_bytes(Encoding.DER)
    except ValueError as e:
        raise ConfigError(f"{path}: no certificate in it", _REMEDY) from e


def load_key(path: Path) -> bytes:
    """The private key of a PEM or DER file without a password, as DER.

    Raises:
        ConfigError: there is none in it, or it has a password.
    """
    data = _content(path)
    try:
        read = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
        key = read(data, None)
    except (ValueError, TypeError) as e:  # TypeError: of a key with a password
        raise ConfigError(f"{path}: no key without a password in it", _REMEDY) from e
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def check_pair(certificate: bytes, key: bytes, *files: Path | None) -> None:
    """Refuse a key that is not the certificate's.

    Args:
        certificate, key: DER.
        files: where they were read, for the error.

    Raises:
        ConfigError: they do not belong together.
    """
    own = load_der_private_key(key, None).public_key()
    if own != x509.load_der_x509_certificate(certificate).public_key():
        names = " and ".join(str(path) for path in files)
        raise ConfigError(f"{names} do not belong together", "give the certificate and its own key")


def end_of(path: Path) -> datetime:
    """Until when the certificate of a file is valid; raises as ``load_certificate`` does."""
    return x509.load_der_x509_certificate(load_certificate(path)).not_valid_after_utc


def uri_of(certificate: bytes) -> str:
    """The application URI that a certificate of OPC UA holds (OPC 10000-6, 6.2.2), "" without one.

    Args:
        certificate: DER.
    """
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.value.get_values_for_type(x509.UniformResourceIdentifier)), "")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"{path} cannot be read: {e.strerror}", _REMEDY) from e


def make_certificate(uri: str, hosts: Sequence[str], days: int) -> tuple[bytes, bytes]:
    """A certificate that signs itself and its key, after OPC 10000-6, 6.2.2.

    Args:
        uri: the application URI that it holds.
        hosts: names and addresses of the machine that it holds; at least one.
        days: how long it is valid.

    Returns:
        The certificate and the key, both PEM; the key has no password.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri[-64:])])
    now = datetime.now(UTC)
    own_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = dict.fromkeys(_UNUSED, False) | dict.fromkeys(_USED, True)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), *map(_host, hosts)]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(**usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (own_key, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_key), False),
    ]
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
