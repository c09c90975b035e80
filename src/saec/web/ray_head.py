"""Where the head of a Ray that runs is. Ray itself would try an address for a minute, and say little."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from saec.connecting import why
from saec.errors import ConfigError
from saec.texts import read_text
from saec.web.addresses import parse_address

ONE_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's only switch for the loopback. Ray reads it when it is imported.

With it a Ray that starts listens on the loopback alone. One that joins takes an address on the loopback as it
stands; else it would connect to another address of this machine in its place.
"""

_CONNECT_S = 2.0
"""Seconds within which the head of a Ray lets connect."""

_REMEDY = "start `saec cloud` with replicas or `ray start --head`, or give --ray-address HOST:PORT"


def ray_head(address: str) -> str:
    """The head of a Ray that runs, as ``ray.init`` is to be told. Call it before Ray is imported.

    Where this user has a token of Ray's, Ray is joined with it. `ray start` asks for one if it finds one,
    but ``ray.init`` sends it only if RAY_AUTH_MODE says so.

    Args:
        address: "HOST:PORT" of the head. "auto" is what ``ray.init`` documents: RAY_ADDRESS, or else the head
            that `ray start` has noted. That of a Ray client ("ray://...") is given back as it is.

    Returns:
        "HOST:PORT"; or "auto" where nothing is noted: Ray then finds what runs, or says at once that
        nothing does.

    Raises:
        ConfigError: it is no address, or nothing listens there.
    """
    os.environ |= ONE_MACHINE
    if os.environ.get("RAY_AUTH_TOKEN") or token_file().exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    source = ""
    if address == "auto":
        address, source = _noted()
    if "://" in address or address in ("auto", "local"):
        return address
    try:
        host, port = parse_address(address)
    except ConfigError as e:
        fault = f"{address!r} is not the address of a Ray{source}"
        raise ConfigError(fault, "give --ray-address HOST:PORT or auto") from e
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError as e:
        raise ConfigError(f"no Ray runs at {address}{source}: {why(e)[0]}", _REMEDY) from e
    return address


def token_file() -> Path:
    """Where Ray looks for its token."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def _noted() -> tuple[str, str]:
    """The address that Ray is told by this machine, and who tells it; "auto" where nothing does."""
    if given := os.environ.get("RAY_ADDRESS"):
        return given, ", which RAY_ADDRESS names"
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    note = Path(folder) / "ray" / "ray_current_cluster"
    noted = read_text(note, remedy=_REMEDY).strip() if note.exists() else ""
    return (noted, f", which {note} names") if noted else ("auto", "")
