"""saec station: the program at the line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.cli import quarantine
from saec.cli.letters import command as letters
from saec.cli.station_backup import backup, restore
from saec.cli.station_repair import repair
from saec.cli.station_support import support
from saec.errors import ConfigError, ExtraError
from saec.texts import whole_number

if TYPE_CHECKING:
    from saec.station.line.versions import VersionStore
    from saec.station.settings import Settings

_NEEDED = (
    "fastapi",
    "uvicorn",
    "httpx",
    "structlog",
    "paho",
    "prometheus_client",
    "tenacity",
    "cryptography",
)
_CONFIG = click.option(
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The settings file (docs/station.md).",
)


def read_config(config: Path) -> Settings:
    """The settings of a station; says which extra is missing."""
    from importlib.util import find_spec

    for package in _NEEDED:
        if find_spec(package) is None:
            raise ExtraError(package, "station")
    from saec.station.settings_file import read_settings

    return read_settings(config)


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
    from saec.cli.ending import run_to_the_end
    from saec.station.serve import serve
    from saec.web.logs import configure_logs

    configure_logs(log_level)
    run_to_the_end(lambda: serve(settings))


command.add_command(letters)


def _check(settings: Settings) -> None:
    from saec.connecting import shown
    from saec.line import LineProfile
    from saec.station.opening import open_all
    from saec.station.warnings import warnings

    open_all(settings)
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


command.add_command(quarantine.command)


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

    from saec.web.access import digest

    secret = secrets.token_urlsafe(32)
    click.echo(f"token (keep it, it is shown once): {secret}")
    click.echo(f"line for tokens_file: {name} {digest(secret)}")


@command.command("versions")
@_CONFIG
@click.argument("line")
def versions(config: Path, line: str) -> None:
    """Show the versions of LINE."""
    store = _store(config, line)
    state = store.state()
    for version in state.known:
        marks = [
            word
            for word, number in (
                ("current", state.current),
                ("previous", state.previous),
                ("shadow", state.shadow),
            )
            if number == version.number
        ]
        model = f", cloud model {version.model}" if version.model else ""
        click.echo(
            f"v{version.number} {version.content[:12]} {version.added}{model} {' '.join(marks)}".rstrip()
        )


@command.command("add")
@_CONFIG
@click.argument("line")
@click.argument("profile", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", help="Cloud model (or adapter) that goes with this version.")
def add(config: Path, line: str, profile: Path, model: str | None) -> None:
    """Take PROFILE over as the next version of LINE; it judges nothing until it is promoted."""
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat(timespec="seconds")
    click.echo(f"v{_store(config, line).add(profile, model=model, time=now)}")


@command.command("shadow")
@_CONFIG
@click.argument("line")
@click.argument("version")
def shadow(config: Path, line: str, version: str) -> None:
    """Let VERSION of LINE judge beside the current one, without effect; "none" ends it."""
    _store(config, line).shadow(None if version == "none" else _number(version))


@command.command("promote")
@_CONFIG
@click.argument("line")
@click.argument("version")
def promote(config: Path, line: str, version: str) -> None:
    """Make VERSION of LINE the one that judges; frames in flight finish on the old one."""
    _store(config, line).promote(_number(version))


@command.command("rollback")
@_CONFIG
@click.argument("line")
def rollback(config: Path, line: str) -> None:
    """Go back to the version of LINE that judged before."""
    click.echo(f"v{_store(config, line).roll_back()}")


def _store(config: Path, line: str) -> VersionStore:
    settings = read_config(config)
    from saec.station.line.versions import VersionStore

    if line not in [entry.name for entry in settings.line]:
        raise ConfigError(f"{config} has no line {line}", "name one of its [[line]]")
    return VersionStore(settings.station.data / "lines" / line)


def _number(version: str) -> int:
    number = whole_number(version.removeprefix("v"))
    if number is None:
        raise ConfigError(f"{version[:80]!r} is no version", "give its number, such as 2 or v2")
    return number


for part in (backup, repair, restore, support):
    command.add_command(part)
