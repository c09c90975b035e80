"""Certificates of OPC UA: read from PEM or DER, and the application URI that each must hold."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from saec.errors import ConfigError

_REMEDY = "give a PEM or DER file"


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
