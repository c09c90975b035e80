"""The station's OPC UA server and clients that are broken, hostile or not let in, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.ua_binary import struct_from_binary

from saec.station.plc.opcua.opcua_certificates import load_certificate, make_certificate
from saec.station.plc.opcua.opcua_server_way import OpcUaServerWay
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from tests.station.plc.plc_bench import until


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    for name in ("station", "plc", "other"):
        certificate, key = make_certificate(f"urn:{name}", ["127.0.0.1"], days=3)
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
    return folder


def _settings(**given: Any) -> OpcUaPlc:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = f"opc.tcp://127.0.0.1:{port}"
    usual: dict[str, Any] = {
        "name": "cell",
        "line": "bolts",
        "source": "cam",
        "role": "server",
        "silence_s": 1e6,
        "peers": 4,
    }
    return OpcUaPlc(**usual, address=place, **given)


@pytest.fixture(scope="module")
def opened() -> Iterator[OpcUaServerWay]:
    way = OpcUaServerWay(_settings(), lambda: None)
    way.open()
    yield way
    way.close()


@pytest.fixture
def way(opened: OpcUaServerWay) -> OpcUaServerWay:
    opened._heard = None
    opened._peers._refused.clear()
    return opened


@pytest.fixture(scope="module")
def secured(files: Path) -> Iterator[OpcUaServerWay]:
    way = OpcUaServerWay(
        _settings(
            security="Basic256Sha256",
            certificate_file=files / "station.pem",
            key_file=files / "station.key",
            peer_certificate_file=files / "plc.pem",
        ),
        lambda: None,
    )
    way.open()
    yield way
    way.close()


def _raw(way: OpcUaServerWay) -> socket.socket:
    place = way._s.host_and_port()
    assert place is not None
    return socket.create_connection(place, timeout=5)


def _hello(receive: int = 65_535, send: int = 65_535) -> bytes:
    return b"HELF" + struct.pack("<I5Ii", 32, 0, receive, send, 0, 0, -1)


def _was_ended(one: socket.socket) -> bool:
    try:
        while one.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


async def _write(client: Client, name: str, value: ua.DataValue) -> ua.StatusCode:
    """Write past what asyncua's client checks of itself."""
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = [
        ua.WriteValue(ua.NodeId(f"reads.{name}", 2), ua.AttributeIds.Value, Value=value)
    ]
    client.uaclient.protocol.pre_request_hook = None
    answer = await client.uaclient.protocol.send_request(request)
    return struct_from_binary(ua.WriteResponse, answer).Results[0]


TRUE = ua.DataValue(ua.Variant(True))


@pytest.mark.parametrize("told", [None, "other", "plc"])
@pytest.mark.parametrize("certificate", [None, "other"])
@pytest.mark.parametrize("activates", [True, False])
def test_nobody_writes_a_trigger_without_the_certificate_that_is_trusted(
    files: Path, secured: OpcUaServerWay, certificate: str | None, told: str | None, activates: bool
) -> None:
    async def attack() -> None:
        client = Client(secured._s.address, timeout=5)
        if certificate is not None:
            await client.set_security(
                SecurityPolicyBasic256Sha256,
                CertProperties(load_certificate(files / f"{certificate}.pem"), "der"),
                CertProperties((files / f"{certificate}.key").read_bytes(), "pem"),
                server_certificate=CertProperties(load_certificate(files / "station.pem"), "der"),
            )
        try:
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            asked = ua.CreateSessionParameters(EndpointUrl=secured._s.address, RequestedSessionTimeout=6e4)
            asked.ClientNonce = b"n" * 32
            asked.ClientCertificate = None if told is None else load_certificate(files / f"{told}.pem")
            with pytest.raises(ua.UaStatusCodeError):
                await client.uaclient.create_session(asked)
            if activates:
                signed = ua.ActivateSessionParameters(UserIdentityToken=ua.AnonymousIdentityToken())
                with pytest.raises(ua.UaStatusCodeError):
                    await client.uaclient.activate_session(signed)
            with pytest.raises(ua.UaStatusCodeError):
                await _write(client, "trigger", TRUE)
        finally:
            client.disconnect_socket()

    asyncio.run(attack())
    assert secured.read() is None
    assert secured.refused()


def _as_client(way: OpcUaServerWay, work: Callable[[Client], Any]) -> Any:
    async def run() -> Any:
        async with Client(way._s.address, timeout=5) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "value",
    [
        ua.DataValue(ua.Variant("true")),
        ua.DataValue(ua.Variant(1, ua.VariantType.UInt16)),
        ua.DataValue(ua.Variant([True, True], ua.VariantType.Boolean)),
        ua.DataValue(ua.Variant(None)),
        ua.DataValue(ua.Variant(True), StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure)),
        ua.DataValue(ua.Variant(True), StatusCode=ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)),
    ],
)
def test_only_a_good_boolean_is_a_trigger(way: OpcUaServerWay, value: ua.DataValue) -> None:
    _as_client(way, lambda client: _write(client, "trigger", value))
    seen = way.read()
    assert seen is None or not seen.trigger
    _as_client(way, lambda client: _write(client, "trigger", ua.DataValue(ua.Variant(False))))


