"""saec station: the program at the line, and the commands beside it, a module for each subject."""

from __future__ import annotations

import click

from saec.cli.options.settings_group import settings_group
from saec.cli.station.backup import backup, restore
from saec.cli.station.cameras import cameras, snap
from saec.cli.station.config import named_file, station_settings
from saec.cli.station.frame_replay import station_replay
from saec.cli.station.letters import letters
from saec.cli.station.machine.outputs import outputs
from saec.cli.station.machine.plc import plc
from saec.cli.station.machine.simulate import station_simulate
from saec.cli.station.opcua_certificate import opcua_certificate
from saec.cli.station.parts import find_part
from saec.cli.station.people import people
from saec.cli.station.proofs.challenge import challenge
from saec.cli.station.quality.rates import station_rates
from saec.cli.station.quarantine import quarantine
from saec.cli.station.recipes import recipe, recipes
from saec.cli.station.repair import repair
from saec.cli.station.support import support
from saec.cli.station.teaching.teach import compare_command, teach_command
from saec.cli.station.versions import add, promote, rollback, shadow, versions
from saec.settings.trace_settings import TraceConfig
from saec.station.setup.station_section import StationSection
from saec.web.log_settings import LogConfig


@settings_group(without=("station.name", "station.data"))
def command(station: StationSection, log: LogConfig, trace: TraceConfig) -> None:
    """Run a station until it is stopped.

    A station takes frames from folders, cameras and HTTP. It judges them, and asks the cloud about what the
    edge is not sure of. Frames and verdicts stay on disk until every receiver has its verdicts. The settings
    file names all of these (docs/station.md).

    \b
    saec station example > station.toml
    saec config check --config station.toml
    saec station --config station.toml
    saec station versions --config station.toml bottle
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    from saec.cli.options.process_end import run_to_the_end

    settings = station_settings(named_file(), station)
    from saec.station.setup.settings_checks import check_traces_on_site
    from saec.station.station_program import run_station
    from saec.web.program.logs import configure_logs, trace_warning
    from saec.web.program.trace_export import exported_traces

    check_traces_on_site(settings, trace)
    configure_logs(log.level)

    def run() -> None:
        with exported_traces(trace, "saec-station", settings.station.name, trace_warning):
            run_station(settings)

    run_to_the_end(run)


@command.command("example")
def example() -> None:
    """Print a settings file to begin with."""
    from importlib.resources import files

    click.echo(files("saec.station").joinpath("example.toml").read_text("utf-8"), nl=False)


@command.command("token")
@click.argument("name")
def token(name: str) -> None:
    """Make a token for a client.

    The token for NAME is shown once, with the line for the tokens file.
    """
    import secrets

    from saec.web.admission.tokens import token_hash

    secret = secrets.token_urlsafe(32)
    click.echo(f"token (keep it, it is shown once): {secret}")
    click.echo(f"line for tokens_file: {name} {token_hash(secret)}")


for _name, _command in {
    "cameras": cameras,
    "snap": snap,
    "versions": versions,
    "add": add,
    "shadow": shadow,
    "promote": promote,
    "rollback": rollback,
    "teach": teach_command,
    "compare": compare_command,
    "rates": station_rates,
    "recipes": recipes,
    "recipe": recipe,
    "challenge": challenge,
    "replay": station_replay,
    "letters": letters,
    "opcua-certificate": opcua_certificate,
    "part": find_part,
    "outputs": outputs,
    "people": people,
    "plc": plc,
    "quarantine": quarantine,
    "backup": backup,
    "restore": restore,
    "repair": repair,
    "support": support,
    "simulate": station_simulate,
}.items():
    command.add_command(_command, _name)
