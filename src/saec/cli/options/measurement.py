"""What of a run is measured: its options, and what is said of it at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from saec.decoding import convert
from saec.errors import DataError
from saec.texts import read_json

if TYPE_CHECKING:
    from saec.runs.run_record import RunInfo

F = TypeVar("F", bound=Callable[..., Any])


def meter_line(info: RunInfo) -> str:
    """What the run took, in one line; loading and warm-up are apart, in run.json."""
    from saec.meter import PhaseReading, energy_of, energy_per_correct_mwh

    reading = next(convert(r, PhaseReading) for r in info.meter if r["phase"] == "run")
    energy = energy_per_correct_mwh(reading, info.counts.get("correct"))
    figures = (
        ("wall time", reading.wall_s, 2, "s"),
        ("GPU utilisation", reading.gpu_util_avg, 0, "%"),
        ("GPU power", reading.gpu_power_avg_w, 1, "W"),
        ("energy per correct decision", energy, 4, f"mWh of {' and '.join(energy_of(reading))}"),
        ("memory", reading.cpu_memory_avg_gb, 2, "GB"),
    )
    return ", ".join(
        f"{name} unknown" if value is None else f"{name} {value:.{digits}f} {unit}"
        for name, value, digits, unit in figures
    )


def tell_energy(folder: Path) -> None:
    """Where a run's energy went, in a few lines; nothing where none was measured."""
    from saec.runs.metering.energy_shares import RunEnergy
    from saec.runs.metering.run_meter import ENERGY_FILE

    path = folder / ENERGY_FILE
    if not path.is_file():
        return
    energy = read_json(path, RunEnergy, error=DataError, remedy="inspect again")
    for note in energy.notes:
        click.echo(note)
    for device in energy.devices:
        stages = ", ".join(f"{p.stage} {p.net_j:.1f}" for p in energy.parts if p.device == device.device)
        click.echo(
            f"{device.device} energy {device.total_j:.1f} J = idle {device.idle_j:.1f} + "
            f"nobody's {device.unattributed_j:.1f} + {stages}"
        )
    for route in energy.routes:
        low, high = route.gross_interval
        click.echo(f"{route.route} route: {route.gross_j:.3f} J per frame, {low:.3f} to {high:.3f}")
    if energy.link_j:
        model = f"a stated model, {1e9 * energy.link_j_per_byte:g} nJ a byte"
        click.echo(f"link: {energy.link_j:.3g} J by {model}, in no other figure")
