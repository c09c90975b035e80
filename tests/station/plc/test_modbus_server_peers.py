"""The station's Modbus server and clients that are broken or hostile, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from saec.errors import MachineError
from saec.station.plc import modbus_frames
from saec.station.plc.modbus_server import ModbusServerWay
from saec.station.plc.modbus_settings import ModbusPlc
from saec.station.plc.signals import PlcResult, ResultLabel, StationSignals
from tests.station.plc.plc_bench import until

BUSY = StationSignals(busy=True, heartbeat=7, result=PlcResult(number=9, label=ResultLabel.NONE, part="A"))


class RawClient:
    """A Modbus client that sends what a test says."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def frame(self, pdu: bytes, *, transaction: int = 1, protocol: int = 0, unit: int = 1) -> bytes:
        return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + pdu

    def ask(self, pdu: bytes, **header: int) -> bytes:
        """The answer to a request, from its function code on."""
        self.send(self.frame(pdu, **header))
        return self.answer()[1]

    def answer(self) -> tuple[int, bytes]:
        transaction, _, length = struct.unpack(">HHH", self._received(6))
        return transaction, self._received(length)[1:]

    def _received(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            assert more, "the server has ended the connection"
            found += more
        return found

    def was_ended(self) -> bool:
        try:
            return self.socket.recv(4096) == b""
        except ConnectionError:
            return True


@pytest.fixture
def settings() -> ModbusPlc:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return ModbusPlc(
        name="cell",
        line="bolts",
        source="cam",
        role="server",
        host="127.0.0.1",
        port=port,
        timeout_s=60.0,
        silence_s=60.0,
        peers=4,
    )


Opened = Callable[..., ModbusServerWay]


@pytest.fixture
def opened(settings: ModbusPlc) -> Iterator[Opened]:
    ways: list[ModbusServerWay] = []

    def open_way(**changed: object) -> ModbusServerWay:
        ways.append(ModbusServerWay(msgspec.structs.replace(settings, **changed), lambda: None))
        ways[-1].open()
        return ways[-1]

    yield open_way
    for way in ways:
        way.close()


@pytest.fixture
def way(opened: Opened) -> ModbusServerWay:
    return opened()


@pytest.fixture
def client(settings: ModbusPlc, way: ModbusServerWay) -> RawClient:
    return RawClient(settings.port)


def _write(first: int, *words: int) -> bytes:
    return struct.pack(f">BHHB{len(words)}H", 16, first, len(words), 2 * len(words), *words)


def _read(first: int, count: int) -> bytes:
    return struct.pack(">BHH", 3, first, count)


def _words(answer: bytes) -> list[int]:
    return list(struct.unpack(f">{answer[1] // 2}H", answer[2:]))


def test_a_plc_writes_its_signals_and_reads_the_stations(way: ModbusServerWay, client: RawClient) -> None:
    way.write(BUSY)
    assert client.ask(_write(0, 1, 5, 3)) == struct.pack(">BHH", 16, 0, 3)
    seen = way.read()
    assert seen is not None
    assert (seen.trigger, seen.heartbeat, seen.recipe) == (True, 5, 3)
    assert _words(client.ask(_read(100, 8))) == [2, 7, 0, 0, 0, 0, 0, 9]
    assert _words(client.ask(_read(0, 3))) == [1, 5, 3]
    assert client.ask(struct.pack(">BHH", 6, 2, 4)) == struct.pack(">BHH", 6, 2, 4)
    assert client.ask(struct.pack(">BHHH", 22, 0, 0, 2))[0] == 22
    both = struct.pack(">BHHHHBH", 23, 0, 3, 1, 1, 2, 6)
    assert _words(client.ask(both)) == [2, 6, 4]


def test_requests_in_one_segment_and_in_single_bytes_are_all_answered(
    way: ModbusServerWay, client: RawClient
) -> None:
    frames = [client.frame(_write(1, 10 + i), transaction=i + 1) for i in range(5)]
    client.send(b"".join(frames))
    assert [client.answer()[0] for _ in frames] == [1, 2, 3, 4, 5]
    for byte in client.frame(_write(1, 99), transaction=6):
        client.send(bytes([byte]))
    assert client.answer()[0] == 6
    seen = way.read()
    assert seen is not None
    assert seen.heartbeat == 99


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (struct.pack(">BHH", 8, 4, 0), 1),  # listen only
        (struct.pack(">BBBB", 43, 14, 1, 0), 1),  # who are you
        (struct.pack(">BHH", 1, 0, 1), 1),  # coils
        (struct.pack(">BHH", 5, 0, 0xFF00), 1),
        (b"\xff", 1),
        (_read(0, 0), 3),
        (_read(0, 126), 3),
        (_read(0, 1) + b"\0", 3),
        (b"\x03\0", 3),
        (struct.pack(">BHHB", 16, 0, 2, 4) + b"\0", 3),
        (struct.pack(">BHHBH", 16, 0, 2, 2, 1), 3),
        (_read(9_999, 2), 2),
        (_write(65_535, 1), 2),
        (_write(99, 1, 1), 2),  # into the station's bits
        (_write(102, 0), 2),
        (struct.pack(">BHHH", 22, 100, 0, 4), 2),
        (struct.pack(">BHHHHBH", 23, 0, 1, 103, 1, 2, 1), 2),
    ],
)
def test_what_is_not_offered_has_an_exception_and_changes_nothing(
    way: ModbusServerWay, client: RawClient, request_: bytes, code: int
) -> None:
    way.write(BUSY)
    answer = client.ask(request_)
    assert (answer[0] & 0x80, answer[1]) == (0x80, code)
    assert way.read() is None
    assert _words(client.ask(_read(100, 4))) == [2, 7, 0, 0]
    assert sum(way.refused().values()) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        struct.pack(">HHHB", 1, 7, 6, 1) + _read(0, 1),
        struct.pack(">HHHB", 1, 0, 0, 1),
        struct.pack(">HHHB", 1, 0, 1, 1),
        struct.pack(">HHHB", 1, 0, 255, 1),
        struct.pack(">HHHB", 1, 0, 65_535, 1),
        b"\xff" * 5_000,
    ],
)
def test_what_is_no_frame_ends_the_connection(
    settings: ModbusPlc, way: ModbusServerWay, client: RawClient, data: bytes
) -> None:
    client.send(data)
    assert client.was_ended()
    assert way.read() is None
    assert sum(way.refused().values()) == 1
    assert RawClient(settings.port).ask(_write(1, 1))[0] == 16


