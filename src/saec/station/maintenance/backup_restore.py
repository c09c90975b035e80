"""Bringing a dead box back on another: a backup becomes a settings file, a data folder and what they need."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saec.errors import ConfigError, SpoolError
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.maintenance.backup_folder import BackupManifest, BackupPart, read_backup
from saec.station.setup.settings_file import read_settings
from saec.station.setup.station_section import StationSection
from saec.station.storage.database.schema import begin_after, lock_folder, sync_folder
from saec.station.storage.private_files import give_to_owner, make_private, owner_of
from saec.station.storage.storage_quota import DATABASE
from saec.texts import read_text

_FASTEST = 1000
"""Frames a second that the dead box may have taken after the backup: their numbers are not given again."""

_GAP = 100_000


@dataclass
class RestoreResult:
    """What was done: where the data lie now, what was moved aside, what is to be put back or mended."""

    data: Path
    moved: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class _Place:
    """Where a part goes, and what its setting has to say then."""

    part: BackupPart
    path: Path
    literal: str


def restore_backup(
    folder: Path,
    config: Path,
    actor: str,
    role: str,
    *,
    now: float,
    data: Path | None = None,
    force: bool = False,
) -> RestoreResult:
    """Put a backup back, on this box or on another.

    Args:
        folder: the backup's folder.
        config: where the settings file is to be; what it names relative to itself goes beside it.
        actor: who, as in ``Action``: the restored data say that they were restored.
        role: the role in which it is done.
        now: seconds since the epoch.
        data: where the data folder is to be; by default where the settings say.
        force: move what stands in the way aside; nothing is overwritten.

    Raises:
        SpoolError: the backup is damaged, a station runs there, or something stands in the way.
    """
    backup = read_backup(folder)
    config = config.absolute()
    places = [_place(part, config.parent, data) for part in backup.parts]
    to = next(place.path for place in places if place.part.key == "data")
    restored = RestoreResult(to, missing=list(backup.left_out))
    _refuse_running(to)
    owners = [owner_of(path) for path in (config, *(place.path for place in places))]
    in_the_way = [path for path in (config, *(place.path for place in places)) if _taken(path)]
    if in_the_way and not force:
        raise SpoolError(
            f"{in_the_way[0]} exists already",
            "choose another place, or give --force, which renames the old one",
        )
    for path in in_the_way:
        restored.moved.append(_move_aside(path, now))
    action = Action(actor=actor, role=role, what="backup.restore", after=_told(backup))
    restored.damaged = _put_data(folder / "data", to, backup, now, action)
    for place in places:
        if place.part.key != "data":
            _put(folder / place.part.stored, place.path)
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_settings(read_text(folder / "settings.toml", error=SpoolError), places), "utf-8")
    for path, owner in zip((config, *(place.path for place in places)), owners, strict=True):
        make_private(path)
        give_to_owner(path, owner)
    try:
        read_settings(config)
    except ConfigError as e:  # as where a secret is still to be put back
        restored.problem = str(e)
    return restored


def _place(part: BackupPart, base: Path, data: Path | None) -> _Place:
    """What lies beside the settings goes beside them; what they name elsewhere goes to ``restored`` there."""
    if part.key == "data":
        if data is not None:
            return _Place(part, data.absolute(), str(data.absolute()))
        literal = part.literal or str(StationSection().data)
        return _Place(part, base / Path(literal).expanduser(), literal)
    inside = not Path(part.literal).is_absolute() and ".." not in Path(part.literal).parts
    literal = part.literal if inside and not part.literal.startswith("~") else f"restored/{part.stored[6:]}"
    return _Place(part, base / literal, literal)


def _refuse_running(data: Path) -> None:
    if (data / "spool.lock").exists():
        os.close(lock_folder(data / "spool.lock"))


def _taken(path: Path) -> bool:
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def _move_aside(path: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    target = path.with_name(f"{path.name}.before-restore-{stamp}")
    path.rename(target)
    return target


def _told(backup: BackupManifest) -> dict[str, Any]:
    return {"station": backup.station, "made": backup.made, "saec": backup.saec, "frames": backup.frames}


def _put_data(source: Path, to: Path, backup: BackupManifest, now: float, action: Action) -> list[str]:
    """The data folder, whole or not at all; the images that are missing or not what their record says."""
    partial = to.with_name(f"{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    damaged = []
    with closing(sqlite3.connect(partial / DATABASE[0], isolation_level=None)) as db:
        for image, sha256 in db.execute("SELECT image, sha256 FROM frames WHERE image <> ''"):
            path = partial / image
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                damaged.append(image)
        since = max(0.0, now - backup.made)
        for table, key in (("frames", "seq"), ("outbox", "n"), ("alarms", "n"), ("latest", "n")):
            (last,) = db.execute(f"SELECT COALESCE(MAX({key}), 0) FROM {table}").fetchone()
            begin_after(db, table, last + _GAP + int(_FASTEST * since))
    AuditLog(partial).append(action)
    for path in partial.rglob("*"):
        sync_folder(path)
    if to.exists():
        to.rmdir()
    to.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(to)
    sync_folder(to.parent)
    return damaged


def _put(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True)
        return
    shutil.copyfile(source, to)
    to.chmod(0o600)


def _settings(text: str, places: list[_Place]) -> str:
    """The settings with the paths of this box, all else as it was."""
    for place in places:
        old, new = place.part.literal, place.literal
        if old == new:
            continue
        if old:
            for quote in "\"'":
                text = text.replace(f"{quote}{old}{quote}", f"{quote}{new}{quote}")
        elif new != str(StationSection().data):  # the data folder had its default place
            line = f'data = "{new}"\n'
            text, found = re.subn(r"(?m)^(\s*\[station\][^\n]*\n)", rf"\1{line}", text, count=1)
            text = text if found else f"{text}\n[station]\n{line}"
    return text
