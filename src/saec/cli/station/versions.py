"""saec station versions, add, shadow, promote and rollback: which profile of a line judges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, audit_of, shell_actor
from saec.errors import ConfigError
from saec.settings.setting_fields import Argument, ExistingFolder, Option
from saec.texts import whole_number

if TYPE_CHECKING:
    from saec.station.audit.audit_log import AuditLog
    from saec.station.line.version_store import Versions, VersionStore
    from saec.station.maintenance.audited_versions import VersionChange


class VersionsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [versions]: whose versions are shown.

    Attributes:
        line: The line's name.
    """

    line: Argument[str]


class AddSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [add]: what becomes a line's next version.

    Attributes:
        line: The line's name.
        profile: The line profile.
        service_model: The model or adapter to ask at the service with this version. Default: service_model in
            [cloud].
    """

    line: Argument[str]
    profile: Argument[ExistingFolder]
    service_model: Annotated[str | None, Option(name="--cloud-model", everyday=True, metavar="NAME")] = None


class ShadowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [shadow]: which version judges beside the current one.

    Attributes:
        line: The line's name.
        version: The version, such as 2 or v2; "none" ends it.
    """

    line: Argument[str]
    version: Argument[str]


class PromoteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [promote]: which version judges from now on.

    Attributes:
        line: The line's name.
        version: The version, such as 2 or v2.
    """

    line: Argument[str]
    version: Argument[str]


class RollbackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [rollback]: which line goes back.

    Attributes:
        line: The line's name.
    """

    line: Argument[str]


@settings_command(example=EXAMPLE)
def versions(versions: VersionsSettings) -> None:
    """List the versions of a line.

    \b
    saec station versions --config station.toml leather
    """
    store = _store(versions.line)
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


@settings_command(example=EXAMPLE)
def add(add: AddSettings, action: ActionSettings) -> None:
    """Add a profile as a line's next version.

    PROFILE is copied. It judges nothing until you promote it; a line's first version judges at once.

    \b
    saec station add --config station.toml leather lines/leather-new
    """
    store, log = _audited(add.line)
    from saec.station.maintenance.audited_versions import add_version

    number = add_version(store, log, shell_actor(), ROLE, add.profile, add.service_model, action.reason)
    click.echo(f"v{number}")


@settings_command(example=EXAMPLE)
def shadow(shadow: ShadowSettings, action: ActionSettings) -> None:
    """Let a version judge beside the current one, as a test.

    Its answers are counted in the metrics and the log. The VERSION "none" ends it.

    \b
    saec station shadow --config station.toml leather v2
    """
    number = None if shadow.version == "none" else _number(shadow.version)
    _change(shadow.line, "line.shadow", number, action.reason)


@settings_command(example=EXAMPLE)
def promote(promote: PromoteSettings, action: ActionSettings) -> None:
    """Let a stored version of the line judge from now on.

    It begins with the next frame. Frames in flight finish on the old version. Give a reason where the version
    was not compared with the one that judges, or where it does worse.

    \b
    saec station promote --config station.toml leather v2 --reason "finds scratches"
    """
    _change(promote.line, "line.promote", _number(promote.version), action.reason)


@settings_command(example=EXAMPLE)
def rollback(rollback: RollbackSettings, action: ActionSettings) -> None:
    """Go back to the version that judged before.

    \b
    saec station rollback --config station.toml leather
    """
    click.echo(f"v{_change(rollback.line, 'line.rollback', None, action.reason).current}")


def _change(line: str, what: VersionChange, number: int | None, reason: str) -> Versions:
    store, log = _audited(line)
    from saec.station.maintenance.audited_versions import change_version

    return change_version(store, log, shell_actor(), ROLE, what, number, reason)


def _audited(line: str) -> tuple[VersionStore, AuditLog]:
    """The line's versions, and where changes of them are recorded."""
    store = _store(line)
    return store, audit_of(store.folder.parents[1])


def _store(line: str) -> VersionStore:
    path = named_file()
    settings = station_settings(path)
    from saec.station.line.version_store import VersionStore

    if line not in [entry.name for entry in settings.line]:
        names = ", ".join(entry.name for entry in settings.line)
        raise ConfigError(f"{path} has no product line named {line}", f"it has {names}")
    return VersionStore(settings.station.data / "lines" / line)


def _number(version: str) -> int:
    number = whole_number(version.removeprefix("v"))
    if number is None:
        raise ConfigError(f"{version[:80]!r} is no version", "give its number, such as 2 or v2")
    return number
