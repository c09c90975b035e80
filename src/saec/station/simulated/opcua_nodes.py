"""A PLC's OPC UA server, with variables that both sides see."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from asyncua import Server, ua
from asyncua.common.callback import CallbackType

from saec.errors import MachineError
from saec.station.plc.opcua.opcua_server import OpcUaIdentity, OpcUaServer
from saec.station.simulated.wire import Wire

NAMESPACE = "urn:saec:simulated-plc"
"""The namespace of the variables; its number is 2."""


class NodeWrite(NamedTuple):
    """What a client has written by one request: values by name."""

    values: dict[str, Any]


class OpcUaNodes:
    """Variables ``ns=2;s=NAME`` of an OPC UA server in a thread of its own.

    Args:
        variables: their types and first values by name. Clients may not write one whose name begins with
            "locked".
        port: where it listens on 127.0.0.1; 0 takes a free one.
        identity: who it is, and whom it lets in; None lets in everybody.
        policies: the kinds of security that it offers.

    Attributes:
        wire: what can be cut or fall silent.
        writes: what clients have written, oldest first.

    Example:
        >>> with OpcUaNodes({"trigger": (ua.VariantType.Boolean, False)}) as plc:
        ...     plc.write({"trigger": True})
        ...     plc.read("trigger")
        True
    """

    def __init__(
        self,
        variables: Mapping[str, tuple[ua.VariantType, Any]],
        *,
        port: int = 0,
        identity: OpcUaIdentity | None = None,
        policies: tuple[ua.SecurityPolicyType, ...] = (ua.SecurityPolicyType.NoSecurity,),
    ) -> None:
        self.writes: list[NodeWrite] = []
        self._variables = dict(variables)
        self._ids = {name: ua.NodeId(name, 2) for name in variables}
        with socket.create_server(("127.0.0.1", 0)) as free:
            own: int = free.getsockname()[1]
        who = identity or OpcUaIdentity(name="simulated PLC", uri="urn:saec:simulated-server")
        self._server = OpcUaServer("127.0.0.1", own, who, policies, self._fill)
        self.wire = Wire(own, port=port)

    @property
    def address(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.wire.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, name: str) -> Any:
        """The value of a variable."""
        return self.read_all([name])[0]

    def read_all(self, names: Sequence[str]) -> list[Any]:
        """The values of variables, of one moment."""
        return self._server.values([self._ids[name] for name in names])

    def write(self, values: Mapping[str, Any]) -> None:
        """Set variables, all at once."""
        missing = set(values) - set(self._ids)
        if missing:
            raise MachineError(f"there is no variable {', '.join(sorted(missing))}", "name one of its own")
        typed = [(self._ids[name], ua.Variant(v, self._variables[name][0])) for name, v in values.items()]
        self._server.set_values(typed)

    def lose(self, name: str, code: int) -> None:
        """The server tells this status of a variable, as when it has lost the PLC behind it."""
        of_type, first = self._variables[name]
        told = ua.DataValue(ua.Variant(first, of_type), StatusCode=ua.StatusCode(code))
        self._server.call(self._server.server.write_attribute_value(self._ids[name], told))

    def forget(self) -> None:
        """Every variable has its first value again, as after a restart."""
        self.write({name: first for name, (_, first) in self._variables.items()})

    def close(self) -> None:
        self.wire.close()
        self._server.close()

    async def _fill(self, server: Server) -> None:
        space = await server.register_namespace(NAMESPACE)
        block = await server.nodes.objects.add_object(space, "Saec")
        for name, (of_type, first) in self._variables.items():
            node = await block.add_variable(self._ids[name], name, first, of_type)
            if not name.startswith("locked"):
                await node.set_writable()
        server.subscribe_server_callback(CallbackType.PostWrite, self._told)

    def _told(self, event: Any, _service: Any) -> None:
        if event.is_external:
            written = {
                item.NodeId.Identifier: item.Value.Value.Value for item in event.request_params.NodesToWrite
            }
            self.writes.append(NodeWrite(written))
