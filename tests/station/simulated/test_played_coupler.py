"""A simulated coupler against the station's own coupler: what one sets the other shows, and the reverse."""

from __future__ import annotations

import threading

import pytest

from saec.errors import MachineError
from saec.station.outputs.couplers.coupler_settings import GpioCoupler, ModbusCoupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.simulated.played_coupler import PlayedCoupler
from tests.station.plc.plc_bench import until
from tests.station.simulated.test_modbus_peers import free_port

OUTPUTS = [
    OutputSettings(name="gate", coupler="io", address="c0", on=["defect"], line="l", delay_s=1.0),
    OutputSettings(name="lamp", coupler="io", address="h20.3", on=["ready"], inverted=True),
    OutputSettings(name="far", coupler="other", address="c1", on=["ready"]),
]
INPUTS = [
    InputSettings(name="eye", coupler="io", address="d0", use="trigger", line="l", source="cam"),
    InputSettings(name="run", coupler="io", address="i4.2", use="running", inverted=True),
    InputSettings(name="belt", coupler="io", address="i10:uint32", use="encoder"),
]


def settings(**given: object) -> ModbusCoupler:
    plain: dict[str, object] = {"name": "io", "host": "127.0.0.1", "port": free_port()}
    return ModbusCoupler(**{**plain, **given})  # type: ignore[arg-type]


def test_what_the_station_sets_is_shown_and_its_inputs_move() -> None:
    one, said, stopping = settings(), list[str](), threading.Event()
    played = PlayedCoupler(one, OUTPUTS, INPUTS)
    thread = threading.Thread(target=played.run, args=(100_000, 4.0, said.append, stopping))
    thread.start()
    try:
        own = [output for output in OUTPUTS if output.coupler == "io"]
        coupler = one.make_coupler(own, INPUTS)
        coupler.open({"gate": False, "lamp": True})
        coupler.write({"gate": True, "lamp": True})
        until(lambda: any("gate is on" in line for line in said))
        coupler.write({"gate": False, "lamp": True})
        until(lambda: any("gate is off" in line for line in said))
        assert not any("far" in line for line in said)
        levels, counts = set[bool](), set[int]()

        def moved() -> bool:
            reading = coupler.read()
            levels.add(bool(reading["eye"].value))
            counts.add(reading["belt"].value)
            assert reading["run"].value == 0, "inverted, and always on"
            return levels == {True, False} and len(counts) > 2

        until(moved)
        coupler.close()
    finally:
        stopping.set()
        thread.join()


def test_what_cannot_be_played_is_named() -> None:
    with pytest.raises(MachineError, match="pins is no Modbus coupler"):
        PlayedCoupler(GpioCoupler(name="pins"), [], [])
    with pytest.raises(MachineError, match="h4099 is beyond the addresses of a simulated coupler"):
        PlayedCoupler(settings(watchdog="h4099"), OUTPUTS, INPUTS)


def test_it_ends_with_its_parts() -> None:
    played = PlayedCoupler(settings(), OUTPUTS, INPUTS)
    stopping = threading.Event()
    stopping.set()
    played.run(3, 5.0, lambda line: None, stopping)
