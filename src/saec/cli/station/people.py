"""saec station people: who may log in at the station's page, also while the station runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, shell_actor
from saec.settings.setting_fields import Argument, Everyday, Option

if TYPE_CHECKING:
    from saec.station.people.people_store import PeopleStore
    from saec.station.people.person import Note
    from saec.station.setup.station_settings import StationSettings

RoleName = Literal["viewer", "operator", "engineer", "admin"]
PasswordFile = Annotated[Path | None, Option(everyday=True, metavar="FILE")]


class AddPersonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [person_add]: who is added.

    Attributes:
        name: The name to log in with.
        role: What the person may do (docs/people.md).
        password_file: A file that holds the password alone; "-" reads it from standard input. Default: ask.
    """

    name: Argument[str]
    role: Everyday[RoleName] = "viewer"
    password_file: PasswordFile = None


class RolePersonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [person_role]: who gets which role.

    Attributes:
        name: The person's name.
        role: The new role.
    """

    name: Argument[str]
    role: Argument[RoleName]


class PasswordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [person_password]: whose password is set.

    Attributes:
        name: The person's name.
        password_file: A file that holds the password alone; "-" reads it from standard input. Default: ask.
    """

    name: Argument[str]
    password_file: PasswordFile = None


class NamedPersonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [person]: who is meant.

    Attributes:
        name: The person's name.
    """

    name: Argument[str]


@click.group()
def people() -> None:
    """Add people, change their roles, reset passwords.

    The station may be running. Passwords are asked for, and are never given as an argument.
    """


@settings_command(example=EXAMPLE)
def add_person(person_add: AddPersonSettings, action: ActionSettings) -> None:
    """Add a person who may log in at the station's page.

    \b
    saec station people add --config station.toml anna --role operator
    """
    store, note = _opened(action.reason)
    from saec.station.people.roles import Role

    store.check_new(person_add.name)
    password = _password(person_add.password_file)
    person = store.add(person_add.name, Role(person_add.role), password, note=note)
    click.echo(f"{person.name} may log in as {person.role}")


@settings_command(example=EXAMPLE)
def list_people() -> None:
    """List the people, their roles and whether they may log in.

    \b
    saec station people list --config station.toml
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    found = _store(station_settings(named_file())).all()
    table = Table("name", "role", "logs in by", "", box=None)
    for person in found:
        way = "password" if person.via == "password" else "OpenID Connect"
        table.add_row(escape(person.name), person.role, way, "" if person.enabled else "disabled")
    Console().print(
        table if found else "there is nobody yet: `saec station people setup-code` says how to begin"
    )


@settings_command(example=EXAMPLE)
def change_role(person_role: RolePersonSettings, action: ActionSettings) -> None:
    """Give a person another role, and end the person's sessions.

    \b
    saec station people role --config station.toml anna engineer
    """
    store, note = _opened(action.reason)
    from saec.station.people.roles import Role

    store.set_role(person_role.name, Role(person_role.role), note=note)


@settings_command(example=EXAMPLE)
def set_password(person_password: PasswordSettings, action: ActionSettings) -> None:
    """Set a person's password.

    This ends the person's sessions, and lets a locked name log in again.

    \b
    saec station people password --config station.toml anna
    """
    store, note = _opened(action.reason)
    store.known(person_password.name)
    store.set_password(person_password.name, _password(person_password.password_file), note=note)


@settings_command(example=EXAMPLE)
def disable_person(person: NamedPersonSettings, action: ActionSettings) -> None:
    """Let a person log in no more, and end the person's sessions.

    \b
    saec station people disable --config station.toml anna
    """
    store, note = _opened(action.reason)
    store.set_enabled(person.name, False, note=note)


@settings_command(example=EXAMPLE)
def enable_person(person: NamedPersonSettings, action: ActionSettings) -> None:
    """Let a person log in again.

    \b
    saec station people enable --config station.toml anna
    """
    store, note = _opened(action.reason)
    store.set_enabled(person.name, True, note=note)


@settings_command(example=EXAMPLE)
def remove_person(person: NamedPersonSettings, action: ActionSettings) -> None:
    """Delete a person's account, and end the person's sessions.

    \b
    saec station people remove --config station.toml anna
    """
    store, note = _opened(action.reason)
    store.remove(person.name, note=note)


@settings_command(example=EXAMPLE)
def show_pseudonyms(action: ActionSettings) -> None:
    """Show whose the pseudonyms are. The audit records that you have asked.

    \b
    saec station people pseudonyms --config station.toml --reason "a complaint of 12 May"
    """
    from datetime import UTC, datetime

    store, note = _opened(action.reason)
    known = store.pseudonyms.all()
    note("person.pseudonyms", "", None, {"shown": len(known)})
    for one in known:
        since, until = (
            "now" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
            for time in (one.since, one.until)
        )
        click.echo(f"{one.pseudonym}  {since} to {until}  {one.name}")
    if not known:
        click.echo("no pseudonym is known")


@settings_command(example=EXAMPLE)
def show_setup_code() -> None:
    """Print the address at which the first admin is made.

    It holds a code that is valid until there is an admin, or until the station starts again.

    \b
    saec station people setup-code --config station.toml
    """
    settings = station_settings(named_file())
    code = _store(settings).setup.current()
    if code is None:
        click.echo("there is an admin already; `saec station people password` resets a password")
        click.get_current_context().exit(1)
    from saec.station.people.setup_code import setup_address

    scheme = "http" if settings.http.tls_cert is None else "https"
    click.echo(setup_address(f"{scheme}://{settings.station.listen}", code, settings.http.hosts))


for _name, _command in {
    "add": add_person,
    "list": list_people,
    "role": change_role,
    "password": set_password,
    "disable": disable_person,
    "enable": enable_person,
    "remove": remove_person,
    "pseudonyms": show_pseudonyms,
    "setup-code": show_setup_code,
}.items():
    people.add_command(_command, _name)


def _opened(reason: str) -> tuple[PeopleStore, Note]:
    """The people of the station that --config names, and what records their changes."""
    settings = station_settings(named_file())
    from saec.station.people.people_audit import audited

    return _store(settings), audited(settings.station.data, shell_actor(), ROLE, reason)


def _store(settings: StationSettings) -> PeopleStore:
    from saec.station.people.people_store import PeopleStore
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    store = PeopleStore(settings.station.data, settings.people)
    click.get_current_context().call_on_close(store.close)
    return store


def _password(file: Path | None) -> str:
    """The password that the user types twice without seeing it, or that a file or standard input holds."""
    if file is None:
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)
        return given
    from saec.errors import ConfigError
    from saec.texts import decoded, read_secret

    if str(file) != "-":
        return read_secret(file)
    text = decoded(sys.stdin.buffer.readline(_LONGEST), "standard input").strip()
    if not text:
        raise ConfigError("standard input is empty", "write the password into it")
    return text


_LONGEST = 4096
