"""Addresses of S7, the bytes that hold a value, and what is read and written at once."""

from __future__ import annotations

from typing import Any

import pytest

from saec.errors import MachineError
from saec.station.plc.s7.s7_addresses import S7Span, bytes_to_write, parse_s7_address, spans_to_read
from saec.station.plc.s7.s7_settings import S7Plc
from saec.station.plc.signal_mapping import PlcAddresses, StationAddresses
from saec.station.plc.signal_types import SignalValue


@pytest.mark.parametrize(
    ("text", "value", "data"),
    [
        ("DB10.DBX0.1", True, b"\x01"),
        ("db10.dbb4", 200, b"\xc8"),
        ("%DB10.DBB4:SINT", -2, b"\xfe"),
        ("DB10.DBW2", 0x0102, b"\x01\x02"),
        ("DB10.DBW2:INT", -2, b"\xff\xfe"),
        ("DB10.DBD8", 0x01020304, b"\x01\x02\x03\x04"),
        ("DB10.DBD8:DINT", -2, b"\xff\xff\xff\xfe"),
        ("DB10.DBB20:STRING[4]", "AB", b"\x04\x02AB\0\0"),
        ("DB10.DBB20:CHAR[4]", "AB", b"AB\0\0"),
    ],
)
def test_values_are_big_endian(text: str, value: SignalValue, data: bytes) -> None:
    address = parse_s7_address(text)
    assert address.bytes_of(value) == data
    assert address.size == len(data)
    assert address.value_in(bytes([2]) if value is True else data) == value


@pytest.mark.parametrize(
    "text",
    [
        "DB10",
        "M0.1",
        "DB10.DBX0",
        "DB10.DBX0.8",
        "DB10.DBW2.1",
        "DB10.DBW2:DINT",
        "DB10.DBW2:REAL",
        "DB10.DBB2:STRING",
        "DB10.DBB2:STRING[255]",
        "DB10.DBB2:STRING[0]",
        "DB10.DBW2:INT[3]",
    ],
)
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(MachineError) as told:
        parse_s7_address(text)
    assert text in str(told.value)
    assert told.value.remedy


@pytest.mark.parametrize(
    ("text", "value"), [("DB1.DBW0", 65_536), ("DB1.DBB0", -1), ("DB1.DBB0:CHAR[2]", "abc")]
)
def test_a_value_that_does_not_fit_is_an_error(text: str, value: SignalValue) -> None:
    with pytest.raises(MachineError, match="DB1"):
        parse_s7_address(text).bytes_of(value)


def test_a_part_id_of_digits_fits_a_number() -> None:
    address = parse_s7_address("DB1.DBD0")
    assert address.bytes_of("1234") == (1234).to_bytes(4, "big")
    assert address.bytes_of("") == bytes(4)
    with pytest.raises(MachineError, match="no number"):
        address.bytes_of("A-1")


@pytest.mark.parametrize("data", [b"\0\0ABCD", b"\x05\x02ABCD", b"\x04\x05ABCD"])
def test_a_string_of_another_length_is_none(data: bytes) -> None:
    with pytest.raises(MachineError, match="no STRING"):
        parse_s7_address("DB10.DBB20:STRING[4]").value_in(data)


def test_what_lies_close_is_read_at_once() -> None:
    texts = ["DB10.DBW2", "DB10.DBX0.1", "DB10.DBD200", "DB11.DBW0", "DB10.DBB90:STRING[4]"]
    spans = spans_to_read([parse_s7_address(text) for text in texts], most=100)
    assert spans == [S7Span(10, 0, 96), S7Span(10, 200, 4), S7Span(11, 0, 2)]


def test_what_touches_is_written_at_once_and_gaps_are_not() -> None:
    values = {"DB10.DBW4": 3, "DB10.DBW0": 1, "DB10.DBW2": 2, "DB10.DBW8": 5, "DB11.DBW10": 6}
    told = list(bytes_to_write({parse_s7_address(text): value for text, value in values.items()}, most=4))
    assert told == [
        (S7Span(10, 0, 4), b"\0\x01\0\x02"),
        (S7Span(10, 4, 2), b"\0\x03"),
        (S7Span(10, 8, 2), b"\0\x05"),
        (S7Span(11, 10, 2), b"\0\x06"),
    ]


def _settings(**changed: Any) -> S7Plc:
    return S7Plc(**{"name": "cell", "line": "bolts", "source": "cam", "host": "192.0.2.7", **changed})


@pytest.mark.parametrize(
    ("settings", "key", "what"),
    [
        (_settings(), None, ""),
        (_settings(block=7, reads=PlcAddresses(heartbeat="DB8.DBX0.0")), None, ""),
        (_settings(host=""), "host", "empty"),
        (_settings(reads=PlcAddresses(trigger="DB10.DBW0")), "reads", "trigger is a bit"),
        (_settings(reads=PlcAddresses(recipe="DB10.DBX9.0")), "reads", "recipe is no bit"),
        (_settings(writes=StationAddresses(label="DB10.DBB120:CHAR[2]")), "writes", "label is a number"),
        (_settings(reads=PlcAddresses(check="DB10.DBW46")), "reads", "32 bits"),
        (_settings(writes=StationAddresses(label="h103")), "writes", "not an address"),
        (_settings(writes=StationAddresses(label="DB10.DBW3")), "writes", "share byte 3"),
        (_settings(writes=StationAddresses(ready="DB10.DBX0.0")), "writes", "one address"),
        (_settings(writes=StationAddresses(ready="DB10.DBX110.0")), "writes", "not lie in one byte"),
        (_settings(writes=StationAddresses(heartbeat="DB10.DBX50.7")), "writes", "written as a whole"),
        (_settings(reads=PlcAddresses(trigger="DB10.DBX50.7")), "writes", "written as a whole"),
        (_settings(reads=PlcAddresses(acknowledge="")), "reads", "acknowledge has no address"),
    ],
)
def test_what_cannot_be_meant_is_named(settings: S7Plc, key: str | None, what: str) -> None:
    faults = list(settings.faults())
    if key is None:
        assert faults == []
        return
    assert faults[0][0] == key
    assert what in faults[0][1]
    assert all(remedy for _, _, remedy in faults)


def test_a_heartbeat_that_is_a_bit_has_no_range() -> None:
    assert _settings().heartbeat_range() == 65_536
    assert _settings(reads=PlcAddresses(heartbeat="DB10.DBX9.0")).heartbeat_range() == 0
    assert _settings(reads=PlcAddresses(heartbeat="")).heartbeat_range() == 0
