"""The connections to an OPC UA server of this project: who gets in, what is served, and how much.

asyncua 2.1 checks a client's certificate only where the client tells one, opens a channel without security on
each server, and does not bound what a client sends or leaves unread. All of that is decided here.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer, ServiceError
from asyncua.crypto.security_policies import SECURITY_POLICY_TYPE_MAP
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import header_from_binary

from saec.station.plc.server_peers import ServerPeer, ServerPeers

_CHUNK = 65_535
"""Bytes of the largest chunk, either way."""

_MESSAGE = 4 * _CHUNK
"""Bytes of the largest request."""

_LEAST_BUFFER = 8192
"""Bytes that OPC 10000-6 asks of each side's buffers."""

_UNREAD = 1_000_000
"""Bytes of answers that a client leaves unread before it is let go."""

_AHEAD = 64
"""Requests that a client may send before it has their answers."""

_ACTIVATION = 10.0
"""Seconds from the connection within which a session is activated, or a question answered."""

_SESSIONS_MS = 60_000.0
"""The longest time that a session may be silent."""

_SUBSCRIPTIONS, _ITEMS, _QUEUE = 32, 1000, 16
"""Subscriptions of all clients, the items that they watch, and values that wait for one item."""

_PUBLISHING_MS = 1.0, 3.6e6
"""The shortest and the longest publishing interval."""

_IDS = ua.ObjectIds
_CREATE = _IDS.CreateSessionRequest_Encoding_DefaultBinary
_ACTIVATE = _IDS.ActivateSessionRequest_Encoding_DefaultBinary
_WRITE = _IDS.WriteRequest_Encoding_DefaultBinary

_OPEN = frozenset(
    {
        _IDS.FindServersRequest_Encoding_DefaultBinary,
        _IDS.GetEndpointsRequest_Encoding_DefaultBinary,
        _IDS.CloseSessionRequest_Encoding_DefaultBinary,
    }
)
"""What everybody may ask, as a client does before it knows which security to use."""

_SERVED = frozenset(
    {
        _IDS.ReadRequest_Encoding_DefaultBinary,
        _WRITE,
        _IDS.BrowseRequest_Encoding_DefaultBinary,
        _IDS.TranslateBrowsePathsToNodeIdsRequest_Encoding_DefaultBinary,
        _IDS.RegisterNodesRequest_Encoding_DefaultBinary,
        _IDS.UnregisterNodesRequest_Encoding_DefaultBinary,
        _IDS.CreateSubscriptionRequest_Encoding_DefaultBinary,
        _IDS.ModifySubscriptionRequest_Encoding_DefaultBinary,
        _IDS.DeleteSubscriptionsRequest_Encoding_DefaultBinary,
        _IDS.SetPublishingModeRequest_Encoding_DefaultBinary,
        _IDS.PublishRequest_Encoding_DefaultBinary,
        _IDS.RepublishRequest_Encoding_DefaultBinary,
        _IDS.CreateMonitoredItemsRequest_Encoding_DefaultBinary,
        _IDS.ModifyMonitoredItemsRequest_Encoding_DefaultBinary,
        _IDS.DeleteMonitoredItemsRequest_Encoding_DefaultBinary,
        _IDS.SetMonitoringModeRequest_Encoding_DefaultBinary,
    }
)
"""What a client with a session may ask. Nothing of it changes the nodes, calls a method or lists servers."""


