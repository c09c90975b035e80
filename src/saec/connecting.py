"""What each client needs to connect: whom it trusts, why it could not, and how its address is shown."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from saec.errors import ConfigError, ModelError

_HIDDEN = "***"
_VERIFY = {
    9: "its certificate is not valid yet; this machine's clock may be wrong",
    10: "its certificate has expired",
    18: "its certificate is self-signed, and this machine does not trust it",
    19: "this machine does not trust the CA of its certificate",
    20: "this machine does not trust the CA of its certificate",
    21: "this machine does not trust the CA of its certificate",
    62: "its certificate is for another host name",
    64: "its certificate is for another address",
}
"""What OpenSSL's codes of a certificate that fails mean."""

_NOT_TRUSTED = (18, 19, 20, 21)
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


def shown(url: str, *, path: bool = True) -> str:
    """A URL as it may stand in an alarm, a log or on a page: without user, password and values of a query.

    Args:
        path: whether its path may be shown; that of a webhook is a secret with some receivers.
    """
    try:
        parts = urlsplit(url)
        ported = f":{parts.port}" if parts.port is not None else ""
        host = parts.hostname or ""
        whole = bool(parts.scheme and parts.netloc) and "@" not in parts.path + parts.query + parts.fragment
    except ValueError:  # of brackets, or of a port that is no number
        whole = False
    if not whole:  # no address, or one whose password holds a slash: who knows what is secret in it
        return _HIDDEN if "@" in url else re.split(r"[?#]", url, maxsplit=1)[0][:200]
    user = f"{_HIDDEN}@" if "@" in parts.netloc else ""
    place = f"{parts.scheme}://{user}{f'[{host}]' if ':' in host else host}{ported}"
    if not path:
        return place
    query = "&".join(f"{pair.partition('=')[0]}={_HIDDEN}" for pair in parts.query.split("&") if pair)
    return f"{place}{parts.path}{f'?{query}' if query else ''}"


def addresses_of(text: str) -> list[str]:
    """The addresses of a list with commas between them, in order; one address is a list of one."""
    return [part.strip() for part in text.split(",") if part.strip()]


def shown_list(text: str) -> str:
    """The same list as it may be shown (``shown``)."""
    return ", ".join(shown(url) for url in addresses_of(text))


def http_address(url: str) -> SplitResult | None:
    """The parts of an http or https address with a host; None where it is no such address."""
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # of brackets, or of a port that is no number
        return None
    return parts if known and parts.scheme in ("http", "https") else None


def client_context(
    ca_file: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS of a client: the system's CAs and one's own, and who the client itself is.

    Args:
        ca_file: PEM file of CAs to trust beside the system's.
        certificate, key: PEM files by which the client shows who it is; the key may stand in the first.

    Raises:
        ConfigError: a file that holds no such thing.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(f"{ca_file}: no certificates in it: {_plain(e)}", "give a PEM file") from e
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=lambda: "")  # never asks at a terminal
        except (OSError, ssl.SSLError) as e:
            names = f"{certificate}{'' if key is None else f' with {key}'}"
            remedy = "give PEM files of a certificate and its key; the key must have no password"
            raise ConfigError(f"{names}: no certificate with its key in it: {_plain(e)}", remedy) from e
    return context


def _plain(error: OSError) -> str:
    return error.strerror or getattr(error, "reason", None) or str(error)


def why(error: BaseException) -> tuple[str, str]:
    """Why a connection could not be made or broke, and what to do; looks through what a library wraps."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            what = _VERIFY.get(cause.verify_code, f"its certificate was not accepted: {cause.verify_message}")
            remedy = (
                "name the CA in ca_file"
                if cause.verify_code in _NOT_TRUSTED
                else "renew or correct the certificate of the other side"
            )
            return what, remedy
        if isinstance(cause, ssl.SSLError):
            return _tls(cause)
        if isinstance(cause, socket.gaierror):
            return "the host name cannot be resolved", "check the name and this machine's DNS server"
        if isinstance(cause, ConnectionRefusedError):
            return (
                "nothing listens there (connection refused)",
                "start the program at that address, or check the port",
            )
        if isinstance(cause, (ConnectionResetError, BrokenPipeError)):
            return "it closed the connection", "check the port, and whether it speaks TLS"
        if isinstance(cause, TimeoutError):
            return "no answer in time", "check the network and the other side"
        if isinstance(cause, OSError):
            return _plain(cause), "check the network and the other side"
    kind = type(error).__name__
    if "Timeout" in kind:
        return "no answer in time", "check the network and the other side"
    return f"the connection failed ({kind})", "check the port, and whether it speaks TLS"


def _tls(error: ssl.SSLError) -> tuple[str, str]:
    reason = error.reason or ""
    if reason in _NO_TLS or isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return f"it does not speak TLS on this port ({reason or 'closed'})", "check the port, or turn TLS off"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason or "BAD_CERTIFICATE" in reason:
        return f"it refuses this client ({reason})", "check the client's certificate and key"
    return f"TLS failed ({reason or error})", "check the certificates of both sides"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it was raised from, the innermost first."""
    chain: list[BaseException] = []
    now: BaseException | None = error
    while now is not None and now not in chain:
        chain.append(now)
        now = now.__cause__ or now.__context__
    return iter(reversed(chain))


def hub_folder(name: str, patterns: Sequence[str]) -> Path:
    """The folder of a repository on the Hugging Face hub, fetched where it is not in the hub's cache.

    Args:
        name: OWNER/NAME, as a user gave it.
        patterns: the files that are fetched, and no others.

    Raises:
        ModelError: the hub does not give it.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns)))
    # The hub client raises its own, httpx', requests' and OS errors; all mean the same to the user.
    except Exception as e:
        raise ModelError(
            f"{name} is not a folder, and the hub does not give it: {type(e).__name__}: {e}".splitlines()[0],
            "check the name, the network and HF_TOKEN; or download it elsewhere and name its folder",
        ) from e
