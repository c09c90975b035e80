"""Golden parts are pinned to a line: from frames of its record, from reviewed frames, or from a folder.

A picture's use is stated once. One that is there to be taught, or that the line was made of, is refused, so
that no golden part was ever taught.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from saec.data.images.file_names import find_images
from saec.data.images.killable_decoder import Decoder, Spares
from saec.data.manifest import FILE, Manifest
from saec.station.audit.audit_log import AuditLog
from saec.station.challenge.golden_set import GoldenPart, GoldenSet, GoldenSetError
from saec.station.challenge.picture_look import picture_look
from saec.station.line.version_store import VersionStore
from saec.station.maintenance.frame_replay import find_frame
from saec.station.review.review_store import ReviewStore
from saec.station.storage.spool_reader import SpoolReader
from saec.types import DEFECT, GOOD

_GOOD, _DEFECT = "good", "defect"
_LARGEST = 64 << 20
"""Bytes of a picture's file."""


class GoldenPicture(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that is to be pinned.

    Attributes:
        name: a name for the part; it is made unique.
        data: the picture's file, with its ending.
        label, kind, note, part, origin: see ``GoldenPart``.
    """

    name: str
    data: bytes
    suffix: str
    label: int
    origin: str
    kind: str = ""
    note: str = ""
    part: str = ""


def pictures_of_frames(
    reader: SpoolReader, line: str, ids: Sequence[str], label: int, *, kind: str = "", note: str = ""
) -> list[GoldenPicture]:
    """Frames of the station's record as golden parts.

    Args:
        reader: the station's frames.
        line: the line that they are pinned to, whose frames they are.
        ids: theirs.
        label: what they show, which a person knows for certain.

    Raises:
        SpoolError: there is no such frame, or its picture is not kept any more.
        GoldenSetError: it is another line's.
    """
    found = []
    for id in ids:
        frame = find_frame(reader, id)
        if frame.line != line:
            raise GoldenSetError(f"{id} is a frame of {frame.line}, not of {line}", "pin it to its own line")
        path = reader.path(frame)
        found.append(
            GoldenPicture(
                name=frame.part or id,
                data=path.read_bytes(),
                suffix=path.suffix,
                label=label,
                origin=id,
                kind=kind if label == DEFECT else "",
                note=note,
                part=frame.part,
            )
        )
    return found


def pictures_of_reviewed(
    store: ReviewStore, reader: SpoolReader, line: str, ids: Sequence[str], note: str = ""
) -> list[GoldenPicture]:
    """Reviewed frames as golden parts, with the label and the kind that people agree on.

    Raises:
        SpoolError: there is no such frame.
        GoldenSetError: people have not agreed on its label, or its picture is gone.
    """
    found = []
    for id in ids:
        frame = find_frame(reader, id)
        reviewed = store.reviewed_frame(frame.seq)
        if reviewed is None or reviewed.settled is None:
            raise GoldenSetError(f"{id} has no label that people agree on", "review it first")
        path = store.picture(reviewed.frame)
        told = pictures_of_frames(reader, line, [id], reviewed.settled, note=note) if frame.image else []
        told = told or [
            GoldenPicture(
                name=frame.part or id,
                data=path.read_bytes(),
                suffix=path.suffix,
                label=reviewed.settled,
                origin=id,
                part=frame.part,
                note=note,
            )
        ]
        found.append(msgspec.structs.replace(told[0], kind=reviewed.kind))
    return found


def pictures_in_folder(
    folder: Path, label: int | None, *, kind: str = "", note: str = ""
) -> list[GoldenPicture]:
    """The images below a folder as golden parts.

    Args:
        label: what they show. None goes by the folder that each lies in: "good" is good, any other name is a
            defect of this kind, and "defect" one of unknown kind.

    Raises:
        GoldenSetError: there is no image, one has no label, or is too large.
    """
    found = []
    for path in find_images(folder):
        own, of_kind = label, kind
        if label is None:
            if path.parent == folder:
                remedy = f"put it below {_GOOD} or {_DEFECT}, or say the label"
                raise GoldenSetError(f"{path.name} has no label", remedy)
            name = path.relative_to(folder).parts[0]
            own = GOOD if name == _GOOD else DEFECT
            of_kind = kind or ("" if name in (_GOOD, _DEFECT) else name)
        if path.stat().st_size > _LARGEST:
            raise GoldenSetError(f"{path} has more than {_LARGEST >> 20} MB", "pin a smaller picture")
        picture = GoldenPicture(
            name=path.stem,
            data=path.read_bytes(),
            suffix=path.suffix.lower(),
            label=GOOD if own is None else own,
            origin=path.name,
            kind=of_kind if own == DEFECT else "",
            note=note,
        )
        found.append(picture)
    if not found:
        raise GoldenSetError(f"there is no image in {folder}", "name a folder with images")
    return found


def pin_pictures(
    data: Path,
    line: str,
    pictures: Sequence[GoldenPicture],
    *,
    store: ReviewStore,
    audit: AuditLog,
    actor: str,
    role: str,
    reason: str = "",
    clock: Callable[[], float] = time.time,
) -> list[GoldenPart]:
    """Pin pictures to a line as golden parts.

    Args:
        data: the station's data folder.
        store: states their use.
        audit: where the row goes, before the set is changed.
        actor: who, as in ``Action``.
        role: the role in which it is done.
        reason: why.

    Returns:
        the parts that were added; a picture that is pinned already is none.

    Raises:
        ImageError: a picture cannot be read.
        GoldenSetError: a picture was taught, or may be, or the set would be too large.
        AuditError: the row cannot be written; the set was not changed.
    """
    versions = VersionStore(data / "lines" / line)
    made_of = _images_of_versions(versions)
    bits = versions.profile(versions.state().current).line.preparation.bits
    decoder = Decoder(Spares(spare=False))
    made: list[tuple[GoldenPart, bytes]] = []
    try:
        for one in pictures:
            sha256 = hashlib.sha256(one.data).hexdigest()
            if (version := made_of.get(sha256)) is not None:
                what = f"{one.origin} is one of the images that version {version} of {line} was made of"
                raise GoldenSetError(what, "take a picture of another part")
            look = picture_look(decoder.decode(one.data, bits=bits, name=one.origin))
            part = GoldenPart(
                name=one.name,
                label=one.label,
                sha256=sha256,
                suffix=one.suffix,
                kind=one.kind,
                note=one.note,
                part=one.part,
                person=actor,
                time=clock(),
                origin=one.origin,
                brightness=look.brightness,
                sharpness=look.sharpness,
            )
            made.append((part, one.data))
    finally:
        decoder.close()
    for part, _ in made:
        if (use := store.claim_use(line, part.sha256, part.part, "challenge")) == "teach":
            what = f"{part.origin} or its part is there to be taught ({use}), and never proves anything"
            raise GoldenSetError(what, "take a part that was never shown for teaching")
    return GoldenSet(data, line).pin(audit, role, made, reason)


def _images_of_versions(versions: VersionStore) -> dict[str, int]:
    """The images that versions of a line were made of by sha256, and the first version of each."""
    found: dict[str, int] = {}
    for version in versions.state().known:
        path = versions.path(version.number) / FILE
        if path.is_file():
            for sha256 in Manifest.read(path).roles:
                found.setdefault(sha256, version.number)
    return found