def test_a_text_of_any_length_is_no_part(way: OpcUaServerWay) -> None:
    _as_client(way, lambda client: _write(client, "part", ua.DataValue(ua.Variant("x" * 100_000))))
    seen = way.read()
    assert seen is not None
    assert seen.part == ""
    assert len(seen.bad) < 200
    _as_client(way, lambda client: _write(client, "part", ua.DataValue(ua.Variant("A"))))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HELF" + struct.pack("<I", 0xFFFFFFFF),
        b"HELF" + struct.pack("<I", 8),
        b"HELF" + struct.pack("<I", 0),
        _hello(receive=0),
        _hello(receive=1),
        _hello(send=1),
        _hello() + _hello(),
        _hello() + b"MSGF" + struct.pack("<I", 0xFFFFFFF0),
        _hello() + b"MSGF" + struct.pack("<I", 12),
        _hello() + b"MSGF" + struct.pack("<I4I", 24, 0, 0, 1, 1) + b"\0" * 24,
        _hello() + b"OPNF" + struct.pack("<I", 64) + b"\xff" * 56,
        b"MSGF" + struct.pack("<I4I", 28, 0, 0, 1, 1) + b"\0" * 4,
        b"\xff" * 100_000,
    ],
)
def test_what_is_no_message_ends_the_connection(way: OpcUaServerWay, data: bytes) -> None:
    one = _raw(way)
    one.sendall(data)
    assert _was_ended(one)
    assert sum(way.refused().values()) >= 1
    assert way.read() is None


def test_a_flood_of_chunks_that_never_end_is_bounded(way: OpcUaServerWay) -> None:
    async def flood(client: Client) -> None:
        part = b"\0" * 60_000
        held = client.uaclient.protocol
        for number in range(2, 400):
            head = struct.pack("<4I", held._connection.security_token.ChannelId, 1, 10_000 + number, 9)
            held.transport.write(b"MSGC" + struct.pack("<I", 8 + len(head) + len(part)) + head + part)
        await asyncio.wait_for(_closed(held), 5)

    async def _closed(held: Any) -> None:
        while held.transport is not None:
            await asyncio.sleep(0.01)

    with contextlib.suppress(ua.UaError, OSError):  # of the farewell on a connection that has ended
        _as_client(way, flood)
    assert way.refused()


def test_a_plc_keeps_its_place_among_hundreds_that_only_connect(way: OpcUaServerWay) -> None:
    async def work(client: Client) -> Any:
        await _write(client, "heartbeat", ua.DataValue(ua.Variant(1, ua.VariantType.UInt16)))
        idle = [_raw(way) for _ in range(100)]
        code = await _write(client, "heartbeat", ua.DataValue(ua.Variant(2, ua.VariantType.UInt16)))
        for one in idle:
            one.close()
        return code

    assert _as_client(way, work).is_good()
    assert way.refused()["places"] >= 90
    until(lambda: len(way._peers) == 0)


def test_sessions_on_one_connection_do_not_pile_up(way: OpcUaServerWay) -> None:
    server = way._server
    assert server is not None

    async def work(client: Client) -> int:
        for _ in range(30):
            asked = ua.CreateSessionParameters(EndpointUrl=way._s.address, RequestedSessionTimeout=6e4)
            asked.ClientNonce = b"n" * 32
            request = ua.CreateSessionRequest(Parameters=asked)
            await client.uaclient.protocol.send_request(request)
        return len(server.server.iserver._external_sessions)

    async def run() -> int:
        client = Client(way._s.address, timeout=5)
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        try:
            return await work(client)
        finally:
            client.disconnect_socket()

    assert asyncio.run(run()) == 1


def test_subscriptions_and_what_they_watch_are_bounded(way: OpcUaServerWay) -> None:
    async def subscribe(client: Client) -> None:
        shortest = await client.create_subscription(0.01, _Deaf())
        node = client.get_node(ua.NodeId("writes.heartbeat", 2))
        with pytest.raises(ua.UaStatusCodeError):
            await shortest.subscribe_data_change([node] * 1001)
        for _ in range(31):
            await client.create_subscription(1000, _Deaf())
        with pytest.raises(ua.UaStatusCodeError):
            await client.create_subscription(1000, _Deaf())

    _as_client(way, subscribe)
    server = way._server
    assert server is not None
    until(lambda: not server.server.iserver.subscription_service.subscriptions)


class _Deaf:
    """A handler that takes what it is told."""


def test_no_client_changes_the_nodes_or_lists_servers(way: OpcUaServerWay) -> None:
    async def ask(client: Client) -> None:
        for request in (ua.RegisterServerRequest(), ua.DeleteNodesRequest(), ua.CallRequest()):
            with pytest.raises(ua.UaStatusCodeError):
                await client.uaclient.protocol.send_request(request)

    _as_client(way, ask)
    assert way.refused()["BadServiceUnsupported"] == 3


def test_only_the_clients_that_are_named_connect() -> None:
    way = OpcUaServerWay(_settings(clients=["127.0.0.2"]), lambda: None)
    way.open()
    assert _was_ended(_raw(way))
    assert way.refused() == {"address": 1}
    way.close()


def test_it_ends_at_once_with_clients_that_never_close() -> None:
    way = OpcUaServerWay(_settings(), lambda: None)
    way.open()
    held = [_raw(way) for _ in range(4)]
    held[0].sendall(_hello()[:9])
    began = time.monotonic()
    way.close()
    assert time.monotonic() - began < 5
    assert all(_was_ended(one) for one in held)


def test_addresses_that_are_none_are_a_fault() -> None:
    wrong = _settings(clients=["plc-1"])
    assert [fault[0] for fault in wrong.faults()] == ["clients"]
    assert [fault[0] for fault in msgspec.structs.replace(wrong, clients=["::1"]).faults()] == []
