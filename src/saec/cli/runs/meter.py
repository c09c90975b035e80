"""saec meter: the time, energy and memory of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec
from rich.console import Console
from rich.table import Table

from saec.cli.options.output_file import write_json_to
from saec.cli.options.settings_command import settings_command
from saec.errors import ConfigError, DataError
from saec.settings import MeterConfig
from saec.settings.setting_fields import Count, Everyday, NewFile, Option, Share

if TYPE_CHECKING:
    from saec.meter.measured_command import CountedDecisions, Measurement

_ROWS = (
    ("wall time, s", "wall_s", 2),
    ("GPU utilisation avg, %", "gpu_util_avg", 1),
    ("GPU power avg, W", "gpu_power_avg_w", 1),
    ("GPU energy, J", "gpu_energy_j", 1),
    ("CPU energy, J", "cpu_energy_j", 1),
    ("CPU memory avg, GB", "cpu_memory_avg_gb", 3),
    ("CPU memory peak, GB", "cpu_memory_peak_gb", 3),
)


class MeasureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [measure]: the command that `saec meter` runs, and what it judges.

    Attributes:
        cmd: The command and its options. Write -- before it.
        verdicts: The verdicts.jsonl that CMD writes. Images and accuracy are counted from it.
        images: How many images CMD judges, where it writes no verdicts.
        accuracy: The accuracy of CMD, from 0 to 1, where it writes no verdicts. Give --images too.
        json: Write the figures to this JSON file. "-" is standard output, where CMD writes, too.
    """

    cmd: Annotated[tuple[str, ...], Option(argument=True)]
    verdicts: Everyday[Path | None] = None
    images: Everyday[Count | None] = None
    accuracy: Everyday[Share | None] = None
    json: Everyday[NewFile | None] = None


@settings_command(everyday=("--gpu", "--interval-s"), only=("meter.gpu", "meter.interval_s"))
def command(measure: MeasureSettings, meter: MeterConfig) -> None:
    """Run CMD, and print what it took: time, GPU utilisation and power, memory, and mWh per correct decision.

    Write -- before CMD. What could not be measured is printed as 'unknown'. The exit code is that of CMD.

    \b
    saec meter --verdicts RUN/verdicts.jsonl -- saec inspect IMAGES --line LINE --out RUN
    saec meter --images 967 --accuracy 0.851 --gpu 0 -- python evaluate.py
    """
    from saec.meter.measured_command import Measurement, measure_command

    _check(measure)
    verdicts = measure.verdicts
    before = verdicts.read_bytes() if verdicts is not None and verdicts.exists() else b""
    status, readings = measure_command(measure.cmd, gpu=meter.gpu, interval=meter.interval_s)
    decisions, failure = _stated(measure.images, measure.accuracy), None
    if verdicts is not None:
        try:
            decisions = _written(verdicts, before)
        except DataError as e:  # told after the figures, which cost a run
            failure = e
    result = Measurement.of(measure.cmd, status, readings, decisions)
    if measure.json is not None:
        write_json_to(measure.json, result)
    show(result, Console(stderr=True))
    if failure is not None and status == 0:
        raise failure
    click.get_current_context().exit(status)


command.allow_interspersed_args = False  # what follows CMD is its own, --help too


def show(result: Measurement, console: Console) -> None:
    """Print a measurement: a table with a column per phase, the decisions, the notes."""
    table = Table("", *result.phases)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, field, digits in _ROWS:
        table.add_row(name, *(_text(getattr(reading, field), digits) for reading in result.phases.values()))
    table.add_section()
    table.add_row("accuracy", _text(result.accuracy, 4))
    table.add_row("images", _text(result.images, 0))
    table.add_row("energy per correct decision, mWh", _text(result.energy_per_correct_mwh, 4))
    console.print(table)
    if result.energy_per_correct_mwh is not None:
        console.print(f"- energy per correct decision is that of {' and '.join(result.energy_of)}, gross")
    for note in dict.fromkeys(note for reading in result.phases.values() for note in reading.notes):
        console.print(f"- {note}", markup=False)


def _check(measure: MeasureSettings) -> None:
    stated = measure.images is not None or measure.accuracy is not None
    if measure.verdicts is not None and stated:
        raise ConfigError(
            "--images and --accuracy cannot be used with --verdicts",
            "leave them out: they are counted from the verdicts",
        )
    if stated and measure.images is None:
        raise ConfigError("--accuracy needs the number of images", "give --images too")


def _stated(images: int | None, accuracy: float | None) -> CountedDecisions:
    from saec.meter.measured_command import CountedDecisions

    correct = round(accuracy * images) if accuracy is not None and images is not None else None
    return CountedDecisions(images, correct, accuracy)


def _written(path: Path, before: bytes) -> CountedDecisions:
    """The decisions that the command added to the file, or all of them where it wrote the file anew."""
    from saec.meter.measured_command import decided

    added = path.read_bytes().removeprefix(before) if path.exists() else b""
    if not added:
        raise DataError(f"nothing was written to {path}", "give the verdicts.jsonl that the command writes")
    return decided(added)


def _text(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"
