"""saec station plc: walk through a handshake with a PLC by hand."""

from __future__ import annotations

from typing import Annotated, Literal

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.errors import ConfigError
from saec.settings.setting_fields import Argument, Everyday, Option


class PlcTestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [plc_test]: which PLC, and what it is answered.

    Attributes:
        name: The name of a [[plc]].
        answer: What the station answers.
        step_s: Seconds to wait for each step of the PLC.
    """

    name: Argument[str]
    answer: Everyday[Literal["good", "defect", "fault"]] = "good"
    step_s: Annotated[Everyday[float], msgspec.Meta(gt=0), Option(metavar="SECONDS")] = 60.0


@click.group()
def plc() -> None:
    """Try a PLC before a line depends on it."""


@settings_command(example=EXAMPLE)
def test_plc(plc_test: PlcTestSettings) -> None:
    """Walk through one handshake with a PLC, step by step.

    The station must not run. No camera and no line is needed: you choose the answer.

    \b
    saec station plc test press --config station.toml
    saec station plc test press --config station.toml --answer fault
    """
    settings = station_settings(named_file())
    found = next((one for one in settings.plc if one.name == plc_test.name), None)
    if found is None:
        names = ", ".join(one.name for one in settings.plc) or "none"
        raise ConfigError(f"there is no [[plc]] named {plc_test.name}", f"the settings have: {names}")
    from saec.station.plc.worker.hand_walk import HandWalk
    from saec.station.plc.worker.trigger_numbers import TriggerNumbers
    from saec.station.storage.spool import Spool

    spool = Spool(settings.station.data, [sink.name for sink in settings.sink], settings.spool)
    try:
        numbers = TriggerNumbers(spool, found.name)
        HandWalk(found, numbers.take, click.echo, step_s=plc_test.step_s).walk(plc_test.answer)
    finally:
        spool.close()


plc.add_command(test_plc, "test")
