"""A session at an OPC UA server for one thread, which asks and waits for each answer.

Values are read by polling. A subscription tells a change no sooner than its publishing interval, which a
PLC's server sets to 100 ms and more; and a session that died tells nothing, so that the last values would
stand. A poll that is not answered is an error at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties

from saec.connecting import why
from saec.errors import ConfigError, LinkError, MachineError, SaecError
from saec.station.plc.opcua.opcua_certificates import check_pair, load_certificate, load_key, uri_of
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.signal_types import SignalValue, part_number
from saec.texts import read_secret

_FAREWELL = 0.5
"""Seconds for a server to be told goodbye."""

_POLICIES: Mapping[str, type[security_policies.SecurityPolicy]] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}

_CERTIFICATE = "trust the station's certificate at the server; docs/opcua.md says how"
_USER = "check user, password_file and what the server allows this user"
_REFUSALS = {
    "BadCertificateUntrusted": ("it does not trust the station's certificate", _CERTIFICATE),
    "BadSecurityChecksFailed": ("it does not trust the station's certificate", _CERTIFICATE),
    "BadCertificateInvalid": ("it does not take the station's certificate", _CERTIFICATE),
    "BadCertificateUriInvalid": ("the certificate is for another application URI", "make a new certificate"),
    "BadCertificateTimeInvalid": (
        "the station's certificate is not valid today",
        "renew it; check the clock",
    ),
    "BadSecurityPolicyRejected": ("it does not offer this security", "check security and encrypt"),
    "BadSecurityModeRejected": ("it does not offer this security", "check security and encrypt"),
    "BadIdentityTokenRejected": ("it refuses user or password", _USER),
    "BadIdentityTokenInvalid": ("it refuses user or password", _USER),
    "BadUserAccessDenied": ("it refuses user or password", _USER),
}
"""What a server says that will not pass by itself."""

_NODES = {
    "BadNodeIdUnknown": ("there is no such node", "correct the node id; an OPC UA browser shows it"),
    "BadNodeIdInvalid": ("there is no such node", "correct the node id; an OPC UA browser shows it"),
    "BadAttributeIdInvalid": ("it is no variable", "name the variable's own node"),
    "BadNotReadable": ("it may not be read", "let the server's users read it"),
    "BadNotWritable": ("it may not be written", "let the server's users write it"),
    "BadUserAccessDenied": ("this user may not do that", "give the user of the settings that right"),
    "BadTypeMismatch": ("it is of another type", "restart the station when the PLC's types have changed"),
    "BadOutOfRange": ("it does not take this value", "use a wider type"),
}
"""What a server says of one node that will not pass by itself."""

_NUMBERS: Mapping[ua.VariantType, tuple[int, int]] = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
"""The types of whole numbers, with the least and the greatest."""

_Answer = TypeVar("_Answer")


class OpcUaNode(NamedTuple):
    """A variable of the server.

    Attributes:
        text: its node id, as the settings have it.
        id: the same, with this server's number of the namespace.
        type: the type of its values.
    """

    text: str
    id: ua.NodeId
    type: ua.VariantType

    @property
    def holds(self) -> type[SignalValue] | None:
        """What Python type its values are of; None for a type that is no signal's."""
        if self.type in _NUMBERS:
            return int
        return {ua.VariantType.Boolean: bool, ua.VariantType.String: str}.get(self.type)

    def value_of(self, value: SignalValue) -> SignalValue:
        """A signal's value as one of its type; a Boolean is true where a number is odd.

        Raises:
            MachineError: its type does not hold the value.
        """
        if self.holds is str:
            return str(value)
        if isinstance(value, str):
            value = part_number(value)
        if self.holds is bool:
            return bool(value & 1)
        least, most = _NUMBERS[self.type]
        if not least <= value <= most:
            raise MachineError(f"{self.text} cannot hold {value}: it is {self.type.name}", "use a wider type")
        return value


