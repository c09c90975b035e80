"""A PLC over OPC UA: the station has a server of its own, which the PLC reads and writes as a client."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from saec.errors import ExtraError, MachineError
from saec.station.plc.opcua.machine_vision import VisionResult, VisionStates, vision_result, vision_states
from saec.station.plc.opcua.opcua_texts import texts_checked
from saec.station.plc.server_peers import ServerPeers
from saec.station.plc.signal_mapping import (
    READ_TYPES,
    WRITE_TYPES,
    ordered_changes,
    plc_signals,
    station_values,
)
from saec.station.plc.signal_types import SignalValue
from saec.station.plc.signals import PlcSignals, StationSignals
from saec.texts import read_secret

try:
    from asyncua import Server, ua
    from asyncua.common.callback import CallbackType

    from saec.station.plc.opcua.opcua_certificates import check_pair, load_certificate, load_key
    from saec.station.plc.opcua.opcua_server import OpcUaIdentity, OpcUaServer
except ImportError as e:
    raise ExtraError(e.name or "asyncua", "opcua") from e

if TYPE_CHECKING:
    from saec.station.plc.opcua.opcua_settings import OpcUaPlc
    from saec.station.plc.plc_settings import Wake

NAMESPACE = "urn:saec:station"
"""The namespace of the station's nodes; its number is 2."""

_TYPES = {
    "bool": ua.VariantType.Boolean,
    "uint16": ua.VariantType.UInt16,
    "uint32": ua.VariantType.UInt32,
    "string32": ua.VariantType.String,
}
_FIRST: dict[str, SignalValue] = {"bool": False, "string32": ""}
_NOT_SHOWN = "check"
"""OPC UA tells the type of each value, so that no order of bytes has to be checked."""


class OpcUaServerWay:
    """Variables that the PLC writes, and others that it reads; the newest of each stand here.

    The PLC has to write within each ``silence_s``, as its heartbeat. What a PLC has written that then went
    away is believed no longer.

    Args:
        wake: called when the PLC has written.

    Raises:
        ConfigError: a file of the settings holds no certificate, key or password.
    """

    def __init__(self, settings: OpcUaPlc, wake: Wake) -> None:
        s = settings
        self._s, self._wake = s, wake
        password = "" if s.password_file is None else read_secret(s.password_file)
        peer = s.peer_certificate_file
        self._identity = OpcUaIdentity(
            name=f"saec {s.name}",
            uri=f"urn:saec:station:{s.name}",
            certificate=None if s.certificate_file is None else load_certificate(s.certificate_file),
            key=None if s.key_file is None else load_key(s.key_file),
            clients=() if peer is None else (load_certificate(peer),),
            users=None if s.user is None else {s.user: password},
        )
        if self._identity.certificate is not None and self._identity.key is not None:
            check_pair(self._identity.certificate, self._identity.key, s.certificate_file, s.key_file)
        self._peers = ServerPeers(s.name, s.peers, s.clients, s.silence_s)
        self._server: OpcUaServer | None = None
        self._lock = threading.Lock()
        self._told: dict[str, SignalValue] = {}
        self._heard: float | None = None
        self._written: dict[str, SignalValue] | None = None
        self._states: VisionStates | None = None
        self._result: VisionResult | None = None

    def open(self) -> None:
        self.close()
        place = self._s.host_and_port()
        if place is None:
            raise MachineError(f"{self._s.address} is not an address", "give opc.tcp://HOST:PORT")
        self._told = {name: _FIRST.get(kind, 0) for name, kind in READ_TYPES.items() if name != _NOT_SHOWN}
        self._server = OpcUaServer(*place, self._identity, (_policy(self._s),), self._fill, self._peers)

    def read(self) -> PlcSignals | None:
        with self._lock:
            if self._heard is None or time.monotonic() - self._heard > self._s.silence_s:
                self._heard = None  # an old Trigger is none: the PLC has to write anew
                return None
            values = dict(self._told)
        return plc_signals(*texts_checked(values))

    def standing(self) -> StationSignals | None:
        return None

    def write(self, signals: StationSignals) -> None:
        server = self._server
        if server is None:
            raise MachineError(f"{self._s.address}: no server", "open it first")
        values = {name: v for name, v in station_values(signals).items() if name != _NOT_SHOWN}
        told = [
            (_node("writes", name), ua.Variant(value, _TYPES[WRITE_TYPES[name]]))
            for group in ordered_changes(self._written, values)
            for name, value in group.items()
        ]
        told += self._vision(signals)
        if told:
            server.set_values(told)
        self._written = values

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        with self._lock:
            self._heard = None
        self._written = self._states = self._result = None

    def refused(self) -> dict[str, int]:
        return self._peers.refused()

    def _vision(self, signals: StationSignals) -> list[tuple[Any, Any]]:
        """What changes of the states and the result after OPC 40100-1."""
        told: list[tuple[Any, Any]] = []
        states, result = vision_states(signals), vision_result(signals)
        if result is not None and result != self._result:
            told += _result_values(result)
            self._result = result
        if states != self._states:
            told += _state_values(states)
            self._states = states
        return told

    # in the server's thread

    async def _fill(self, server: Server) -> None:
        space = await server.register_namespace(NAMESPACE)
        root = await server.nodes.objects.add_object(space, f"Saec_{self._s.name}")
        for key, types in (("reads", READ_TYPES), ("writes", WRITE_TYPES)):
            folder = await root.add_folder(space, key)
            for name, kind in types.items():
                if name == _NOT_SHOWN:
                    continue
                first = _FIRST.get(kind, 0)
                node = await folder.add_variable(_node(key, name), f"{space}:{name}", first, _TYPES[kind])
                if key == "reads":
                    await node.set_writable()
        system = await root.add_object(space, "VisionSystem")
        machine = await system.add_object(space, "VisionStateMachine")
        automatic = await machine.add_object(space, "AutomaticModeStateMachine")
        for parent, (node, first) in zip(
            (machine, automatic), _state_values(vision_states(None)), strict=True
        ):
            await parent.add_variable(node, f"{space}:CurrentState", first)
        results = await (await system.add_object(space, "ResultManagement")).add_folder(space, "Results")
        latest = await results.add_object(space, "LatestResult")
        for node, first in _result_values(None):
            await latest.add_variable(node, f"{space}:{node.Identifier.rpartition('.')[2]}", first)
        server.subscribe_server_callback(CallbackType.PostWrite, self._told_by_client)

    def _told_by_client(self, event: Any, _service: Any) -> None:
        if not event.is_external:
            return
        told: dict[str, SignalValue] = {}
        for item, code in zip(event.request_params.NodesToWrite, event.response_params, strict=True):
            key, _, name = str(item.NodeId.Identifier).partition(".")
            if key == "reads" and name in self._told and code.is_good():
                told[name] = _told_value(name, item.Value)
        if not told:
            return  # what was refused says nothing of the PLC
        with self._lock:
            self._told |= told
            self._heard = time.monotonic()
        self._wake()


