"""saec station versions, add, shadow, promote and rollback: which profile of a line judges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from saec.cli.station.config import CONFIG, read_config
from saec.errors import ConfigError
from saec.texts import whole_number

if TYPE_CHECKING:
    from saec.station.line.version_store import VersionStore


@click.command("versions")
@CONFIG
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


@click.command("add")
@CONFIG
@click.argument("line")
@click.argument("profile", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", help="Cloud model (or adapter) that goes with this version.")
def add(config: Path, line: str, profile: Path, model: str | None) -> None:
    """Take PROFILE over as the next version of LINE; it judges nothing until it is promoted."""
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat(timespec="seconds")
    click.echo(f"v{_store(config, line).add(profile, model=model, time=now)}")


@click.command("shadow")
@CONFIG
@click.argument("line")
@click.argument("version")
def shadow(config: Path, line: str, version: str) -> None:
    """Let VERSION of LINE judge beside the current one, without effect; "none" ends it."""
    _store(config, line).shadow(None if version == "none" else _number(version))


@click.command("promote")
@CONFIG
@click.argument("line")
@click.argument("version")
def promote(config: Path, line: str, version: str) -> None:
    """Make VERSION of LINE the one that judges; frames in flight finish on the old one."""
    _store(config, line).promote(_number(version))


@click.command("rollback")
@CONFIG
@click.argument("line")
def rollback(config: Path, line: str) -> None:
    """Go back to the version of LINE that judged before."""
    click.echo(f"v{_store(config, line).roll_back()}")


def _store(config: Path, line: str) -> VersionStore:
    settings = read_config(config)
    from saec.station.line.version_store import VersionStore

    if line not in [entry.name for entry in settings.line]:
        raise ConfigError(f"{config} has no line {line}", "name one of its [[line]]")
    return VersionStore(settings.station.data / "lines" / line)


def _number(version: str) -> int:
    number = whole_number(version.removeprefix("v"))
    if number is None:
        raise ConfigError(f"{version[:80]!r} is no version", "give its number, such as 2 or v2")
    return number
