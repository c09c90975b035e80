"""A copy of all that a station is, made while it runs, from which another box goes on.

    BACKUP/
        backup.json     what this is, written last: a folder without it is no backup
        settings.toml
        data/           the data folder: database, images, versions of lines, ...
        parts/          files that the settings name outside of it: line profiles, certificates, secrets

The database is copied in one step, as it was at one moment; so are the small ones of people and actions.
Images are copied after it, since an image is written before its row. Where retention removes one meanwhile,
its row says so in the copy.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from saec.errors import SpoolError
from saec.extensions import VERSION
from saec.profile import sha256_file
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.audit.signing_keys import FOLDER as KEYS
from saec.station.people.people_database import PEOPLE, PSEUDONYMS, forget_log_ins
from saec.station.setup.named_files import NamedFile, named_files
from saec.station.setup.station_settings import StationSettings
from saec.station.storage.database.damage import as_spool_errors
from saec.station.storage.database.schema import SCHEMA_VERSION, sync_folder
from saec.station.storage.private_files import make_private
from saec.station.storage.storage_quota import DATABASE
from saec.texts import read_json

FORM = 1
_LEFT_OUT = {"images", "spool.lock", "repair.partial", *DATABASE}
_PEOPLE = {PEOPLE, PSEUDONYMS}
"""Who may log in, and whose pseudonyms are."""

_ROUNDS = 10


class BackupPart(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder of the settings: the setting, what stands there, and its place in the backup."""

    what: str
    key: str
    literal: str
    stored: str


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """``backup.json``.

    Attributes:
        made: when the database was copied last, seconds since the epoch.
        schema: version of the database.
        files: sha256 of every file but images, by its path; those of images stand in the database.
        left_out: settings whose files hold secrets and were not copied.
        frames: number of records.
        images: number of images.
        damaged: images that were not what their record says, by their path.
    """

    form: int
    saec: str
    schema: int
    station: str
    made: float
    parts: list[BackupPart]
    files: dict[str, str]
    left_out: list[str] = []
    frames: int = 0
    images: int = 0
    damaged: list[str] = []


