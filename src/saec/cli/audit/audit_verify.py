"""saec audit verify: a station's record of actions, or a file of evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command, settings_file
from saec.cli.station.config import need_packages, station_settings
from saec.errors import ConfigError
from saec.settings.setting_fields import Everyday, ExistingFile, ExistingFolder, Option

if TYPE_CHECKING:
    from saec.station.audit.evidence import EvidenceManifest


class AuditVerifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [audit_verify]: what is verified, and against what.

    Attributes:
        file: A file of evidence. Without one, the record of actions of a station is verified.
        data: The station's data folder. Default: what the settings file says.
        against: What left the machine earlier: a head N:HASH, a sink's file, or a file of evidence. It also
            shows a cut end and a rewritten whole.
        key: A public key that you trust, for a file of evidence: 64 hexadecimal digits, or a file that `saec
            audit keys` printed. Give it several times for several keys.
    """

    file: Annotated[ExistingFile | None, Option(argument=True)] = None
    data: Everyday[ExistingFolder | None] = None
    against: Annotated[str | None, Option(everyday=True, metavar="FILE|N:HASH")] = None
    key: Annotated[tuple[str, ...], Option(name="--trusted-key", everyday=True, metavar="KEY|FILE")] = ()


@settings_command()
def verify_audit(audit_verify: AuditVerifySettings) -> None:
    """Verify a station's record of actions, or a file of evidence.

    The status is 1 where a row or a file is not what was written; a sentence names the first. The station
    may be running. A file of evidence needs no station, but a key that you trust.

    \b
    saec audit verify --config station.toml
    saec audit verify --data /var/lib/saec --against 42:9f86d08...
    saec audit verify monday.zip --trusted-key station-keys.txt
    """
    need_packages()
    sound = _evidence(audit_verify) if audit_verify.file is not None else _chain(audit_verify)
    click.get_current_context().exit(0 if sound else 1)


def _data(given: Path | None) -> Path | None:
    """The data folder: as the option says, else as the settings file does."""
    if given is not None:
        return given
    config = settings_file()
    return None if config is None else station_settings(config).station.data


def _chain(settings: AuditVerifySettings) -> bool:
    from saec.station.audit.audit_heads import known_heads
    from saec.station.audit.audit_log import AuditLog
    from saec.station.audit.audit_verify import verify_log

    data = _data(settings.data)
    if data is None:
        raise click.UsageError("no station is named: give --data, --config or a file of evidence")
    known = None if settings.against is None else known_heads(settings.against)
    log = AuditLog(data)
    if known is None and not log.path.exists():
        raise ConfigError(f"{log.path} does not exist", "give the data folder of a station that has run")
    found = verify_log(log, known)
    if found.fault is not None:
        click.echo(f"{found.fault.what}; the rows before it are sound")
        return False
    click.echo(f"{found.head.n} rows are what was written")
    click.echo(f"head: {found.head}")
    if known is None:
        click.echo("a cut end or a rewritten whole shows only with --against")
    else:
        click.echo(f"they lead to every head of {settings.against}, up to row {max(known)}")
    return True


def _evidence(settings: AuditVerifySettings) -> bool:
    from saec.station.audit.audit_log import AuditLog
    from saec.station.audit.evidence import check_evidence
    from saec.station.audit.signing_keys import SigningKeys, read_public_keys

    trusted, revoked = read_public_keys(settings.key)
    if (data := _data(settings.data)) is not None:
        for key in SigningKeys(data, AuditLog(data)).known():
            (revoked if key.state == "revoked" else trusted).append(key.public)
    file = settings.file
    assert file is not None
    if not trusted:
        raise click.UsageError("no key is trusted: give --trusted-key, or --data or --config of the station")
    found = check_evidence(file, trusted, revoked)
    if found.fault:
        click.echo(f"{file}: {found.fault}")
        return False
    if found.manifest is not None:
        _show(found.manifest)
    return True


def _show(manifest: EvidenceManifest) -> None:
    from datetime import UTC, datetime

    made = datetime.fromtimestamp(manifest.made, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    click.echo(f"evidence of station {manifest.station}, made {made}, signed by {manifest.key}: sound")
    told = {"same": "the same", "differs": "DIFFERENT", "unknown": "not all comparable", "none": "not judged"}
    replays = ", ".join(f"{n} {told.get(name, name)}" for name, n in sorted(manifest.replays.items()))
    click.echo(f"{manifest.frames} frames" + (f"; judged again: {replays}" if replays else ""))
    click.echo(f"head: {manifest.head}")
