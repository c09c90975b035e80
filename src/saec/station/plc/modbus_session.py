"""A session with a Modbus TCP device: requests that are answered, or an error that says why not."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Literal

from saec.errors import ExtraError, LinkError, MachineError
from saec.station.plc.modbus_addresses import Table
from saec.station.plc.modbus_codec import Cell, CellRun

try:
    from pymodbus.client import ModbusTcpClient
    from pymodbus.exceptions import ModbusException
except ImportError as e:
    raise ExtraError("pymodbus", "modbus") from e

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what fails is told by the errors raised here

_WHY = {
    1: "it does not know the function",
    2: "it has no such address",
    3: "it does not take the value",
    4: "it failed",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "it does not answer the gateway",
}
"""Exception codes of Modbus."""


class ModbusSession:
    """A client's session; after an error it is opened again.

    What cannot be reached raises ``LinkError``; what the device refuses raises ``MachineError``.

    Args:
        host, port, unit: where the device is, and its number there.
        timeout: seconds within which it answers.
        device: what it is called in remedies.

    Attributes:
        where: its address in errors.
    """

    def __init__(
        self, host: str, port: int, unit: int, timeout: float, device: Literal["PLC", "coupler"]
    ) -> None:
        self._host, self._port, self._unit, self._timeout, self._device = host, port, unit, timeout, device
        self.where = f"modbus://{host}:{port}"
        self._client: Any = None

    def open(self) -> None:
        """Connect; a session that is open is ended first."""
        self.close()
        self._client = ModbusTcpClient(self._host, port=self._port, timeout=self._timeout, retries=0)
        if not self._client.connect():
            remedy = f"check the address, the cable and the {self._device}"
            raise LinkError(f"{self.where} cannot be reached", remedy)

    def read(self, requests: Iterable[tuple[Table, int, int]]) -> dict[Cell, int]:
        """The cells of each request: its table, its first address and its count."""
        client = self._connected()
        ask = {
            "c": (1, client.read_coils),
            "d": (2, client.read_discrete_inputs),
            "h": (3, client.read_holding_registers),
            "i": (4, client.read_input_registers),
        }
        found: dict[Cell, int] = {}
        for table, first, count in requests:
            what = f"read {table}{first} to {table}{first + count - 1}"
            answer = self._answer(what, *ask[table], first, count=count)
            held = answer.bits if table in ("c", "d") else answer.registers
            if len(held) < count or (table in ("h", "i") and len(held) > count):
                what = f"{self.where} answered with {len(held)} values of {count}"
                raise LinkError(what, f"check the {self._device}")
            found.update({(table, first + i): int(value) for i, value in enumerate(held[:count])})
        return found

    def write(self, run: CellRun) -> None:
        """Write cells side by side, by one request."""
        client, what = self._connected(), f"write {run.table}{run.first} to {run.first + len(run.values) - 1}"
        if run.table == "c":
            self._answer(what, 15, client.write_coils, run.first, [bool(value) for value in run.values])
        else:
            self._answer(what, 16, client.write_registers, run.first, run.values)

    def close(self) -> None:
        """Let go; never raises."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        if self._client is None or not self._client.connected:
            remedy = f"check the {self._device} and the network"
            raise LinkError(f"{self.where} has ended the connection", remedy)
        return self._client

    def _answer(self, what: str, function: int, ask: Any, *args: Any, **named: Any) -> Any:
        try:
            answer = ask(*args, **named, device_id=self._unit)
        except (ModbusException, OSError) as e:
            why = "does not answer" if self._client.connected else "has ended the connection"
            raise LinkError(f"{self.where} {why}", f"check the {self._device} and the network") from e
        if answer.isError():
            why = _WHY.get(answer.exception_code, f"exception {answer.exception_code}")
            raise MachineError(f"{self.where} refuses to {what}: {why}", "check the addresses and the unit")
        if answer.function_code != function:
            said = f"{self.where} answered another request (function {answer.function_code}, not {function})"
            raise LinkError(said, f"check the {self._device}, and what else uses its connection")
        return answer
