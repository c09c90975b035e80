"""One output is pulsed by hand, to see what moves; the station does not run meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from saec.errors import ConfigError
from saec.station.outputs.couplers.coupler_settings import AnyCoupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.storage.database.schema import lock_folder


def pulse_by_hand(
    data: Path,
    couplers: Sequence[AnyCoupler],
    outputs: Sequence[OutputSettings],
    inputs: Sequence[InputSettings],
    name: str,
    seconds: float | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Pulse an output once; what is done, a sentence each, as it is done.

    All outputs of its coupler stand in their fail-safe state before and after it.

    Args:
        data: the station's data folder.
        couplers, outputs, inputs: the sections, checked already.
        name: the output's.
        seconds: length of the pulse; None is the output's own.
        sleep: waits for so many seconds.

    Raises:
        ConfigError: there is no such output.
        SpoolError: the station runs.
        LinkError: the coupler does not answer.
        MachineError: the coupler refuses.
        ExtraError: what the coupler needs is not installed.
    """
    output = next((one for one in outputs if one.name == name), None)
    if output is None:
        known = ", ".join(one.name for one in outputs) or "none"
        raise ConfigError(f"there is no [[output]] named {name}", f"use one of {known}")
    settings = next(one for one in couplers if one.name == output.coupler)
    owner = lock_folder(data / "spool.lock") if data.is_dir() else None
    try:
        yield from _pulsed(settings, outputs, inputs, output, seconds or output.pulse_s, sleep)
    finally:
        if owner is not None:
            os.close(owner)


def _pulsed(
    settings: AnyCoupler,
    outputs: Sequence[OutputSettings],
    inputs: Sequence[InputSettings],
    output: OutputSettings,
    seconds: float,
    sleep: Callable[[float], None],
) -> Iterator[str]:
    wired = [one for one in outputs if one.coupler == settings.name]
    read = [one for one in inputs if one.coupler == settings.name]
    safe = {one.name: one.level(one.safe == "on") for one in wired}
    coupler = settings.make_coupler(wired, read)
    coupler.open(safe)
    try:
        yield f"coupler {settings.name} is reached; its outputs stand in their fail-safe state"
        for name, reading in coupler.read().items():
            yield f"input {name} is {reading.value}"
        try:
            coupler.write({**safe, output.name: output.level(True)})
            yield f"output {output.name} is on for {seconds:g} s"
            sleep(seconds)
            coupler.write({**safe, output.name: output.level(False)})
            yield f"output {output.name} is off"
        finally:
            coupler.write(safe)
        yield f"output {output.name} is in its fail-safe state: {output.safe}"
    finally:
        coupler.close()