def _told_value(name: str, told: Any) -> SignalValue:
    """What a client has written; a value that is bad, an array or of another type is the first one."""
    first = _FIRST.get(READ_TYPES[name], 0)
    value = told.Value.Value if told.Value is not None else None
    good = told.StatusCode is None or told.StatusCode.is_good()
    return value if good and type(value) is type(first) else first


def _node(key: str, name: str) -> Any:
    return ua.NodeId(f"{key}.{name}", 2)


def _policy(settings: OpcUaPlc) -> Any:
    if settings.security == "none":
        return ua.SecurityPolicyType.NoSecurity
    mode = "SignAndEncrypt" if settings.encrypt else "Sign"
    return ua.SecurityPolicyType[f"{settings.security}_{mode}"]


def _state_values(states: VisionStates) -> list[tuple[Any, Any]]:
    kind = ua.VariantType.LocalizedText
    return [
        (_node("vision", "CurrentState"), ua.Variant(ua.LocalizedText(states.system), kind)),
        (_node("vision", "AutomaticModeStateMachine"), ua.Variant(ua.LocalizedText(states.automatic), kind)),
    ]


def _result_values(result: VisionResult | None) -> list[tuple[Any, Any]]:
    types = ua.VariantType
    state, content = (0, (0, 0, 0)) if result is None else (int(result.state), result.content)
    texts = (
        ("",) * 4 if result is None else (result.result_id, result.job_id, result.part_id, result.recipe_id)
    )
    told: list[tuple[str, Any]] = [
        *zip(("ResultId", "JobId", "PartId", "InternalRecipeId"), map(_text, texts), strict=True),
        ("IsPartial", ua.Variant(False, types.Boolean)),
        ("CreationTime", ua.Variant(datetime.now(UTC), types.DateTime)),
        ("ResultContent", ua.Variant(list(content), types.UInt16)),
        ("ResultState", ua.Variant(state, types.Int32)),
    ]
    return [(_node("result", name), value) for name, value in told]


def _text(text: str) -> Any:
    return ua.Variant(text, ua.VariantType.String)