class OpcUaDoor(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a server lets in.

    Attributes:
        clients: certificates that it trusts, DER; none trusts all.
        policies: the kinds of security that a session may have.
        peers: its connections.
    """

    clients: frozenset[bytes]
    policies: Sequence[ua.SecurityPolicyType]
    peers: ServerPeers

    def check(self, connection: Any) -> None:
        """Refuse a channel whose security or certificate is not one of these.

        Raises:
            ServiceError: it is not.
        """
        policy = connection.security_policy
        kinds = [SECURITY_POLICY_TYPE_MAP[kind] for kind in self.policies]
        offered = {(one.URI, mode) for one, mode, _ in kinds}
        if not connection.is_open() or (policy.URI, policy.Mode) not in offered:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        if self.clients and policy.peer_certificate not in self.clients:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


class GuardedServer(Server):  # type: ignore[misc]
    """A server whose connections are ``_Connection``.

    Args:
        door: whom it lets in.
        users: asyncua's user manager; None lets in everybody without a name.
    """

    def __init__(self, door: OpcUaDoor, users: Any) -> None:
        super().__init__(user_manager=users)
        self._door = door
        self.limits = TransportLimits(_CHUNK, _CHUNK, _MESSAGE // _LEAST_BUFFER, _MESSAGE)
        limited = self.iserver
        limited.subscription_service = _Subscriptions(limited.aspace, iserver=limited)
        limited.allow_remote_admin = False
        limited.max_session_timeout_ms = _SESSIONS_MS
        limited.max_pending_activation_seconds = _ACTIVATION
        limited.max_pending_messages_per_connection = _AHEAD
        limited.max_subscriptions = _SUBSCRIPTIONS
        limited.max_monitored_item_queue_size = _QUEUE
        limited.max_unacked_messages_per_subscription = _QUEUE
        limited.max_lifetime_count, limited.max_keep_alive_count = 1000, 300

    async def start(self) -> None:
        await self._setup_server_nodes()
        await self.iserver.start()
        host, port = self._get_bind_socket_info()
        try:
            self.bserver = _Listener(self.iserver, host, port, self.limits)
            self.bserver.door = self._door
            self.bserver.set_policies(self._policies)
            await self.bserver.start()
        except Exception:
            await self.iserver.stop()
            raise


class _Subscriptions(SubscriptionService):  # type: ignore[misc]
    """The clients' subscriptions, of a bounded number and pace."""

    async def create_subscription(self, params: Any, *given: Any, **named: Any) -> Any:
        asked, (least, most) = params.RequestedPublishingInterval, _PUBLISHING_MS
        params.RequestedPublishingInterval = min(asked, most) if asked >= least else least  # also for NaN
        return await super().create_subscription(params, *given, **named)

    async def create_monitored_items(self, params: Any) -> Any:
        held = sum(len(one.monitored_item_srv._monitored_items) for one in self.subscriptions.values())
        if held + len(params.ItemsToCreate) > _ITEMS:
            raise ServiceError(ua.StatusCodes.BadTooManyMonitoredItems)
        return await super().create_monitored_items(params)


class _Listener(BinaryServer):  # type: ignore[misc]
    door: OpcUaDoor

    def _make_protocol(self) -> OPCUAProtocol:
        return _Connection(
            self.door,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )


class _Connection(OPCUAProtocol):  # type: ignore[misc]
    """One client's connection: whole messages of a bounded size, the first a Hello."""

    def __init__(self, door: OpcUaDoor, **given: Any) -> None:
        super().__init__(**given)
        self._door, self._held, self._greeted = door, bytearray(), False

    def connection_made(self, transport: Any) -> None:
        name = transport.get_extra_info("peername")
        self.peer_name, self.peer = name, ServerPeer(str(name[0]) if name else "", transport.abort)
        transport.set_write_buffer_limits(high=_UNREAD)
        if not self._door.peers.enter(self.peer):
            transport.abort()
            return
        self.transport = transport
        self.processor = _Processor(self._door, self.peer, self.iserver, transport, self.limits)
        self.processor.set_policies(self.policies)
        self.iserver.asyncio_transports.append(transport)
        self.clients.append(self)
        self._task = asyncio.create_task(self._process_received_message_loop())
        self._activation_watchdog_task = asyncio.create_task(self._activation_watchdog())

    def connection_lost(self, ex: BaseException | None) -> None:
        self._door.peers.leave(self.peer)
        super().connection_lost(ex)

    def pause_writing(self) -> None:
        self._refuse("answers that it does not read", "have it read each answer")

    def data_received(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        self._held += data
        while len(self._held) >= 8:
            size = int.from_bytes(self._held[4:8], "little")
            if why := self._fault_of(bytes(self._held[:28]), size):
                self._refuse(why, "check what connects there, and that it speaks OPC UA")
                return
            if len(self._held) < size:
                return
            frame = Buffer(bytes(self._held[:size]))
            del self._held[:size]
            try:
                self.messages.put_nowait((header_from_binary(frame), frame))
            except asyncio.QueueFull:
                self._refuse("too many requests at once", "have it wait for its answers")
                return

    def _fault_of(self, begin: bytes, size: int) -> str:
        """What is wrong with a message that begins so, "" when nothing is yet."""
        kind = begin[:3]
        if kind not in (b"HEL", b"OPN", b"MSG", b"CLO") or (kind == b"HEL") is self._greeted:
            return "no OPC UA message"
        least = 32 if kind == b"HEL" else 24
        if not least <= size <= _CHUNK:
            return f"a message of {'too few' if size < least else 'too many'} bytes"
        if kind == b"HEL" and len(begin) >= 20:
            self._greeted = True
            if min(struct.unpack("<II", begin[12:20])) < _LEAST_BUFFER:
                return "a Hello with too small buffers"
        return ""

    async def _process_one_msg(self, header: Any, buf: Any) -> bool:
        try:
            return bool(await super()._process_one_msg(header, buf))
        except Exception as e:  # of the channel: OPC 10000-6 says to end it
            self._refuse(f"a message that cannot be read ({type(e).__name__})", "check its security")
            return False

    def _refuse(self, what: str, remedy: str) -> None:
        self._held.clear()
        self._door.peers.refuse(self.peer.address, what, remedy)
        if self.transport is not None:
            self.transport.abort()


class _Processor(UaProcessor):  # type: ignore[misc]
    """Serves one connection's requests, after the door has let it in."""

    session: Any

    def __init__(self, door: OpcUaDoor, peer: ServerPeer, *given: Any) -> None:
        super().__init__(*given)
        self._door, self._peer, self._let_in = door, peer, False

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        kind = typeid.Identifier
        session = self.session
        try:
            if kind == _CREATE:
                await self._forget()
            self._check(kind, body)
            answer = await super()._process_message(typeid, requesthdr, seqhdr, body)
        except Exception as e:
            if kind in (_CREATE, _ACTIVATE):  # asyncua keeps the session that was refused
                made, self.session = self.session, session if kind == _ACTIVATE else None
                if kind == _CREATE and made is not None:
                    await made.close_session(True)
            remedy = "docs/opcua.md says who is let in, and what is served"
            self._door.peers.refuse(self._peer.address, _name_of(e), remedy)
            raise
        self._let_in = self._let_in or kind == _ACTIVATE
        self._peer.serve()
        return answer

    async def _forget(self) -> None:
        """End the session that another one follows on this connection."""
        old, self.session, self._let_in = self.session, None, False
        if self._session_watchdog_task is not None:
            self._session_watchdog_task.cancel()
        if old is not None:
            await old.close_session(True)

    def _check(self, kind: int, body: Any) -> None:
        if kind in _OPEN:
            return
        if kind in (_CREATE, _ACTIVATE):
            self._door.check(self._connection)
            return
        if not self._let_in or self.session is None or not self.session.is_activated():
            raise ServiceError(ua.StatusCodes.BadSessionNotActivated)
        if kind not in _SERVED:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        if kind == _WRITE and not self._door.peers.may_write(self._peer.address):
            raise ServiceError(ua.StatusCodes.BadResourceUnavailable)


def _name_of(error: Exception) -> str:
    """What an error of a request is called in the log."""
    code = error.code if isinstance(error, ServiceError | ua.UaStatusCodeError) else None
    return type(error).__name__ if code is None else ua.StatusCode(code).name
