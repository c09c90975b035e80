"""Versions of a line: every profile that ever judged it is kept, one is current, one may run as a shadow.

    DATA/lines/NAME/
        state.json      which version is current, which came before it, which runs as shadow
        v1/ v2/ ...     line profiles, never changed after they were added

A version is added, watched as a shadow (it judges the same frames and changes nothing), promoted, and rolled
back; the running station sees a change within a second and finishes frames in flight on the old version.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from saec.errors import LineError, SaecError
from saec.profile import LineProfile, sha256_file, write_json
from saec.station.storage.database.schema import sync_folder
from saec.station.storage.private_files import make_private
from saec.texts import read_json


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version: its number, the hash of its profile's files, and the cloud model that goes with it."""

    number: int
    content: str
    model: str | None = None
    added: str = ""


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """``state.json``."""

    current: int
    previous: int | None = None
    shadow: int | None = None
    known: list[Version] = []


class VersionStore:
    """The versions of one line.

    Args:
        folder: DATA/lines/NAME; made when the first version is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def begun(self) -> bool:
        """Whether a version was ever added."""
        return (self.folder / "state.json").is_file()

    def state(self) -> Versions:
        """What is current now.

        Raises:
            LineError: no version was added yet, or the file is damaged.
        """
        path = self.folder / "state.json"
        missing = LineError(
            f"{self.folder} holds no version of the line",
            "start the station once, or add a profile with `saec station add`",
        )
        remedy = "restore it from a backup"
        return read_json(path, Versions, error=LineError, remedy=remedy, missing=missing)

    def profile(self, number: int) -> LineProfile:
        """A version's profile, its files checked against their hashes.

        Raises:
            LineError: no such version, or a file differs.
        """
        self._known(number)
        return LineProfile.open(self.path(number))

    def path(self, number: int) -> Path:
        return self.folder / f"v{number}"

    def add(self, profile: Path, *, model: str | None = None, time: str = "") -> int:
        """Take over a line profile as the next version; the first one becomes current.

        The same files with the same cloud model are the same version, so adding twice adds once.

        Raises:
            LineError: it is no sound line profile, or versions stand here and nothing says which is current.
        """
        version, known = self._next(profile, model, time)
        if version in known:
            return version.number
        self._copy(profile, self.path(version.number))
        added = [*known, version]
        if known:
            self.write(msgspec.structs.replace(self.state(), known=added))
        else:
            self.write(Versions(current=version.number, known=added))
        return version.number

    def candidate(self, profile: Path, *, model: str | None = None, time: str = "") -> tuple[Version, bool]:
        """The version that ``add`` would make of a profile, and whether it is there already.

        Raises:
            LineError: it is no sound line profile, see ``add``.
        """
        version, known = self._next(profile, model, time)
        return version, version in known

    def _next(self, profile: Path, model: str | None, time: str) -> tuple[Version, list[Version]]:
        LineProfile.open(profile)
        content = profile_content(profile)
        known = self.state().known if self.begun else []
        if not known:
            self._refuse_orphans(content)
        for version in known:
            if (version.content, version.model) == (content, model):
                return version, known
        number = 1 + max((v.number for v in known), default=0)
        return Version(number=number, content=content, model=model, added=time), known

    def promoted(self, number: int) -> Versions:
        """What would be current if a version were promoted; nothing is changed.

        Raises:
            LineError: no such version.
        """
        self._known(number)
        state = self.state()
        if number == state.current:
            return state
        shadow = None if state.shadow == number else state.shadow
        return msgspec.structs.replace(state, current=number, previous=state.current, shadow=shadow)

    def rolled_back(self) -> Versions:
        """What would be current after a roll-back; nothing is changed.

        Raises:
            LineError: there is no version before.
        """
        state = self.state()
        if state.previous is None:
            raise LineError(
                f"the line {self.folder.name} has no earlier version",
                "name a version with `saec station promote`",
            )
        return self.promoted(state.previous)

    def shadowed(self, number: int | None) -> Versions:
        """What would be the shadow; nothing is changed.

        Raises:
            LineError: no such version.
        """
        if number is not None:
            self._known(number)
        return msgspec.structs.replace(self.state(), shadow=number)

    def promote(self, number: int) -> None:
        """Make a version the one that judges.

        Raises:
            LineError: no such version.
        """
        self.write(self.promoted(number))

    def roll_back(self) -> int:
        """Go back to the version before; returns its number.

        Raises:
            LineError: there is none.
        """
        state = self.rolled_back()
        self.write(state)
        return state.current

    def shadow(self, number: int | None) -> None:
        """Let a version judge beside the current one without effect; None ends it.

        Raises:
            LineError: no such version.
        """
        self.write(self.shadowed(number))

    def _known(self, number: int) -> Version:
        known = {version.number: version for version in self.state().known}
        if number not in known:
            raise LineError(
                f"the line {self.folder.name} has no version {number}",
                f"use one of {', '.join(map(str, known)) or 'none'}",
            )
        return known[number]

    def model(self, number: int) -> str | None:
        """The cloud model that goes with a version; None for the station's own."""
        return self._known(number).model

    def _refuse_orphans(self, content: str) -> None:
        """Without ``state.json`` a first version is only begun where none was: an older one would judge.

        What an interrupted first start has copied is the same profile, or not sound.
        """
        for path in sorted(self.folder.glob("v*")):
            if path.suffix or not (path / "line.json").is_file():
                continue
            if path.name != "v1" or (_is_sound(path) and profile_content(path) != content):
                what = f"{self.folder} holds {path.name}, but no state.json says which version judges"
                raise LineError(what, "restore the folder from a backup; or move it away to start again")

    def _copy(self, profile: Path, target: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)  # copied, and then the process died before it was noted
        shutil.copytree(profile, partial)
        make_private(partial)  # a copy has the rights of what was copied
        for path in [*partial.rglob("*"), partial]:
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        partial.rename(target)
        sync_folder(self.folder)

    def write(self, state: Versions) -> None:
        """Make this the state, as ``promoted`` tells it; one that stands already is not written again."""
        path = self.folder / "state.json"
        if path.is_file() and self.state() == state:
            return
        write_json(path, state)
        sync_folder(self.folder)


def _is_sound(profile: Path) -> bool:
    try:
        LineProfile.open(profile)
    except SaecError:
        return False
    return True


def profile_content(profile: Path) -> str:
    """A hash over the names and bytes of all files of a line profile."""
    digest = hashlib.sha256()
    for path in sorted(p for p in profile.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(profile)}\0{sha256_file(path)}\0".encode())
    return digest.hexdigest()
