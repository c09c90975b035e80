"""saec station simulate: a PLC and a camera that are not there."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click
import msgspec

from saec.cli.options.output_file import write_json_to
from saec.cli.options.settings_command import settings_command, settings_file
from saec.cli.station.config import named_file, need_packages, station_settings
from saec.errors import ConfigError, ExtraError
from saec.station.cameras.camera_mishaps import CameraMishaps
from saec.station.simulated.machine.machine_settings import MachineSettings
from saec.station.simulated.plc_mistakes import MistakeShares

if TYPE_CHECKING:
    from saec.station.setup.station_settings import StationSettings
    from saec.station.simulated.plc_tally import PlcTally


@settings_command(
    everyday=("--lost-acknowledge", "--double-trigger", "--restart", "--dead-session"),
)
def station_simulate(machine: MachineSettings, mistakes: MistakeShares, mishaps: CameraMishaps) -> None:
    """Play a PLC and a camera to a station.

    With --with-station it starts a station in a folder, with a line and pictures that are drawn, and plays to
    it. With --config it plays the PLC of a station that runs, or will. Without both it prints the sections to
    put into a settings file. At the end stands a table of what the PLC has seen. The status is 1 where
    something was there that must never be. With --coupler it plays a coupler in place of the PLC.

    \b
    saec station simulate --with-station
    saec station simulate --with-station --lost-acknowledge 0.1 --restart 0.1 --missed 0.1
    saec station simulate --config station.toml --parts 1000 --per-s 10
    saec station simulate --config station.toml --coupler io --parts 1000
    """
    need_packages()
    from saec.station.simulated.machine.shown_sections import PORTS, plc_section, source_section

    if machine.coupler is not None:
        _play_coupler(machine.coupler, machine)
        return
    if not machine.with_station and settings_file() is None:
        pictures = "PICTURES" if machine.pictures is None else str(machine.pictures.resolve())
        click.echo(source_section(pictures, mishaps=mishaps))
        click.echo(plc_section(machine.way, PORTS[machine.way]), nl=False)
        return
    if not machine.with_station and mishaps != CameraMishaps():
        what = "the camera is the station's own, so its mishaps come from the station's settings"
        raise ConfigError(what, f"put them into [source.mishaps] of {named_file()}, or use --with-station")
    with ExitStack() as stack:
        if machine.with_station:
            settings = _started(machine, mishaps, stack)
        else:
            settings = station_settings(named_file())
        tally, station = _played(settings, machine, mistakes)
    _show(tally, station, machine)


def _play_coupler(name: str, machine: MachineSettings) -> None:
    """Play the other end of a [[coupler]], or print one where there is no settings file."""
    from saec.station.simulated.machine.shown_sections import coupler_sections

    if machine.with_station:
        raise click.UsageError("--coupler needs the settings of a station: --config FILE, not --with-station")
    if settings_file() is None:
        click.echo(coupler_sections(name), nl=False)
        return
    settings = station_settings(named_file())
    coupler = next((one for one in settings.coupler if one.name == name), None)
    if coupler is None:
        names = ", ".join(one.name for one in settings.coupler) or "none"
        raise ConfigError(f"there is no [[coupler]] named {name}", f"the settings have: {names}")
    try:
        from saec.station.simulated.played_coupler import PlayedCoupler
    except ImportError as e:
        raise ExtraError(e.name or "a package", "modbus") from e
    played = PlayedCoupler(coupler, settings.output, settings.input)
    click.echo(f"the coupler {name} listens; Ctrl+C ends it")
    with suppress(KeyboardInterrupt):
        played.run(machine.parts, machine.per_s, click.echo, Event())


def _started(machine: MachineSettings, mishaps: CameraMishaps, stack: ExitStack) -> StationSettings:
    """A station of its own that answers."""
    from saec.station.simulated.machine.demonstration import StationChild, prepare_station

    folder = machine.out
    if folder is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saec-")))
    child = stack.enter_context(StationChild(prepare_station(folder, machine, mishaps, click.echo)))
    click.echo("starting the station")
    child.wait_ready()
    click.echo(f"the station runs: http://{child.settings.station.listen}/ (log: {child.log})")
    return child.settings


def _played(
    settings: StationSettings, machine: MachineSettings, mistakes: MistakeShares
) -> tuple[PlcTally, dict[str, Any]]:
    from rich.console import Console

    from saec.station.simulated.machine.machine_run import run_machine

    with Console(stderr=True).status("waiting for the station to be ready") as status:

        def say(tally: PlcTally) -> None:
            if tally.triggers:
                status.update(f"{tally.triggers} of {machine.parts} parts")

        return run_machine(settings, machine, mistakes, say)


def _show(tally: PlcTally, station: dict[str, Any], machine: MachineSettings) -> None:
    from rich.console import Console
    from rich.table import Table

    from saec.station.simulated.machine.machine_run import table_rows

    table = Table("", "", box=None, show_header=False)
    for row in table_rows(tally, station):
        table.add_row(*row)
    Console().print(table)
    for note in tally.notes:
        click.echo(note, err=True)
    if tally.triggers < machine.parts:
        why = station.get("error") or station.get("state") or "the station does not answer here"
        if blocked := station.get("not_ready"):
            why = f"the station takes no trigger: {blocked}; /ready and docs/modbus.md say why"
        click.echo(f"only {tally.triggers} of {machine.parts} parts: {why}", err=True)
    if machine.json is not None:
        figures = {**msgspec.to_builtins(tally), "station": station, "violations": tally.violations()}
        write_json_to(machine.json, figures)
    click.get_current_context().exit(int(bool(tally.violations()) or tally.triggers < machine.parts))
