"""The registers of a simulated PLC, read and written by pymodbus' own client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from saec.errors import MachineError
from saec.station.simulated.modbus_registers import ModbusRegisters, RegisterTable, RegisterWrite


@pytest.fixture
def plc() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as registers:
        yield registers


@pytest.fixture
def client(plc: ModbusRegisters) -> Iterator[ModbusTcpClient]:
    with ModbusTcpClient("127.0.0.1", port=plc.port, timeout=0.2, retries=0) as client:
        yield client


def test_both_sides_see_the_same_registers(plc: ModbusRegisters, client: ModbusTcpClient) -> None:
    plc.write(RegisterTable.HOLDING, 10, [7, 65535])
    plc.write(RegisterTable.INPUTS, 10, [8, 9])
    plc.write(RegisterTable.COILS, 17, [1, 0, 1])
    plc.write(RegisterTable.DISCRETE_INPUTS, 17, [0, 1, 0])

    assert client.read_holding_registers(10, count=2).registers == [7, 65535]
    assert client.read_input_registers(10, count=2).registers == [8, 9]
    assert client.read_coils(17, count=3).bits[:3] == [True, False, True]
    assert client.read_discrete_inputs(17, count=3).bits[:3] == [False, True, False]

    client.write_registers(20, [1, 2, 3])
    client.write_coil(40, True)
    assert plc.read(RegisterTable.HOLDING, 20, 3) == [1, 2, 3]
    assert plc.read(RegisterTable.COILS, 39, 3) == [0, 1, 0]
    assert plc.writes == [RegisterWrite(16, 20, (1, 2, 3)), RegisterWrite(5, 40, (1,))]


def test_a_silent_plc_answers_nothing_and_goes_on_later(
    plc: ModbusRegisters, client: ModbusTcpClient
) -> None:
    plc.silence()
    with pytest.raises(ModbusException):
        client.read_holding_registers(0)
    plc.silence(False)
    client.close()  # type: ignore[no-untyped-call]
    client.connect()  # type: ignore[no-untyped-call]
    assert client.read_holding_registers(0).registers == [0]


def test_a_plc_that_comes_back_has_its_port_and_its_registers(
    plc: ModbusRegisters, client: ModbusTcpClient
) -> None:
    plc.write(RegisterTable.HOLDING, 0, [5])
    port = plc.port
    plc.hang_up()
    client.close()  # type: ignore[no-untyped-call]
    assert not client.connect()  # type: ignore[no-untyped-call]
    plc.listen()
    assert plc.port == port
    client.connect()  # type: ignore[no-untyped-call]
    assert client.read_holding_registers(0).registers == [5]
    plc.forget()
    assert client.read_holding_registers(0).registers == [0]


def test_a_port_in_use_is_an_error_that_names_it(plc: ModbusRegisters) -> None:
    with pytest.raises(MachineError, match=str(plc.port)):
        ModbusRegisters(port=plc.port)
