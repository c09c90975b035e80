"""A Modbus device that answers what was not asked, over a real socket."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from saec.errors import LinkError, MachineError
from saec.station.plc.modbus_codec import CellRun
from saec.station.plc.modbus_session import ModbusSession

TWO = b"\x03\x04\0\1\0\2"
Play = Callable[[bytes], bytes]


@pytest.fixture
def session_with() -> Iterator[Callable[[Play], ModbusSession]]:
    with contextlib.ExitStack() as held:

        def made(play: Play) -> ModbusSession:
            server = held.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                with contextlib.suppress(OSError):
                    client = held.enter_context(server.accept()[0])
                    while asked := client.recv(300):
                        client.sendall(play(asked))

            threading.Thread(target=serve, daemon=True).start()
            session = ModbusSession("127.0.0.1", server.getsockname()[1], 1, 0.1, "PLC")
            held.callback(session.close)
            session.open()
            return session

        yield made


def _frame(
    asked: bytes, pdu: bytes, *, transaction: bytes = b"", protocol: int = 0, unit: int = 1, more: int = 1
) -> bytes:
    return (transaction or asked[:2]) + struct.pack(">HHB", protocol, len(pdu) + more, unit) + pdu


@pytest.mark.parametrize(
    "play",
    [
        lambda asked: b"",
        lambda asked: _frame(asked, TWO, transaction=b"\x27\x0f"),
        lambda asked: _frame(asked, TWO, transaction=b"\0\0"),
        lambda asked: _frame(asked, TWO, unit=9),
        lambda asked: _frame(asked, TWO, protocol=5),
        lambda asked: _frame(asked, TWO, more=-6),
        lambda asked: _frame(asked, TWO)[:-1],
        lambda asked: _frame(asked, TWO[:-2]),
        lambda asked: _frame(asked, b"\x03\x02\0\1"),
        lambda asked: _frame(asked, b"\x03\x06\0\1\0\2\0\3"),
        lambda asked: _frame(asked, b"\x04\x04\0\1\0\2"),
        lambda asked: _frame(asked, b"\x01\x04\xff\xff\xff\xff"),
        lambda asked: _frame(asked, b"\x10\0\0\0\2"),
        lambda asked: _frame(asked, b"\x83"),
        lambda asked: b"\xff" * 4000,
    ],
)
def test_what_is_no_answer_to_the_request_is_no_value(
    session_with: Callable[[Play], ModbusSession], play: Play
) -> None:
    session = session_with(play)
    with pytest.raises(LinkError) as told:
        session.read([("h", 0, 2)])
    assert told.value.remedy


def test_another_answer_confirms_no_write(session_with: Callable[[Play], ModbusSession]) -> None:
    session = session_with(lambda asked: _frame(asked, TWO))
    with pytest.raises(LinkError, match="another request"):
        session.write(CellRun("h", 0, [1, 2]))


def test_an_exception_that_is_not_known_is_a_refusal(session_with: Callable[[Play], ModbusSession]) -> None:
    session = session_with(lambda asked: _frame(asked, b"\x83\x63"))
    with pytest.raises(MachineError, match="exception 99"):
        session.read([("h", 0, 2)])
