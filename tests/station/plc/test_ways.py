"""What holds over each way alike: Modbus, OPC UA and S7, each against a server in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import cycle

import msgspec
import pytest

from saec.errors import LinkError, MachineError, SaecError
from saec.station.plc.plc_settings import PlcSettings
from saec.station.plc.signals import (
    ChallengeCode,
    ConfidenceClass,
    FaultCode,
    PlcResult,
    PlcWay,
    ResultLabel,
    StationSignals,
)
from tests.station.plc.way_peers import ModbusPeer, OpcUaPeer, S7Peer, WayPeer

READY = StationSignals(ready=True, heartbeat=1)
BUSY = StationSignals(
    busy=True, heartbeat=2, result=PlcResult(number=70_000, label=ResultLabel.NONE, part="A-1")
)
RESULT = PlcResult(
    number=70_000, label=ResultLabel.DEFECT, confidence=ConfidenceClass.HIGH, kind=2, part="A-1"
)
ANSWERED = StationSignals(
    result_valid=True, heartbeat=3, recipe=7, challenge=ChallengeCode.FAILED, result=RESULT
)
FAULT = StationSignals(
    fault=True,
    code=FaultCode.NO_PICTURE,
    heartbeat=4,
    result=PlcResult(number=70_001, label=ResultLabel.NONE, part="A-2"),
)


@pytest.fixture(scope="module")
def opcua() -> Iterator[OpcUaPeer]:
    peer = OpcUaPeer()  # its server takes a second to start
    yield peer
    peer.close()


@pytest.fixture(params=["modbus", "opcua", "s7"])
def peer(request: pytest.FixtureRequest, opcua: OpcUaPeer) -> Iterator[WayPeer]:
    if request.param == "opcua":
        opcua.restart()
        yield opcua
        return
    makers: dict[str, Callable[[], WayPeer]] = {"modbus": ModbusPeer, "s7": S7Peer}
    made = makers[request.param]()
    yield made
    made.close()


@pytest.fixture
def way(peer: WayPeer) -> Iterator[PlcWay]:
    found = _way(peer.settings)
    found.open()
    yield found
    found.close()


def test_the_settings_have_no_fault(peer: WayPeer) -> None:
    assert list(peer.settings.faults()) == []


def test_it_reads_what_the_plc_has_written(peer: WayPeer, way: PlcWay) -> None:
    peer.tell(trigger=True, part="Ä-17/b", recipe=300, number=80_000, heartbeat=9)
    seen = way.read()
    assert (seen.trigger, seen.acknowledge, seen.reset, seen.challenge) == (True, False, False, False)
    assert (seen.part, seen.recipe, seen.number, seen.heartbeat, seen.bad) == ("Ä-17/b", 300, 80_000, 9, "")
    peer.tell(trigger=False, acknowledge=True, reset=True, part="", challenge=True)
    seen = way.read()
    assert (seen.trigger, seen.acknowledge, seen.reset, seen.part) == (False, True, True, "")
    assert seen.challenge


def test_the_plc_reads_what_it_has_written(peer: WayPeer, way: PlcWay) -> None:
    way.write(ANSWERED)
    assert peer.station() == {
        "ready": False,
        "busy": False,
        "result_valid": True,
        "fault": False,
        "heartbeat": 3,
        "code": 0,
        "number": 70_000,
        "label": 2,
        "confidence": 3,
        "kind": 2,
        "recipe": 7,
        "part": "A-1",
        "challenge": 2,
    }


def test_values_come_before_the_bits_that_make_them_valid(peer: WayPeer, way: PlcWay) -> None:
    way.write(READY)
    list(peer.seen())
    for signals in (BUSY, ANSWERED, READY, BUSY, FAULT, READY):
        way.write(signals)
        result = signals.result
        for seen in peer.seen():
            bits = [seen[bit] for bit in ("ready", "busy", "result_valid", "fault")]
            assert bits.count(True) == 1  # Fault while Busy would be the refusal of a second trigger
            if seen["result_valid"] and signals is ANSWERED:
                assert (seen["number"], seen["label"], seen["part"]) == (
                    result.number,
                    result.label,
                    result.part,
                )
            if seen["fault"] and signals is FAULT:
                assert (seen["code"], seen["number"], seen["part"]) == (FAULT.code, result.number, "A-2")
            if seen["busy"] and signals is BUSY:
                assert seen["number"] == result.number


def test_what_did_not_change_is_not_written(peer: WayPeer, way: PlcWay) -> None:
    way.write(READY)
    list(peer.seen())
    way.write(READY)
    assert list(peer.seen()) == []


def test_bits_of_the_plc_stay_as_they_are(peer: WayPeer, way: PlcWay) -> None:
    peer.tell(trigger=True, reset=True)
    for signals in (READY, BUSY, ANSWERED):
        way.write(signals)
    seen = way.read()
    assert (seen.trigger, seen.reset, seen.acknowledge) == (True, True, False)


def test_one_reading_is_of_one_moment(peer: WayPeer, way: PlcWay) -> None:
    texts = {1: "A" * 32, 2: "B" * 32}
    done = threading.Event()

    def go_on() -> None:
        for number in cycle(texts):
            peer.tell(number=number, part=texts[number])
            if done.is_set():
                return

    peer.tell(number=1, part=texts[1])
    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        for _ in range(100):
            seen = way.read()
            assert seen.part == texts[seen.number or 0]
    finally:
        done.set()
        writer.join()


def test_a_text_that_is_none_is_said_and_the_bits_hold(peer: WayPeer, way: PlcWay) -> None:
    peer.tell(trigger=True, part="A\x07B")
    seen = way.read()
    assert seen.trigger
    assert seen.bad.startswith("part: ")


@pytest.mark.parametrize("make", [ModbusPeer, S7Peer])  # a text of OPC UA has no length
def test_a_part_that_does_not_fit_is_an_error(make: Callable[[], WayPeer]) -> None:
    peer = make()
    way = _way(peer.settings)
    way.open()
    with pytest.raises(MachineError, match=r"part|STRING|string"):
        way.write(msgspec.structs.replace(ANSWERED, result=msgspec.structs.replace(RESULT, part="x" * 33)))
    way.close()
    peer.close()


def test_what_cannot_be_right_is_found_when_it_is_opened(peer: WayPeer) -> None:
    for what, settings in peer.wrong.items():
        wrong = _way(settings)
        with pytest.raises(MachineError) as told:
            wrong.open()
        wrong.close()
        assert told.value.remedy, what


def test_a_dead_session_is_an_error_and_no_old_value(peer: WayPeer, way: PlcWay) -> None:
    peer.tell(trigger=True)
    assert way.read().trigger
    peer.silence()
    with pytest.raises(LinkError):
        way.read()
    way.close()
    with pytest.raises(LinkError):
        way.read()
    with pytest.raises(SaecError):
        way.write(READY)
    peer.silence(False)
    way.open()
    peer.tell(trigger=False)
    assert not way.read().trigger


def test_it_comes_back_and_writes_everything_anew(peer: WayPeer, way: PlcWay) -> None:
    way.write(ANSWERED)
    peer.hang_up()
    with pytest.raises(LinkError):
        way.read()
    way.close()
    with pytest.raises(LinkError):
        way.open()
    peer.listen()
    way.open()
    list(peer.seen())
    way.write(ANSWERED)
    assert list(peer.seen())
    assert peer.station()["label"] == 2


def test_the_next_process_finds_what_stands(peer: WayPeer, way: PlcWay) -> None:
    way.write(ANSWERED)
    way.close()
    later = _way(peer.settings)
    later.open()
    stands = later.standing()
    later.close()
    assert stands == msgspec.structs.replace(ANSWERED, recipe=None)


def test_closing_twice_is_no_error(way: PlcWay) -> None:
    way.close()
    way.close()


def test_an_address_where_nobody_listens_is_no_link(peer: WayPeer) -> None:
    peer.hang_up()
    lost = _way(peer.settings)
    with pytest.raises(LinkError) as told:
        lost.open()
    lost.close()
    assert told.value.remedy


def _way(settings: PlcSettings) -> PlcWay:
    return settings.make_way(lambda: None)
