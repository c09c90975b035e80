"""A coupler over Modbus TCP: a server in this process stands for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from saec.errors import LinkError, MachineError
from saec.station.outputs.couplers.coupler_settings import ModbusCoupler
from saec.station.outputs.couplers.modbus_coupler import ModbusBusCoupler
from saec.station.outputs.output_settings import InputSettings
from saec.station.simulated.modbus_registers import SIZE, ModbusRegisters, RegisterTable, RegisterWrite
from tests.station.outputs.output_bench import gate

WRITE_COILS, WRITE_REGISTERS = 15, 16

OUTPUTS = [gate(name="gate"), gate(name="lamp", address="c1"), gate(name="flap", address="h20.3")]
INPUTS = [
    InputSettings(name="eye", coupler="io", address="d4", use="trigger"),
    InputSettings(name="runs", coupler="io", address="i2.1", use="running"),
    InputSettings(name="belt", coupler="io", address="i10:uint32", use="encoder"),
]
OFF = {"gate": False, "lamp": False, "flap": False}


@pytest.fixture
def device() -> Iterator[ModbusRegisters]:
    with ModbusRegisters() as device:
        yield device


def coupler(device: ModbusRegisters, *, timeout: float = 5.0) -> ModbusBusCoupler:
    settings = ModbusCoupler(
        name="io",
        host="127.0.0.1",
        port=device.port,
        timeout_s=timeout,
        setup={"h500": 10, "h501": 1},
        watchdog="h503",
    )
    return ModbusBusCoupler(settings, OUTPUTS, INPUTS)


def test_its_watchdog_is_set_up_and_outputs_are_safe_before_all_else(device: ModbusRegisters) -> None:
    io = coupler(device)
    io.open({**OFF, "gate": True})
    assert device.writes == [
        RegisterWrite(WRITE_REGISTERS, 500, (10,)),
        RegisterWrite(WRITE_REGISTERS, 501, (1,)),
        RegisterWrite(WRITE_COILS, 0, (1, 0)),
        RegisterWrite(WRITE_REGISTERS, 20, (0,)),
        RegisterWrite(WRITE_REGISTERS, 503, (2,)),
    ]
    io.feed()
    assert device.read(RegisterTable.HOLDING, 503) == [1]
    io.write({**OFF, "lamp": True, "flap": True})
    assert device.read(RegisterTable.COILS, 0, 2) == [0, 1]
    assert device.read(RegisterTable.HOLDING, 20) == [8]
    io.close()


def test_inputs_bits_and_counters_are_read(device: ModbusRegisters) -> None:
    io = coupler(device)
    io.open(OFF)
    device.write(RegisterTable.DISCRETE_INPUTS, 4, [1])
    device.write(RegisterTable.INPUTS, 2, [2])
    device.write(RegisterTable.INPUTS, 10, [1, 5])
    read = io.read()
    assert {name: one.value for name, one in read.items()} == {"eye": 1, "runs": 1, "belt": 65541}
    assert [change.level for change in read["eye"].changes] == [True]
    assert read["belt"].changes == []
    io.close()


def test_a_dead_session_and_a_refusal_are_told_apart(device: ModbusRegisters) -> None:
    io = coupler(device, timeout=0.1)
    io.open(OFF)
    device.silence()
    with pytest.raises(LinkError, match="does not answer"):
        io.read()
    device.silence(False)
    io.close()
    device.hang_up()
    with pytest.raises(LinkError, match="cannot be reached"):
        io.open(OFF)
    device.listen()
    far = ModbusCoupler(name="io", host="127.0.0.1", port=device.port)
    beyond = ModbusBusCoupler(far, [gate(address=f"c{SIZE + 1}")], [])
    with pytest.raises(MachineError, match=r"refuses to write .* it has no such address"):
        beyond.open({"gate": False})
    beyond.close()
    with pytest.raises(LinkError, match="has ended the connection"):
        beyond.write({"gate": False})
