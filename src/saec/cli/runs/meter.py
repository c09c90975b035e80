"""saec meter: the time, energy and memory of a command."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from saec.cli.options.output_file import NewFile
from saec.errors import ConfigError, DataError
from saec.meter.measured_command import CountedDecisions, Measurement, decided, measure_command

_ROWS = (
    ("wall time, s", "wall_s", 2),
    ("GPU utilisation avg, %", "gpu_util_avg", 1),
    ("GPU power avg, W", "gpu_power_avg_w", 1),
    ("GPU energy, J", "gpu_energy_j", 1),
    ("CPU energy, J", "cpu_energy_j", 1),
    ("CPU memory avg, GB", "cpu_memory_avg_gb", 3),
    ("CPU memory peak, GB", "cpu_memory_peak_gb", 3),
)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--gpu", type=click.IntRange(min=0), default=0, show_default=True, help="NVML's number of the GPU."
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=0.2,
    show_default=True,
    help="Seconds between samples.",
)
@click.option("--images", type=click.IntRange(min=1), help="How many images CMD judges.")
@click.option(
    "--accuracy", type=click.FloatRange(0, 1), help="CMD's accuracy, where it is known from elsewhere."
)
@click.option("--verdicts", type=click.Path(path_type=Path), help="The verdicts.jsonl that CMD writes.")
@click.option("--save", type=NewFile(), help="Write the figures as JSON.")
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    gpu: int,
    interval: float,
    images: int | None,
    accuracy: float | None,
    verdicts: Path | None,
    save: Path | None,
    cmd: tuple[str, ...],
) -> None:
    """Run CMD, and print what it took: time, GPU utilisation and power, memory, energy per correct decision.

    Accuracy comes from the verdicts that CMD writes, or is stated together with the number of images. What
    could not be measured is printed as 'unknown'. CMD's exit status is passed on.

    \b
    saec meter --verdicts RUN/verdicts.jsonl -- saec inspect IMAGES --line LINE --out RUN
    saec meter --images 967 --accuracy 0.851 -- python evaluate.py
    """
    _check(images, accuracy, verdicts)
    before = verdicts.read_bytes() if verdicts is not None and verdicts.exists() else b""
    status, readings = measure_command(cmd, gpu=gpu, interval=interval)
    decisions, failure = _stated(images, accuracy), None
    if verdicts is not None:
        try:
            decisions = _written(verdicts, before)
        except DataError as e:  # told after the figures, which cost a run
            failure = e
    result = Measurement.of(cmd, status, readings, decisions)
    if save is not None:
        save.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    show(result, Console(stderr=True))
    if failure is not None and status == 0:
        raise failure
    ctx.exit(status)


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


def _check(images: int | None, accuracy: float | None, verdicts: Path | None) -> None:
    if verdicts is not None and (accuracy is not None or images is not None):
        raise ConfigError("--verdicts excludes --accuracy and --images", "they are counted from the verdicts")


def _stated(images: int | None, accuracy: float | None) -> CountedDecisions:
    correct = round(accuracy * images) if accuracy is not None and images is not None else None
    return CountedDecisions(images, correct, accuracy)


def _written(path: Path, before: bytes) -> CountedDecisions:
    """The decisions that the command added to the file, or all of them where it wrote the file anew."""
    added = path.read_bytes().removeprefix(before) if path.exists() else b""
    if not added:
        raise DataError(f"nothing was written to {path}", "give the verdicts.jsonl that the command writes")
    return decided(added)


def _text(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:,.{digits}f}"
