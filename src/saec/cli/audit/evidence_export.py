"""saec audit export: one signed file of evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import msgspec

from saec.cli.options.settings_command import settings_command
from saec.cli.station.config import EXAMPLE, named_file, station_settings
from saec.cli.station.shell_actor import ROLE, ActionSettings, shell_actor
from saec.errors import ConfigError
from saec.settings.setting_fields import Everyday, NewFile, Option


class AuditExportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The section [audit_export]: which frames are evidence, and where the file goes.

    Attributes:
        since: Frames accepted, and actions, from this time on: 2026-11-30, or 2026-11-30T06:00. It is the
            machine's time where no zone is given.
        until: Frames accepted, and actions, before this time.
        line: Frames of this line, by its name.
        lot: Frames whose name has this text: the file's name, or the key that a client gave it.
        frame: The frame with this id. Give it several times for several frames.
        out: The zip file to make.
        replay: Judge each frame again whose image is kept.
    """

    since: Annotated[str | None, Option(everyday=True, metavar="TIME")] = None
    until: Annotated[str | None, Option(everyday=True, metavar="TIME")] = None
    line: Annotated[str | None, Option(everyday=True, metavar="NAME")] = None
    lot: Annotated[str | None, Option(everyday=True, metavar="TEXT")] = None
    frame: Annotated[tuple[str, ...], Option(name="--frame", everyday=True, metavar="ID")] = ()
    out: Annotated[NewFile, Option(everyday=True, metavar="FILE", kind="new file")]
    replay: Everyday[bool] = True


@settings_command(example=EXAMPLE)
def export(audit_export: AuditExportSettings, action: ActionSettings) -> None:
    """Write one signed file: verdicts, replays, versions and actions.

    The file holds no image. The station may be running. Anybody can check the file with the station's public
    key. Without a choice of frames, it holds all.

    \b
    saec audit export --config station.toml --since 2026-11-30 --until 2026-12-01 --out monday.zip
    saec audit export --config station.toml --lot A1047 --no-replay --out a1047.zip
    """
    settings = station_settings(named_file())
    from saec.station.maintenance.evidence_export import EvidenceQuery, export_evidence
    from saec.station.storage.private_files import FilePermissions

    FilePermissions.close()
    names = [entry.name for entry in settings.line]
    if audit_export.line is not None and audit_export.line not in names:
        raise ConfigError(f"there is no product line named {audit_export.line}", f"use {', '.join(names)}")
    query = EvidenceQuery(
        since=_seconds(audit_export.since),
        until=_seconds(audit_export.until),
        line=audit_export.line,
        lot=audit_export.lot,
        frames=audit_export.frame,
    )
    target: Path = audit_export.out
    made = export_evidence(
        settings, query, target, shell_actor(), ROLE, action.reason, replay=audit_export.replay
    )
    differ = made.replays.get("differs", 0)
    click.echo(f"{made.frames} frames and the head {made.head} in {target}, signed by {made.key}")
    if differ:
        click.echo(f"{differ} frames are judged otherwise now; their replays say how", err=True)


def _seconds(text: str | None) -> float | None:
    from datetime import datetime

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as e:
        raise ConfigError(f"{text[:80]!r} is no time", "give one such as 2026-11-30T06:00") from e
