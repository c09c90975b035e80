"""saec station outputs: a digital output is tried by hand."""

from __future__ import annotations

from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.settings.setting_fields import Argument, Option


class OutputTestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [outputs_test]: which output is pulsed.

    Attributes:
        name: The name of the [[output]].
        pulse_seconds: Length of the pulse in seconds. Default: the output's pulse_s.
    """

    name: Argument[str]
    pulse_seconds: Annotated[float | None, Option(everyday=True, metavar="S")] = None


@click.group()
def outputs() -> None:
    """Try the digital outputs by hand (docs/outputs.md).

    Stop the station first. Nobody may reach into the machine meanwhile.
    """


@settings_command(example=EXAMPLE)
def outputs_test(outputs_test: OutputTestSettings) -> None:
    """Pulse one output once, and say what the inputs of its coupler are.

    All outputs of the coupler stand in their fail-safe state before and after it. The machine moves: see to
    it that nobody is in reach.

    \b
    saec station outputs test --config station.toml gate
    """
    settings = station_settings(named_file())
    from saec.station.outputs.output_trial import pulse_by_hand

    for sentence in pulse_by_hand(
        settings.station.data,
        settings.coupler,
        settings.output,
        settings.input,
        outputs_test.name,
        outputs_test.pulse_seconds,
    ):
        click.echo(sentence)


outputs.add_command(outputs_test, "test")
