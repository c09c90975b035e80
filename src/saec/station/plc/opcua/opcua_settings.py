"""A [[plc]] that is reached by OPC UA."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from saec.station.plc.plc_settings import USUAL_ROLE, PlcSettings, Role, Wake
from saec.station.plc.server_peers import PeerLimit, client_faults
from saec.station.plc.signal_mapping import mapped, mapping_faults
from saec.station.plc.signals import PlcWay
from saec.station.section_types import FieldFault
from saec.web.addresses import is_loopback

NO_DEFAULTS: dict[str, str] = {}
"""Node ids are the PLC's own, so that no signal has one by default."""

_NODE_ID = re.compile(r"(?:(?:ns=\d+|nsu=[^;]+);)?(?:i=\d+|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/=]+)")


class OpcUaPlc(PlcSettings, frozen=True, kw_only=True, tag_field="kind", tag="opcua"):
    """A [[plc]] of kind "opcua": OPC UA over TCP, which needs the extra ``saec[opcua]``.

    Attributes:
        role: "client": the station reads and writes variables of the PLC's server. "server": the PLC reads
            and writes variables of the station's, which also shows its states after OPC 40100-1.
        address: The server's address, such as opc.tcp://192.0.2.10:4840. For a server the one to listen on.
        security: The security policy. "none" sends everything as it is.
        encrypt: Encrypt what is sent. Without it messages are only signed.
        certificate_file: The station's own certificate, PEM or DER. Its application URI stands in it.
        key_file: Key of that certificate, PEM or DER, without a password.
        peer_certificate_file: The certificate of the other side, PEM or DER. No other one is trusted.
        user: User name at the server. For a server the name that the PLC must give.
        password_file: A file with the user's password.
        session_s: Seconds without a request after which the server is to end the station's session.
        peers: Connections at once to the station's own server.
        clients: IP addresses that may connect to the station's own server. Empty lets all connect.
    """

    role: Role = USUAL_ROLE
    address: str
    security: Literal["none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = "none"
    encrypt: bool = True
    certificate_file: Path | None = None
    key_file: Path | None = None
    peer_certificate_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    session_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 10.0
    peers: PeerLimit = 16
    clients: list[str] = msgspec.field(default_factory=list)

    def make_way(self, wake: Wake) -> PlcWay:
        if self.role == "server":
            from saec.station.plc.opcua.opcua_server_way import OpcUaServerWay

            return OpcUaServerWay(self, wake)
        from saec.station.plc.opcua.opcua_way import OpcUaWay

        return OpcUaWay(self)

    def host_and_port(self) -> tuple[str, int] | None:
        """Where the server listens; None for an address that is none."""
        try:
            parts = urlsplit(self.address)
            port = parts.port or 4840
        except ValueError:  # of brackets, or of a port that is no number
            return None
        whole = parts.scheme == "opc.tcp" and parts.hostname and not parts.username
        return (parts.hostname or "", port) if whole else None

    def read_nodes(self) -> dict[str, str]:
        """Node ids of the PLC's signals, by name."""
        return mapped(self.reads, NO_DEFAULTS)

    def write_nodes(self) -> dict[str, str]:
        """Node ids of the station's signals, by name."""
        return mapped(self.writes, NO_DEFAULTS)

    def read_places(self) -> dict[str, str]:
        return self.read_nodes()

    def heartbeat_range(self) -> int:
        return 0  # only the server knows its type

    def faults(self) -> Iterator[FieldFault]:
        yield from super().faults()
        place = self.host_and_port()
        if place is None:
            yield "address", f"{self.address[:80]!r} is not an address", "give opc.tcp://HOST:PORT"
        if self.role == "server":
            yield from self._server_faults()
        else:
            yield from self._node_faults()
        yield from self._security_faults()
        yield from client_faults(self.clients, serves=self.role == "server")
        if self.password_file is not None and self.user is None:
            yield "password_file", "there is a password, but no user", "set user"
        clear = self.security == "none" or not self.encrypt
        if self.user is not None and clear and place is not None and not is_loopback(place[0]):
            what = f"user and password would travel unencrypted to {place[0]}"
            yield "user", what, "set security, and leave encrypt on"

    def _server_faults(self) -> Iterator[FieldFault]:
        if self.user is not None and self.password_file is None:
            yield "user", "there is a user, but no password", "set password_file"
        for key, nodes in (("reads", self.read_nodes()), ("writes", self.write_nodes())):
            for name in nodes:
                what = f"{name} has a node id, but the station's own server names its nodes"
                yield key, what, f"remove it, and use the node {key}.{name}"

    def _node_faults(self) -> Iterator[FieldFault]:
        reads, writes = self.read_nodes(), self.write_nodes()
        yield from mapping_faults(reads, writes)
        for key, nodes in (("reads", reads), ("writes", writes)):
            for name, text in nodes.items():
                if not _NODE_ID.fullmatch(text):
                    what = f"{name}: {text[:80]!r} is no node id"
                    yield key, what, """write it as 'ns=3;s="Block"."Name"' or 'ns=2;i=42'"""

    def _security_faults(self) -> Iterator[FieldFault]:
        files = {
            "certificate_file": self.certificate_file,
            "key_file": self.key_file,
            "peer_certificate_file": self.peer_certificate_file,
        }
        for key, path in files.items():
            if self.security != "none" and path is None:
                yield key, f"security {self.security} needs {key}", "docs/opcua.md says how to make the files"
            if self.security == "none" and path is not None:
                yield key, f"{key} needs security", f"set security, or remove {key}"
