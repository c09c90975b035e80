"""What `saec station simulate` is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from saec.settings.setting_fields import Count, Everyday, ExistingFolder, NewFile, Positive, Seed

Way = Literal["modbus", "opcua", "s7"]


class MachineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [machine]: the simulated machine.

    Attributes:
        with_station: Start a station as well, with a line and pictures that are drawn. It ends with the
            machine.
        way: With --with-station, or without a settings file: how the station reaches the PLC.
        plc: With a settings file: the name of the [[plc]] that is played. Default: the first one.
        coupler: Play a [[coupler]] of kind "modbus" in place of a PLC, by its name in the settings file, and
            say each change of its outputs. Without a settings file: print a [[coupler]] of this name.
        parts: How many parts come before the camera, or before the light barriers of the coupler.
        per_s: Parts a second, at most.
        pictures: With --with-station: the folder of the pictures that the camera plays. Default: drawn ones.
        line: With --with-station: the folder of the line that judges. Default: one that is fitted on the
            drawn pictures.
        out: With --with-station: keep the station here, and use what is there again. Default: a folder that
            is deleted.
        wrong_word_order: The PLC has the words of its numbers in the other order.
        seed: Seed of the parts and of what goes wrong.
        json: Write the figures to this JSON file; "-" is standard output.
    """

    with_station: Everyday[bool] = False
    way: Everyday[Way] = "modbus"
    plc: Everyday[str | None] = None
    coupler: str | None = None
    parts: Everyday[Count] = 50
    per_s: Everyday[Positive] = 5.0
    pictures: ExistingFolder | None = None
    line: Everyday[ExistingFolder | None] = None
    out: Everyday[Path | None] = None
    wrong_word_order: bool = False
    seed: Seed = 0
    json: Everyday[NewFile | None] = None