def make_backup(
    config: Path,
    settings: StationSettings,
    target: Path,
    actor: str,
    role: str,
    *,
    now: float,
    secrets: bool = False,
) -> BackupManifest:
    """Copy a station, which may be running, into a new folder.

    Args:
        config: the settings file, and ``settings`` what was read from it.
        target: is made; nothing may be there but an empty folder.
        actor: who, as in ``Action``: that it was made is recorded first.
        role: the role in which it is done.
        now: seconds since the epoch.
        secrets: copy the files with tokens, passwords and keys as well, and the key that signs evidence.

    Raises:
        SpoolError: the target is in use, or the station has no database or a damaged one.
        AuditError: it cannot be recorded.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpoolError(f"{target} is not empty", "choose a new folder")
    data = settings.station.data
    if not (data / DATABASE[0]).is_file():
        raise SpoolError(f"{data} holds no database", "give the settings of a station that has run")
    if target.resolve().is_relative_to(data.resolve()):
        raise SpoolError(f"{target} lies in the station's data folder", "choose a folder on another disk")
    told = {"target": str(target), "secrets": secrets}
    with AuditLog(data).recorded(Action(actor=actor, role=role, what="backup.make", after=told)):
        return _make(config, settings, target, now, secrets=secrets)


def _make(
    config: Path, settings: StationSettings, target: Path, now: float, *, secrets: bool
) -> BackupManifest:
    data, partial = settings.station.data, target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "data").mkdir(parents=True)
    damaged = _copy_spool(data, partial / "data")
    keys = _copy_rest(data, partial / "data", secrets=secrets)
    shutil.copyfile(config, partial / "settings.toml")
    parts, left_out = _copy_parts(named_files(config, settings), partial, secrets=secrets)
    left_out += keys
    if not secrets and (data / PEOPLE).exists():
        left_out.append("people")
    frames, images = _counts(partial / "data")
    backup = BackupManifest(
        form=FORM,
        saec=VERSION,
        schema=SCHEMA_VERSION,
        station=settings.station.name,
        made=now,
        parts=parts,
        files={path: sha256_file(partial / path) for path in _files(partial)},
        left_out=left_out,
        frames=frames,
        images=images,
        damaged=damaged,
    )
    _write_synced(partial, backup)
    if target.exists():
        target.rmdir()
    partial.rename(target)
    sync_folder(target.parent)
    return backup


def read_backup(folder: Path) -> BackupManifest:
    """What a backup says of itself; its files are held against their hashes.

    Raises:
        SpoolError: it is none, is of another version, or a file is missing or damaged.
    """
    missing = SpoolError(f"{folder} is not a backup", "name a folder that `saec station backup` made")
    stated, remedy = folder / "backup.json", "use another backup"
    backup = read_json(stated, BackupManifest, error=SpoolError, remedy=remedy, missing=missing)
    if (backup.form, backup.schema) != (FORM, SCHEMA_VERSION):
        raise SpoolError(
            f"{folder} was made by saec {backup.saec}, in a format that this version cannot read",
            f"restore it with saec {backup.saec}",
        )
    for path, sha256 in backup.files.items():
        if not (folder / path).is_file() or sha256_file(folder / path) != sha256:
            raise SpoolError(f"{folder / path} is missing or damaged", "use another backup")
    return backup


def _copy_spool(data: Path, target: Path) -> list[str]:
    """Database and images; the paths of images that are not what their record says.

    A frame that was judged and lost its image since the database was copied is judged in the next copy.
    """
    damaged: list[str] = []
    for _ in range(_ROUNDS):
        _copy_database(data / DATABASE[0], target / DATABASE[0])
        with closing(sqlite3.connect(target / DATABASE[0], isolation_level=None)) as db:
            held = db.execute("SELECT seq, state, image, sha256 FROM frames WHERE image <> ''").fetchall()
            missing = [row for row in held if not _copy_image(data, target, row[2], row[3], damaged)]
            if all(state == "done" for _, state, _, _ in missing):  # retention was there meanwhile
                db.executemany("UPDATE frames SET image = '' WHERE seq = ?", [(row[0],) for row in missing])
                break
    _drop_unknown(target, {row[2] for row in held})
    return sorted(set(damaged))


def _copy_database(path: Path, target: Path) -> None:
    """As it is at one moment, whoever writes to it."""
    target.unlink(missing_ok=True)
    with (
        as_spool_errors(path),
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30.0)) as db,
        closing(sqlite3.connect(target)) as copy,
    ):
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        if path.name == PEOPLE:
            forget_log_ins(copy)


def _copy_image(data: Path, target: Path, image: str, sha256: str, damaged: list[str]) -> bool:
    """Whether the copy is there now."""
    copy = target / image
    if copy.exists():
        return True
    try:
        found = (data / image).read_bytes()
    except FileNotFoundError:
        return False
    if hashlib.sha256(found).hexdigest() != sha256:
        damaged.append(image)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(found)
    return True


def _drop_unknown(target: Path, known: set[str]) -> None:
    """Copies of images that have gone from the database since."""
    for path in (target / "images").rglob("*"):
        if path.is_file() and path.relative_to(target).as_posix() not in known:
            path.unlink()


def _copy_rest(data: Path, target: Path, *, secrets: bool) -> list[str]:
    """All else in the data folder, without what goes while it is copied; names private keys left out."""
    left_out, keys = _LEFT_OUT if secrets else _LEFT_OUT | _PEOPLE, []
    for path in sorted(data.iterdir()):
        if path.name in left_out or path.name.endswith(".partial"):
            continue
        for file in sorted(path.rglob("*"), key=_databases_first) if path.is_dir() else [path]:
            if not file.is_file() or ".partial" in str(file.relative_to(data)):
                continue
            if file.name.endswith((".sqlite-wal", ".sqlite-shm")):  # what they hold comes with their database
                continue
            if file.parent == data / KEYS and file.suffix == ".pem" and not secrets:
                keys.append(f"the key that signs evidence ({KEYS}/{file.name})")
                continue
            copy = target / file.relative_to(data)
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                (_copy_database if file.suffix == ".sqlite" else shutil.copyfile)(file, copy)
            except FileNotFoundError:
                copy.unlink(missing_ok=True)
    return keys


def _databases_first(file: Path) -> tuple[bool, Path]:
    """A picture is there before its row, so a database is copied before the pictures that it names."""
    return file.suffix != ".sqlite", file


def _copy_parts(
    found: list[NamedFile], partial: Path, *, secrets: bool
) -> tuple[list[BackupPart], list[str]]:
    parts, left_out = [], []
    for n, file in enumerate(found):
        if file.secret and not secrets:
            left_out.append(file.what)
            continue
        stored = "data"
        if file.key != "data":
            stored = f"parts/{n}/{file.path.name}"
            (partial / stored).parent.mkdir(parents=True)
            copy = shutil.copytree if file.path.is_dir() else shutil.copyfile
            copy(file.path, partial / stored)
        parts.append(BackupPart(what=file.what, key=file.key, literal=file.literal, stored=stored))
    return parts, left_out


def _files(folder: Path) -> Iterator[str]:
    """Every file but images, by its path from the folder."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith("data/images/"):
            yield name


def _counts(data: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(data / DATABASE[0])) as db:
        return db.execute("SELECT COUNT(*), COUNT(NULLIF(image, '')) FROM frames").fetchone()  # type: ignore[no-any-return]


def _write_synced(folder: Path, backup: BackupManifest) -> None:
    """The manifest is there once all else is on the disk."""
    for path in folder.rglob("*"):
        sync_folder(path)
    (folder / "backup.json").write_bytes(msgspec.json.format(msgspec.json.encode(backup)))
    make_private(folder)
    sync_folder(folder / "backup.json")
    sync_folder(folder)
