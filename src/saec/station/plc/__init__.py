"""PLCs: a handshake over whichever way a PLC is reached. A way is a file here, and a name in ``AnyPlc``.

``handshake`` is the state machine, ``plc_worker`` the thread that drives it; a way reads and writes signals.

To add one: a file with its ``PlcSettings`` (its keys, its faults, ``make_way``), another with its ``PlcWay``;
its settings' name in ``AnyPlc``.
"""

from __future__ import annotations

from saec.station.plc.modbus_settings import ModbusPlc
from saec.station.plc.opcua.opcua_settings import OpcUaPlc
from saec.station.plc.s7.s7_settings import S7Plc

__all__ = ["AnyPlc", "ModbusPlc", "OpcUaPlc", "S7Plc"]

AnyPlc = ModbusPlc | OpcUaPlc | S7Plc
"""The settings of every kind of PLC; the kind is told by its tag (``kind = "modbus"``)."""
