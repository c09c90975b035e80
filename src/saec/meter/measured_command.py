"""Measure a command: its time, energy and memory, and what its correct decisions cost."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from saec.decoding import decoder
from saec.errors import ConfigError, DataError
from saec.meter import phases
from saec.meter.energy_meter import Meter
from saec.meter.gpu import Gpu, open_gpu
from saec.meter.ledger import OUTSIDE, PhaseReading, energy_of, energy_per_correct_mwh
from saec.meter.rapl import CpuEnergy
from saec.settings import MeterConfig
from saec.texts import decoded
from saec.types import VerdictRecord

NO_MARKS = "the figures include loading and warm-up, because the command does not mark its phases"


class CountedDecisions(msgspec.Struct, frozen=True):
    """How many images were judged, how many of them correctly, and the share; None where it is not known."""

    images: int | None = None
    correct: int | None = None
    accuracy: float | None = None


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What ``saec meter --json`` writes.

    Attributes:
        command, status: what was run, and its exit status (128 + n when signal n ended it).
        images, correct, accuracy: its decisions, counted or stated.
        energy_per_correct_mwh: mWh per correct decision in the run phase, as ``energy_of`` names it.
        phases: "run" and, where the command marks them, "loading", "warm-up" and "other".
    """

    command: list[str]
    status: int
    images: int | None = None
    correct: int | None = None
    accuracy: float | None = None
    energy_per_correct_mwh: float | None = None
    energy_of: tuple[str, ...] = ()
    phases: dict[str, PhaseReading]

    @classmethod
    def of(
        cls,
        command: Sequence[str],
        status: int,
        readings: dict[str, PhaseReading],
        decisions: CountedDecisions,
    ) -> Measurement:
        """Join the readings of a command with its decisions."""
        run = readings["run"]
        return cls(
            command=list(command),
            status=status,
            images=decisions.images,
            correct=decisions.correct,
            accuracy=decisions.accuracy,
            energy_per_correct_mwh=energy_per_correct_mwh(run, decisions.correct),
            energy_of=energy_of(run),
            phases=readings,
        )


def measure_command(
    command: Sequence[str],
    *,
    gpu: int | Gpu | None = None,
    interval: float = MeterConfig().interval_s,
    cpu: CpuEnergy | None = None,
) -> tuple[int, dict[str, PhaseReading]]:
    """Run a command and measure it and everything that it starts.

    Ctrl-C reaches the command, not the meter; SIGTERM and SIGHUP are passed on to it.

    Returns:
        Its exit status (128 + n when signal n ended it) and a reading per phase.

    Raises:
        ConfigError: the command cannot be started.
    """
    opened = (
        gpu if isinstance(gpu, Gpu) else open_gpu(gpu)
    )  # before the command, so that no time of it is lost
    with tempfile.TemporaryDirectory(prefix="saec-meter-") as folder:
        marks = Path(folder) / "phases"
        with _child(command, {**os.environ, phases.VARIABLE: str(marks)}) as child:
            meter = Meter(opened, interval, cpu=cpu, pid=child.pid, marks=marks)
            with meter:
                code = child.wait()
    return (code if code >= 0 else 128 - code), _readings(meter)


def decided(verdicts: bytes) -> CountedDecisions:
    """The decisions in the text of a ``verdicts.jsonl``: those on frames whose truth is known.

    Of several verdicts on a frame the last counts, as where the cloud answered after the deadline.
    A frame that got an error instead of a label is an image that was not judged correctly.

    Raises:
        DataError: a line is not a verdict.
    """
    images = correct = 0
    for verdict in _standing(verdicts):
        images += verdict.truth is not None
        correct += verdict.truth is not None and verdict.label == verdict.truth
    return CountedDecisions(images, correct, correct / images) if images else CountedDecisions()


def _standing(verdicts: bytes) -> Iterator[VerdictRecord]:
    """The verdicts that no later one replaces, the last first."""
    read = decoder(VerdictRecord).decode
    made = []
    for number, line in enumerate(_utf8(verdicts).splitlines(), 1):
        try:
            made.append(read(line))
        except msgspec.DecodeError as e:
            raise DataError(f"row {number} is not a verdict: {e}", "give a verdicts.jsonl of saec") from e
    replaced = set()
    for verdict in reversed(made):
        if verdict.id not in replaced:
            yield verdict
        if verdict.replaces:
            replaced.add(verdict.id)


def _utf8(verdicts: bytes) -> bytes:
    return decoded(verdicts, "the file of verdicts", error=DataError).encode()


def _readings(meter: Meter) -> dict[str, PhaseReading]:
    named = [phase for phase in meter.phases if phase != OUTSIDE]
    outside = meter.reading(OUTSIDE)
    if not named:
        return {"run": msgspec.structs.replace(outside, phase="run", notes=(*outside.notes, NO_MARKS))}
    readings = {phase: meter.reading(phase) for phase in ("run", *named)}
    return {**readings, "other": msgspec.structs.replace(outside, phase="other")}


@contextmanager
def _child(command: Sequence[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The running command; ended if the block fails."""
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    # A terminal sends Ctrl-C to the command itself; SIG_IGN here would be inherited by it, a handler is not.
    handlers = {signal.SIGINT: lambda *_: None, signal.SIGTERM: pass_on}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = pass_on
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        children.append(_start(command, environment))
        yield children[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, env=environment)
    except OSError as e:
        raise ConfigError(f"cannot start {command[0]}: {e.strerror}", "check its name and path") from e