def test_half_a_frame_ends_in_time(
    way: ModbusServerWay, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modbus_frames, "_HALF", 0.02)
    client.send(client.frame(_write(0, 1))[:-1])
    assert client.was_ended()
    assert way.refused() == {"half a frame": 1}


def test_answers_that_nobody_reads_end_the_connection(
    settings: ModbusPlc, way: ModbusServerWay, client: RawClient
) -> None:
    flood = client.frame(_read(0, 125)) * 16
    client.socket.settimeout(5)
    with contextlib.suppress(ConnectionError):
        while not way.refused():
            client.send(flood)
    assert {"answers that it does not read", "too many requests at once"} & way.refused().keys()
    assert RawClient(settings.port).ask(_write(1, 1))[0] == 16


def test_a_plc_keeps_its_place_among_hundreds_that_only_connect(
    settings: ModbusPlc, way: ModbusServerWay, client: RawClient
) -> None:
    client.ask(_write(1, 1))
    idle = [RawClient(settings.port) for _ in range(200)]
    assert client.ask(_write(1, 2))[0] == 16
    until(lambda: way.refused().get("places") == 197)
    until(lambda: sum(not _open(one) for one in idle) >= 197)
    assert RawClient(settings.port).ask(_read(100, 1))[0] == 3
    assert client.ask(_write(1, 3))[0] == 16


def _open(client: RawClient) -> bool:
    client.socket.settimeout(0)
    try:
        return client.socket.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_reconnecting_leaves_nothing_behind(settings: ModbusPlc, way: ModbusServerWay) -> None:
    threads = threading.active_count()
    for i in range(200):
        one = RawClient(settings.port)
        one.ask(_write(1, i))
        one.socket.close()
    until(lambda: len(way._peers) == 0)
    assert threading.active_count() == threads


def test_a_second_writer_is_refused_while_the_first_writes(
    settings: ModbusPlc, way: ModbusServerWay, client: RawClient
) -> None:
    assert client.ask(_write(2, 5))[0] == 16
    other = RawClient(settings.port, source="127.0.0.2")
    assert other.ask(_write(0, 1)) == bytes([16 | 0x80, 6])
    assert _words(other.ask(_read(100, 1))) == [0]  # looking on is free
    assert other.ask(_write(50, 1))[0] == 16  # and no signal of the PLC
    seen = way.read()
    assert seen is not None
    assert (seen.trigger, seen.recipe) == (False, 5)


def test_another_writer_may_follow_one_that_is_gone(settings: ModbusPlc, opened: Opened) -> None:
    way = opened(silence_s=0.01)
    RawClient(settings.port).ask(_write(2, 5))
    until(lambda: way.read() is None)
    assert RawClient(settings.port, source="127.0.0.2").ask(_write(2, 6))[0] == 16


def test_who_only_looks_on_or_writes_elsewhere_keeps_no_plc_alive(
    settings: ModbusPlc, opened: Opened
) -> None:
    way = opened(timeout_s=0.05)
    RawClient(settings.port).ask(_write(0, 1))
    other = RawClient(settings.port, source="127.0.0.2")
    end = time.monotonic() + 5
    while way.read() is not None:
        assert time.monotonic() < end
        other.ask(_read(0, 2))
        other.ask(_write(50, 1))


def test_only_the_clients_that_are_named_connect(settings: ModbusPlc, opened: Opened) -> None:
    way = opened(clients=["127.0.0.2"])
    assert RawClient(settings.port).was_ended()
    assert RawClient(settings.port, source="127.0.0.2").ask(_write(1, 1))[0] == 16
    assert way.refused() == {"address": 1}


def test_it_listens_only_where_it_was_told(settings: ModbusPlc, way: ModbusServerWay) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.3", settings.port), timeout=5)


def test_it_ends_at_once_with_clients_that_never_close(settings: ModbusPlc, way: ModbusServerWay) -> None:
    held = [RawClient(settings.port) for _ in range(4)]
    held[0].send(b"\0")
    began = time.monotonic()
    way.close()
    assert time.monotonic() - began < 2
    assert held[0].was_ended()
    assert not any(thread.name == "saec-modbus" for thread in threading.enumerate())


def test_a_port_that_is_taken_is_said(settings: ModbusPlc, way: ModbusServerWay) -> None:
    second = ModbusServerWay(settings, lambda: None)
    with pytest.raises(MachineError, match="in use"):
        second.open()
    second.close()
