"""saec audit keys, rotate and revoke: the keys that sign evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, shell_actor
from saec.errors import ConfigError
from saec.settings.setting_fields import Argument, Everyday

if TYPE_CHECKING:
    from saec.station.audit.signing_keys import PublicKey, SigningKeys


class AuditKeysSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [audit_keys]: what is done beside the list.

    Attributes:
        make: Make a key where none is active. A station does this when it starts.
    """

    make: Everyday[bool] = False


class AuditRevokeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [audit_revoke]: which key is revoked.

    Attributes:
        key: The key's id, as `saec audit keys` shows it.
    """

    key: Argument[str]


@settings_command(example=EXAMPLE)
def keys(audit_keys: AuditKeysSettings) -> None:
    """List the public keys of a station.

    Keep what it prints where evidence is checked; `saec audit verify --trusted-key` reads it. Private keys
    are in the folder "keys" of the data folder.

    \b
    saec audit keys --config station.toml > station-keys.txt
    """
    held = _keys()
    if audit_keys.make:
        held.ensure(shell_actor(), ROLE)
    known = held.known()
    for key in known:
        click.echo(_line(key))
    if not known:
        click.echo("there is no key yet; --make makes one, and so does the station's start", err=True)


@settings_command(example=EXAMPLE)
def rotate_keys(action: ActionSettings) -> None:
    """Make the next key; the old one vouches for it and is deleted.

    Who trusts the old public key also trusts what the new key signs.

    \b
    saec audit rotate --config station.toml --reason yearly
    """
    click.echo(_line(_keys().rotate(shell_actor(), ROLE, action.reason)))


@settings_command(example=EXAMPLE)
def revoke_key(audit_revoke: AuditRevokeSettings, action: ActionSettings) -> None:
    """Revoke a key, such as a stolen one.

    It signs no more, and vouches for no other key. Give a --reason. Make the next key with `saec audit keys
    --make`, and hand its public key to everybody who checks evidence.

    \b
    saec audit revoke 0123456789abcdef --config station.toml --reason "disk stolen"
    """
    if not action.reason:
        raise ConfigError("no reason is given", "say with --reason why the key is revoked")
    click.echo(_line(_keys().revoke(shell_actor(), ROLE, audit_revoke.key, action.reason)))


def _keys() -> SigningKeys:
    data = station_settings(named_file()).station.data
    from saec.station.audit.audit_log import AuditLog
    from saec.station.audit.signing_keys import SigningKeys
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    return SigningKeys(data, AuditLog(data))


def _line(key: PublicKey) -> str:
    from datetime import UTC, datetime

    def day(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    ended = "" if key.ended is None else f" until {day(key.ended)}"
    words = "".join(sign if sign.isprintable() else " " for sign in key.reason)  # one line a key
    reason = f" ({words})" if words else ""
    vouched = f" vouched for by {key.previous}" if key.previous else ""
    return f"{key.state} {key.id} {key.public} since {day(key.made)}{ended}{vouched}{reason}"
