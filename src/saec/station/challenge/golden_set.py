"""The golden parts of a line: their pictures, what they are, who pinned them and how they looked then."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from saec.errors import SaecError
from saec.profile import write_json
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action
from saec.station.storage.database.schema import alone_in, sync_folder, write_synced
from saec.texts import read_json

PIN, UNPIN = "challenge.pin", "challenge.unpin"
"""The actions in the record of actions."""

MOST_PARTS = 500
"""Golden parts of a line."""

_KEPT_SCORES = 40
"""Versions whose scores of the set are kept."""

_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class GoldenSetError(SaecError):
    """Golden parts cannot be pinned, read or run."""


class GoldenPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part whose label is known for certain, pinned to a line.

    Attributes:
        name: names it in its set; letters, digits, ".", "_" and "-".
        label: GOOD or DEFECT.
        sha256: hash of its picture's file.
        suffix: ending of that file.
        kind: kind of the defect, "" when unknown.
        note: what a person wants to be known of it.
        part: id of the part itself, "" when unknown.
        person: who pinned it.
        time: when, seconds since the epoch.
        origin: where the picture came from: the id of a frame, or the name of a file.
        brightness, sharpness: how the picture looked when it was pinned, see ``PictureLook``.
    """

    name: str
    label: int
    sha256: str
    suffix: str
    kind: str = ""
    note: str = ""
    part: str = ""
    person: str = ""
    time: float = 0.0
    origin: str = ""
    brightness: float = 0.0
    sharpness: float = 0.0


class GoldenSet:
    """The golden parts of one line; page, command line and station may use it at once.

    Args:
        data: the station's data folder.
        line: the line's name.

    Attributes:
        folder: where its files lie.
    """

    def __init__(self, data: Path, line: str) -> None:
        self.folder, self._line = data / "challenge" / line, line

    def parts(self) -> tuple[GoldenPart, ...]:
        """The parts in the order in which they were pinned.

        Raises:
            GoldenSetError: the file is damaged.
        """
        path = self.folder / "set.json"
        if not path.is_file():
            return ()
        remedy = "restore it from a backup, or delete it and pin the parts again"
        return tuple(read_json(path, list[GoldenPart], error=GoldenSetError, remedy=remedy))

    def picture(self, part: GoldenPart) -> bytes:
        """The picture's file as it was pinned.

        Raises:
            GoldenSetError: it is gone, or another.
        """
        path = self.path(part)
        try:
            data = path.read_bytes()
        except OSError as e:
            raise GoldenSetError(f"the picture of {part.name} cannot be read: {e}", "pin it again") from e
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise GoldenSetError(
                f"the picture of {part.name} was changed since it was pinned", "pin it again"
            )
        return data

    def path(self, part: GoldenPart) -> Path:
        """Where the picture lies."""
        return self.folder / "pictures" / f"{part.sha256}{part.suffix}"

    def pin(
        self, audit: AuditLog, role: str, pinned: Sequence[tuple[GoldenPart, bytes]], reason: str = ""
    ) -> list[GoldenPart]:
        """Add parts with their pictures; a picture that is in the set already is left as it is.

        Args:
            audit: where the row goes, before the set is changed.
            role: the role in which it is done; who does it stands in each part.
            pinned: the parts. Their names are made unique.
            reason: why.

        Returns:
            those that were added, by the names that they have now.

        Raises:
            GoldenSetError: the set would be too large.
            AuditError: the row cannot be written; nothing was changed.
        """
        (self.folder / "pictures").mkdir(parents=True, exist_ok=True)
        with alone_in(self.folder):
            before = self.parts()
            known, names = {one.sha256 for one in before}, {one.name for one in before}
            added: list[GoldenPart] = []
            for part, data in pinned:
                if part.sha256 in known:
                    continue
                named = msgspec.structs.replace(part, name=_unused(part.name, names))
                known.add(part.sha256)
                names.add(named.name)
                added.append(named)
                if not self.path(named).exists():
                    write_synced(self.path(named), data)
            if not added:
                return []
            if len(before) + len(added) > MOST_PARTS:
                raise GoldenSetError(f"a line has at most {MOST_PARTS} golden parts", "remove some first")
            sync_folder(self.folder / "pictures")
            after = [_told(one) for one in added]
            self._change(audit, added[0].person, role, PIN, [*before, *added], after=after, reason=reason)
        return added

    def unpin(
        self, audit: AuditLog, actor: str, role: str, names: Sequence[str], reason: str = ""
    ) -> list[GoldenPart]:
        """Take parts out of the set; their pictures stay, and are taught and prove nothing even now.

        Raises:
            GoldenSetError: the line has no such part.
            AuditError: the row cannot be written; nothing was changed.
        """
        if not self.folder.is_dir():
            raise GoldenSetError(f"{self._line} has no golden parts", "pin some")
        with alone_in(self.folder):
            before = self.parts()
            gone = [one for one in before if one.name in names]
            if missing := sorted(set(names) - {one.name for one in gone}):
                what = f"{self._line} has no golden part {', '.join(missing)}"
                raise GoldenSetError(what, "`saec station challenge list` names them")
            kept = [one for one in before if one not in gone]
            told = [_told(one) for one in gone]
            self._change(audit, actor, role, UNPIN, kept, before=told, reason=reason)
        return gone

    def _change(
        self,
        audit: AuditLog,
        actor: str,
        role: str,
        what: str,
        parts: Sequence[GoldenPart],
        *,
        before: Any = None,
        after: Any = None,
        reason: str,
    ) -> None:
        action = Action(
            actor=actor, role=role, what=what, about=self._line, before=before, after=after, reason=reason
        )
        with audit.recorded(action):
            write_json(self.folder / "set.json", list(parts))
            sync_folder(self.folder)

    # what versions say of the pictures

    def scores(self, version: str) -> dict[str, float]:
        """The edge's scores of the pinned pictures by sha256, as a version gave them first."""
        return self._scores().get(version, {})

    def keep_scores(self, version: str, scores: dict[str, float]) -> None:
        """Keep them; a picture that has a score of the version keeps it."""
        every = self._scores()
        every[version] = {**scores, **every.pop(version, {})}
        newest = dict(list(every.items())[-_KEPT_SCORES:])
        write_json(self.folder / "scores.json", newest)

    def _scores(self) -> dict[str, dict[str, float]]:
        path = self.folder / "scores.json"
        if not path.is_file():
            return {}
        remedy = "delete it; the next run with pictures makes it anew"
        found: dict[str, dict[str, float]] = read_json(
            path, dict[str, dict[str, float]], error=GoldenSetError, remedy=remedy
        )
        return found


def golden_name(text: str) -> str:
    """A name for a part: of the letters that a name may have."""
    return _NAME.sub("-", text).strip("-.")[:60] or "part"


def _unused(name: str, names: set[str]) -> str:
    wanted, n = golden_name(name), 2
    found = wanted
    while found in names:
        found, n = f"{wanted}-{n}", n + 1
    return found


def _told(part: GoldenPart) -> dict[str, Any]:
    return {"name": part.name, "label": part.label, "kind": part.kind, "sha256": part.sha256}
