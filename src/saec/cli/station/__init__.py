"""saec station: the program at the line, and the commands beside it, a module for each subject."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.cli.station.backup import backup, restore
from saec.cli.station.config import read_config
from saec.cli.station.letters import letters
from saec.cli.station.quarantine import quarantine
from saec.cli.station.repair import repair
from saec.cli.station.support import support
from saec.cli.station.versions import add, promote, rollback, shadow, versions

if TYPE_CHECKING:
    from saec.station.setup.station_settings import StationSettings


@click.group(invoke_without_command=True)
@click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The settings file (docs/station.md).",
)
@click.option("--check", is_flag=True, help="Check settings and profiles; start nothing.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.pass_context
def command(ctx: click.Context, config: Path | None, check: bool, log_level: str) -> None:
    """Run a station: sources, edge, spool, sinks, API and status page, until it is stopped.

    \b
    saec station example > station.toml
    saec station --config station.toml --check
    saec station --config station.toml
    saec station versions --config station.toml bottle
    """
    if ctx.invoked_subcommand is not None:
        return
    if config is None:
        raise click.UsageError("Missing option '--config'.")
    settings = read_config(config)
    if check:
        _check(settings)
        return
    from saec.cli.options.process_end import run_to_the_end
    from saec.station.station_program import run_station
    from saec.web.program.logs import configure_logs

    configure_logs(log_level)
    run_to_the_end(lambda: run_station(settings))


def _check(settings: StationSettings) -> None:
    from saec.connecting import shown
    from saec.profile import LineProfile
    from saec.station.setup.settings_warnings import warnings
    from saec.station.startup_check import check_openable

    check_openable(settings)
    for line in settings.line:
        profile = LineProfile.open(line.profile)
        click.echo(f"line {line.name}: {line.profile}, calibration {profile.calibration.version}")
    for kind, entries in (("source", settings.source), ("sink", settings.sink)):
        for entry in entries:
            click.echo(f"{kind} {entry.name}: {type(entry).__name__}")
    click.echo(f"cloud: {'none' if settings.cloud is None else shown(settings.cloud.url)}")
    scheme = "http" if settings.http.tls_cert is None else "https"
    click.echo(f"data: {settings.station.data}; page: {scheme}://{settings.station.listen}/")
    for warning in warnings(settings):
        click.echo(f"warning: {warning}", err=True)
    click.echo("the settings are sound")


@command.command("example")
def example() -> None:
    """Print settings to begin with, with every section."""
    from importlib.resources import files

    click.echo(files("saec.station").joinpath("example.toml").read_text("utf-8"), nl=False)


@command.command("token")
@click.argument("name")
def token(name: str) -> None:
    """Make a token for NAME: shows it once, and the line for the tokens file."""
    import secrets

    from saec.web.admission.tokens import token_hash

    secret = secrets.token_urlsafe(32)
    click.echo(f"token (keep it, it is shown once): {secret}")
    click.echo(f"line for tokens_file: {name} {token_hash(secret)}")


_BESIDE = (versions, add, shadow, promote, rollback, letters, quarantine, backup, restore, repair, support)
for _one in _BESIDE:
    command.add_command(_one)
