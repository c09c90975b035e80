"""A run of a simulated machine: its PLC against a station, and the table of what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

import httpx
import msgspec

from saec.errors import ExtraError, MachineError
from saec.station.maintenance.local_request import ask_itself
from saec.station.plc import AnyPlc, ModbusPlc, S7Plc
from saec.station.setup.station_settings import StationSettings
from saec.station.simulated.machine.machine_settings import MachineSettings
from saec.station.simulated.plc_cycle import PlcCycle
from saec.station.simulated.plc_mistakes import MistakeShares
from saec.station.simulated.plc_peer import PlcPeer
from saec.station.simulated.plc_program import PlcPart, PlcProgram, PlcTimes
from saec.station.simulated.plc_tally import PlcTally
from saec.station.sources import SimulatedCameraSource

_STILL = 30.0
"""Seconds without a new trigger after which a run is given up."""

_LOOK = 0.5

_MARGIN = 1.5
"""A link is silent for this many times the station's time-out, so that the station gives the session up."""


def plc_peer(settings: AnyPlc) -> PlcPeer:
    """The other end of a [[plc]]: a server where the station is the client, else a client.

    Raises:
        ExtraError: what the way needs is not installed.
        MachineError: nothing can listen there, or the settings ask for what is not played.
    """
    try:
        if isinstance(settings, ModbusPlc):
            from saec.station.simulated.modbus_peers import ModbusPlcClient, ModbusPlcMemory

            return ModbusPlcMemory(settings) if settings.role == "client" else ModbusPlcClient(settings)
        if isinstance(settings, S7Plc):
            from saec.station.simulated.s7_peer import S7PlcMemory

            return S7PlcMemory(settings)
        from saec.station.simulated.opcua_peer import OpcUaPlcClient, OpcUaPlcMemory
    except ImportError as e:
        raise ExtraError(e.name or "a package", f"{settings.__struct_config__.tag}") from e
    return OpcUaPlcMemory(settings) if settings.role == "client" else OpcUaPlcClient(settings)


def chosen_plc(settings: StationSettings, name: str | None) -> AnyPlc:
    """The [[plc]] of a name, or the first one.

    Raises:
        MachineError: there is none.
    """
    found = [plc for plc in settings.plc if name in (None, plc.name)]
    if not found:
        what = f"there is no [[plc]] named {name}" if name else "there is no [[plc]]"
        raise MachineError(what, "`saec station simulate` prints one to put into the settings file")
    return found[0]


def parts_before(settings: StationSettings, plc: AnyPlc, number: int) -> Iterator[PlcPart]:
    """The parts that come: those of the pictures where the camera is a simulated one and knows them."""
    for source in settings.source:
        if source.name == plc.source and isinstance(source, SimulatedCameraSource):
            played = islice(source.pictures(), number)
            named = [PlcPart(one.part, one.recipe) for one in played]
            if all(one.part for one in named):
                return iter(named)
    return islice((PlcPart(f"P{n:06}") for n in count(1)), number)


def run_machine(
    settings: StationSettings,
    machine: MachineSettings,
    mistakes: MistakeShares,
    say: Callable[[PlcTally], None],
) -> tuple[PlcTally, dict[str, Any]]:
    """Play all parts to a station, which may start later.

    Args:
        say: is told the counts now and then.

    Returns:
        What the PLC has counted, and what the station says of this PLC, empty where it cannot be asked.

    Raises:
        MachineError: the PLC cannot be played.
    """
    plc = chosen_plc(settings, machine.plc)
    times = PlcTimes(
        interval=1.0 / machine.per_s,
        give_up=plc.deadline_s + 2 * plc.acknowledge_s,
        silent=_MARGIN * plc.timeout_s,
    )
    parts = parts_before(settings, plc, machine.parts)
    program = PlcProgram(parts, times=times, mistakes=mistakes, seed=machine.seed)
    with PlcCycle(plc_peer(_as_played(plc, machine)), program) as cycle:
        last, since = 0, time.monotonic()
        try:
            while not cycle.wait(_LOOK) and time.monotonic() - since < _STILL:
                say(program.tally)
                if program.tally.triggers != last:
                    last, since = program.tally.triggers, time.monotonic()
        except KeyboardInterrupt:
            say(program.tally)
        return program.tally, station_view(settings, plc.name)


def _as_played(plc: AnyPlc, machine: MachineSettings) -> AnyPlc:
    if not machine.wrong_word_order:
        return plc
    if not isinstance(plc, ModbusPlc):
        raise MachineError("S7 and OPC UA have one order of words", "use Modbus with --wrong-word-order")
    return msgspec.structs.replace(plc, word_order="little" if plc.word_order == "big" else "big")


def station_view(settings: StationSettings, plc: str) -> dict[str, Any]:
    """What the station says of a PLC; empty where it does not answer or wants a token."""
    try:
        status = msgspec.json.decode(ask_itself(settings, "/v1/status"))
    except (httpx.HTTPError, msgspec.DecodeError):
        return {}
    found: dict[str, Any] = status.get("plcs", {}).get(plc, {})
    return found


def table_rows(tally: PlcTally, station: dict[str, Any]) -> list[tuple[str, str]]:
    """What came of a run, a row each: what, and how often."""
    rows = [("triggers", tally.triggers), ("results", tally.results)]
    rows += [(f"faults: {code}", n) for code, n in sorted(tally.faults.items())]
    rows += [
        ("given up by a restart of the PLC", tally.abandoned),
        ("without any answer", tally.unanswered),
        ("second edges that were refused", tally.refusals),
        ("results for half a part id, not used", tally.half_parts),
        *((f"on purpose: {what}", n) for what, n in sorted(tally.mistakes.items())),
        ("movements of the gate", tally.actuations),
        ("double actuations", tally.double_actuations),
        ("wrong parts", tally.wrong_parts),
        ("results that nobody asked for", tally.unasked),
    ]
    always = ("triggers", "results", "movements of the gate", "double actuations", "wrong parts")
    shown = [(what, f"{n}") for what, n in rows if n or what in always]
    if tally.times:
        shown += [
            ("trigger to answer, median", f"{1e3 * tally.quantile(0.5):.0f} ms"),
            ("trigger to answer, 99 of 100", f"{1e3 * tally.quantile(0.99):.0f} ms"),
        ]
    counts = {**station.get("counts", {}), "stray pictures": station.get("strays", 0)}
    shown += [(f"the station counts: {what}", f"{n}") for what, n in sorted(counts.items()) if n]
    return shown