class OpcUaSession:
    """A session at the server of the settings; made anew by ``open``.

    Raises:
        ConfigError: a file of the settings holds no certificate, key or password.
    """

    def __init__(self, settings: OpcUaPlc) -> None:
        s = settings
        self._settings = s
        self._password = None if s.password_file is None else read_secret(s.password_file)
        self._own = None if s.certificate_file is None else load_certificate(s.certificate_file)
        self._key = None if s.key_file is None else load_key(s.key_file)
        self._server = None if s.peer_certificate_file is None else load_certificate(s.peer_certificate_file)
        if self._own is not None and self._key is not None:
            check_pair(self._own, self._key, s.certificate_file, s.key_file)
        self._runner: asyncio.Runner | None = None
        self._client: Client | None = None
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what it logs is raised here

    def open(self) -> None:
        """Connect, with a session of its own.

        Raises:
            LinkError: there is no server, or it has no session left.
            MachineError: it does not let this station in.
        """
        self.close()
        self._runner = asyncio.Runner()
        try:
            self._call(asyncio.wait_for(self._connected(), 3 * self._settings.timeout_s))
        except SaecError as e:
            explained = self._explained(e)
            self.close()
            raise explained from e

    def nodes(self, texts: Sequence[str]) -> list[OpcUaNode]:
        """Find variables, with the types of their values.

        Raises:
            MachineError: there is no such variable, or it may not be read.
        """
        spaces: list[str] = self._call(self._connected_client().get_namespace_array())
        ids = [self._id(text, spaces) for text in texts]
        types = self._read_attributes(ids, ua.AttributeIds.DataType)
        values = self._read_attributes(ids, ua.AttributeIds.Value)
        return [
            OpcUaNode(text, node, self._type(text, of_node, value))
            for text, node, of_node, value in zip(texts, ids, types, values, strict=True)
        ]

    def may_write(self, nodes: Sequence[OpcUaNode]) -> list[bool]:
        """Which of the nodes the server lets this user write."""
        found = self._read_attributes([node.id for node in nodes], ua.AttributeIds.UserAccessLevel)
        bit = 1 << ua.AccessLevel.CurrentWrite
        return [bool((value.Value.Value if value.Value else 0) & bit) for value in found]

    def read(self, nodes: Sequence[OpcUaNode]) -> list[Any]:
        """The values of variables, by one request, as the server has them now.

        Raises:
            LinkError: no answer, or the server itself has lost what it tells of.
            MachineError: a variable is gone, or is of another type than before.
        """
        found = self._read_attributes([node.id for node in nodes], ua.AttributeIds.Value)
        return [self._value(node, value) for node, value in zip(nodes, found, strict=True)]

    def write(self, values: Sequence[tuple[OpcUaNode, Any]]) -> None:
        """Write variables, by one request.

        Raises:
            LinkError: no answer; what was written is then unknown.
            MachineError: the server does not take a value.
        """
        request = ua.WriteParameters()
        for node, value in values:
            told = ua.DataValue(ua.Variant(value, node.type))
            request.NodesToWrite.append(ua.WriteValue(node.id, ua.AttributeIds.Value, Value=told))
        codes = self._call(self._connected_client().uaclient.session.write(request))
        for (node, _), code in zip(values, codes, strict=True):
            if not code.is_good():
                self._refuse_node(node.text, code.name)

    def close(self) -> None:
        """End the session at the server, where it still answers; never raises."""
        runner, client = self._runner, self._client
        self._runner = self._client = None
        if runner is None:
            return
        if client is not None:
            with contextlib.suppress(Exception):
                runner.run(asyncio.wait_for(client.disconnect(), _FAREWELL))
            client.disconnect_socket()
        with contextlib.suppress(Exception):
            runner.close()

    async def _connected(self) -> None:
        s = self._settings
        client = Client(s.address, timeout=s.timeout_s)
        client.name = client.description = f"saec {s.name}"
        client.session_timeout = int(1000 * s.session_s)
        if self._own is not None:
            client.application_uri = uri_of(self._own)
        if s.security != "none":
            await self._secure(client)
        if s.user is not None:
            client.set_user(s.user)
            client.set_password(self._password or "")
        self._client = client
        await client.connect()

    async def _secure(self, client: Client) -> None:
        if self._own is None or self._key is None or self._server is None:
            what = "security needs three files"
            raise ConfigError(what, "set certificate_file, key_file and peer_certificate_file")
        modes = ua.MessageSecurityMode
        await client.set_security(
            _POLICIES[self._settings.security],
            CertProperties(self._own, "der"),
            CertProperties(self._key, "der"),
            server_certificate=CertProperties(self._server, "der"),
            mode=modes.SignAndEncrypt if self._settings.encrypt else modes.Sign,
        )

    def _explained(self, error: SaecError) -> SaecError:
        """Why there was no session, as far as the server tells it to everybody.

        A server hangs up, or is silent, where a client asks for a security that it does not offer, or uses a
        certificate that is not its own.
        """
        cause, secured = error.__cause__, self._settings.security != "none"
        refused = isinstance(cause, ConnectionRefusedError | socket.gaierror)
        if self._runner is None or refused or not (secured or isinstance(cause, ua.UaError)):
            return error
        asked = Client(self._settings.address, timeout=self._settings.timeout_s)
        try:
            offers = self._runner.run(asked.connect_and_get_server_endpoints())
        except Exception:
            return error
        told = {_security_of(offer): offer for offer in offers}
        wanted = self._settings.security, secured and self._settings.encrypt
        where = self._settings.address
        if wanted not in told:
            words = [f'security = "{name}", encrypt = {str(on).lower()}' for name, on in sorted(told)]
            return MachineError(f"{where}: it does not offer this security", f"it offers {'; '.join(words)}")
        shown = told[wanted].ServerCertificate or b""  # its chain may follow
        if secured and not shown.startswith(self._server or b"-"):
            what = f"{where}: its certificate is not that of peer_certificate_file"
            return MachineError(what, "check that it is the right server, and get its certificate anew")
        return error

    def _connected_client(self) -> Client:
        if self._client is None:
            raise LinkError(f"{self._settings.address}: not connected", "open it first")
        return self._client

    def _id(self, text: str, spaces: Sequence[str]) -> ua.NodeId:
        if text.startswith("nsu="):
            uri, _, rest = text[4:].partition(";")
            if uri not in spaces:
                known = ", ".join(spaces)
                raise MachineError(f"{text}: the server has no namespace {uri}", f"it has {known}")
            text = f"ns={spaces.index(uri)};{rest}"
        try:
            return ua.NodeId.from_string(text)
        except ua.UaError as e:
            raise MachineError(f"{text}: no node id", 'write it as ns=3;s="Block"."Name" or ns=2;i=42') from e

    def _type(self, text: str, of_node: ua.DataValue, value: ua.DataValue) -> ua.VariantType:
        """The type of a variable: that of its value, or else the one that the node states."""
        for found in (of_node, value):
            self._check(text, found)
        if value.Value is not None and value.Value.VariantType != ua.VariantType.Null:
            if value.Value.is_array:
                raise MachineError(f"{text}: it is an array", "name one element of it")
            return value.Value.VariantType
        stated = of_node.Value.Value if of_node.Value is not None else None
        if (
            isinstance(stated, ua.NodeId)
            and stated.NamespaceIndex == 0
            and isinstance(stated.Identifier, int)
        ):
            with contextlib.suppress(ValueError):
                return ua.VariantType(stated.Identifier)
        raise MachineError(f"{text}: it has no value and no type of its own", "give it a first value")

    def _read_attributes(self, ids: Sequence[ua.NodeId], attribute: ua.AttributeIds) -> list[ua.DataValue]:
        request = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Neither)
        request.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in ids]
        return self._call(self._connected_client().uaclient.session.read(request))

    def _value(self, node: OpcUaNode, found: ua.DataValue) -> Any:
        self._check(node.text, found)
        value = found.Value
        if value is None or value.VariantType != node.type:
            now = "nothing" if value is None else value.VariantType.name
            raise MachineError(
                f"{node.text}: it was {node.type.name} and is {now} now", "correct the PLC's program"
            )
        return value.Value

    def _check(self, text: str, found: ua.DataValue) -> None:
        code = found.StatusCode
        if code is not None and not code.is_good():
            self._refuse_node(text, code.name)

    def _refuse_node(self, text: str, code: str) -> NoReturn:
        """What a server says of a node: it cannot be, or the server has lost what it tells of.

        A value that is uncertain is the last one before that, and so is none.
        """
        if code in _NODES:
            what, remedy = _NODES[code]
            raise MachineError(f"{text}: {what} ({code})", remedy)
        raise LinkError(
            f"{text}: the server has no value of now ({code})", "check the server and the PLC behind it"
        )

    def _call(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        if self._runner is None:
            work.close()
            raise LinkError(f"{self._settings.address}: not connected", "open it first")
        try:
            return self._runner.run(work)
        except SaecError:
            raise
        except Exception as e:
            raise self._error(e) from e

    def _error(self, e: Exception) -> SaecError:
        where, name = self._settings.address, type(e).__name__
        if name in _REFUSALS:
            what, remedy = _REFUSALS[name]
            return MachineError(f"{where}: {what} ({name})", remedy)
        if name == "BadTooManySessions":
            remedy = "end other clients, or wait until the server ends sessions that nobody uses"
            return LinkError(f"{where}: the server has no session left", remedy)
        if isinstance(e, ua.UaStatusCodeError):
            return LinkError(f"{where}: the server says {name}", "check the server")
        what, remedy = why(e)
        return LinkError(f"{where}: {what}", remedy.replace("TLS", "OPC UA"))


def _security_of(offer: ua.EndpointDescription) -> tuple[str, bool]:
    """What an endpoint offers: the policy's name as in the settings, and whether it encrypts."""
    name = str(offer.SecurityPolicyUri).rpartition("#")[2].replace("_", "")
    return "none" if name == "None" else name, offer.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
