"""An OPC UA server in a thread of its own, for those that answer clients: a station, or a simulated PLC."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

from saec.errors import MachineError, SaecError
from saec.station.plc.opcua.opcua_certificates import uri_of
from saec.station.plc.opcua.opcua_door import GuardedServer, OpcUaDoor
from saec.station.plc.server_peers import ServerPeers

_PATIENCE = 60.0
"""Seconds within which the server's thread answers, or it hangs."""

_MOST_PEERS = 64

_Answer = TypeVar("_Answer")


class OpcUaIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a server is, and whom it lets in.

    Attributes:
        name: what it is called in a list of servers.
        uri: its application URI; that of its certificate goes before.
        certificate, key: its own, DER; None without security.
        clients: certificates of clients that it trusts, DER; none trusts all.
        users: passwords by user; None lets in everybody without a name.
    """

    name: str
    uri: str
    certificate: bytes | None = None
    key: bytes | None = None
    clients: tuple[bytes, ...] = ()
    users: Mapping[str, str] | None = None


class OpcUaServer:
    """A server at ``opc.tcp://HOST:PORT``; it lives until ``close``.

    Args:
        host, port: where it listens.
        identity: who it is, and whom it lets in.
        policies: the kinds of security that it offers.
        fill: makes its nodes, before anybody can connect.
        peers: its connections; None bounds them alone.

    Raises:
        MachineError: it cannot listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        identity: OpcUaIdentity,
        policies: Sequence[ua.SecurityPolicyType],
        fill: Callable[[Server], Awaitable[None]],
        peers: ServerPeers | None = None,
    ) -> None:
        self._peers = ServerPeers(identity.name, _MOST_PEERS, (), 0.0) if peers is None else peers
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # it logs what each client does wrong
        _check_free(host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="opcua-server", daemon=True)
        self._thread.start()
        try:
            self.server = self.call(self._started(f"opc.tcp://{host}:{port}", identity, policies, fill))
        except Exception as e:
            self._end()
            if isinstance(e, SaecError):
                raise
            what = f"opc.tcp://{host}:{port}: the server cannot be started ({e or type(e).__name__})"
            raise MachineError(what, "check the address and the certificate") from e

    def call(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Do something in the server's thread, between the requests of clients."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)
        except RuntimeError as e:  # of a loop that was closed
            work.close()
            raise MachineError("the OPC UA server has ended", "open it anew") from e

    def values(self, nodes: Sequence[ua.NodeId]) -> list[Any]:
        """Values of nodes, of one moment."""
        return self.call(self._values(nodes))

    def set_values(self, values: Sequence[tuple[ua.NodeId, ua.Variant]]) -> None:
        """Set values of nodes; no client sees some of them alone."""
        self.call(self._set_values(values))

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.call(self._stopped())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _started(
        self,
        endpoint: str,
        identity: OpcUaIdentity,
        policies: Sequence[ua.SecurityPolicyType],
        fill: Callable[[Server], Awaitable[None]],
    ) -> Server:
        users = None if identity.users is None else _Users(identity.users)
        door = OpcUaDoor(clients=frozenset(identity.clients), policies=tuple(policies), peers=self._peers)
        server = GuardedServer(door, users)
        await server.init()
        server.set_endpoint(endpoint)
        server.set_server_name(identity.name)
        own = identity.certificate
        await server.set_application_uri(identity.uri if own is None else uri_of(own) or identity.uri)
        server.set_security_policy(list(policies))
        names = [ua.AnonymousIdentityToken] if identity.users is None else [ua.UserNameIdentityToken]
        server.set_identity_tokens(names)
        if own is not None and identity.key is not None:
            await server.load_certificate(own, "der")
            await server.load_private_key(identity.key, format="der")
        await fill(server)
        self._peers.begin()
        await server.start()
        return server

    async def _stopped(self) -> None:
        self._peers.hang_up()  # one that reads nothing would not let its connection be closed
        await self.server.stop()

    async def _values(self, nodes: Sequence[ua.NodeId]) -> list[Any]:
        read = self.server.iserver.aspace.read_attribute_value
        return [read(node, ua.AttributeIds.Value).Value.Value for node in nodes]

    async def _set_values(self, values: Sequence[tuple[ua.NodeId, ua.Variant]]) -> None:
        for node, value in values:
            await self.server.write_attribute_value(node, ua.DataValue(value))


def _check_free(host: str, port: int) -> None:
    """Refuse a place where nothing can listen, before a server is made, which takes a second."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as e:
        what = f"opc.tcp://{host}:{port}: {e.strerror or e}"
        raise MachineError(what, "give an address of this machine, and a port that is free") from e


class _Users:
    """Lets in who knows a name and its password."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        known = self._users.get(username or "")
        if known is None or not hmac.compare_digest(known.encode(), (password or "").encode()):
            return None
        return User(role=UserRole.User, name=username)
