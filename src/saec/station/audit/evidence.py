"""A file of evidence: a zip with verdicts, versions and actions, their hashes, and one signature over these.

    frames.jsonl      a frame a line: its record, its verdicts, its replay
    versions.json     the versions of the lines, by number and hash
    actions.jsonl     a row of the record of actions a line, a part of the chain without a gap
    manifest.json     what was asked, the sha256 of each file above, the head of the chain, the station's keys
    signature.txt     Ed25519 over the bytes of manifest.json, as hexadecimal digits

Whoever has the file and the station's public key can check it; the station is not needed. Writing and
checking go line by line: memory does not grow with the number of frames.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from saec.decoding import decode
from saec.station.audit.audit_rows import (
    GENESIS,
    AuditError,
    AuditRow,
    RawRow,
    audit_row,
    canonical_json,
    raw_row,
)
from saec.station.audit.audit_verify import verify_chain
from saec.station.audit.signing_keys import PublicKey, SigningKeys, distrust_of, is_signed, key_of
from saec.station.storage.records import AuditHead

FORM = 1
FRAMES, VERSIONS, ACTIONS = "frames.jsonl", "versions.json", "actions.jsonl"
MANIFEST, SIGNATURE = "manifest.json", "signature.txt"
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, KeyError),
)
"""What reading a zip raises whose bytes were changed, beside OSError; KeyError for a file that it lacks."""

_PURPOSE = b"saec-evidence-1\n"
_BLOCK = 2**16
_MOST_MANIFEST = 64 * 2**20
_MOST_LINE = 64 * 2**20


class EvidencePart(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the zip: the sha256 of its bytes, how many they are, and how many lines."""

    sha256: str
    size: int
    lines: int


class EvidenceManifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``.

    Attributes:
        form: version of the form.
        saec: the version of saec that wrote it.
        station: the station's name.
        made: when, seconds since the epoch.
        asked: what was asked for: a span of time, a line, a lot, frames.
        parts: the files.
        frames: how many frames.
        replays: how many replays ended in "same", "differs", "unknown" (nothing differs, something cannot be
            computed) and "none" (no image is kept, or none was asked for).
        head: the head of the record of actions when the file was made.
        key: the id of the key that signs.
        keys: the station's public keys.
    """

    form: int = FORM
    saec: str
    station: str
    made: float
    asked: dict[str, Any]
    parts: dict[str, EvidencePart]
    frames: int
    replays: dict[str, int]
    head: AuditHead
    key: str
    keys: list[PublicKey]


@dataclass(frozen=True, slots=True)
class EvidenceCheck:
    """What a file of evidence says, and the first thing that is wrong with it; "" where nothing is."""

    manifest: EvidenceManifest | None
    fault: str


@dataclass
class _Tally:
    """What was written to a part, or read from one."""

    sha256: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    lines: int = 0

    def add(self, data: bytes) -> None:
        self.sha256.update(data)
        self.size += len(data)
        self.lines += data.count(b"\n")

    def part(self) -> EvidencePart:
        return EvidencePart(sha256=self.sha256.hexdigest(), size=self.size, lines=self.lines)


class EvidencePartWriter:
    """Writes one file of the zip, and counts."""

    def __init__(self, file: IO[bytes], tally: _Tally) -> None:
        self._file, self._tally = file, tally

    def line(self, data: bytes) -> None:
        """Write a line; ``data`` has no newline."""
        whole = data + b"\n"
        self._tally.add(whole)
        self._file.write(whole)


class EvidenceWriter:
    """Writes a file of evidence; it is whole or not there. Use it in a ``with`` block.

    Args:
        target: the file.

    Raises:
        AuditError: something stands there already, or it cannot be written.
    """

    def __init__(self, target: Path) -> None:
        if target.exists():
            raise AuditError(f"{target} exists", "name another file")
        self._target, self._partial = target, target.with_name(f"{target.name}.partial")
        self._tallies: dict[str, _Tally] = {}

    def __enter__(self) -> EvidenceWriter:
        try:
            self._partial.unlink(missing_ok=True)
            self._partial.touch(0o600)
            self._zip = zipfile.ZipFile(self._partial, "w", zipfile.ZIP_DEFLATED)
        except OSError as e:
            raise AuditError(f"{self._target} cannot be written: {e.strerror}", "name another place") from e
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(OSError, ValueError):
                self._zip.close()
            self._partial.unlink(missing_ok=True)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[EvidencePartWriter]:
        """One of the files; one after the other."""
        tally = self._tallies[name] = _Tally()
        with self._zip.open(name, "w", force_zip64=True) as file:
            yield EvidencePartWriter(file, tally)

    def actions(self, rows: Iterator[RawRow]) -> None:
        """The part with rows of the record of actions, in order and without a gap."""
        with self.part(ACTIONS) as out:
            for raw in rows:
                out.line(canonical_json(msgspec.structs.asdict(audit_row(raw))).encode())

    def finish(self, manifest: EvidenceManifest, keys: SigningKeys) -> EvidenceManifest:
        """Sign, and put the file in its place; the manifest as it was written.

        Args:
            manifest: what is known; parts and keys are filled in here.
            keys: the station's keys.

        Raises:
            AuditError: no key signs.
        """
        parts = {name: tally.part() for name, tally in self._tallies.items()}
        known = keys.known()
        active = keys.active()
        whole = msgspec.structs.replace(
            manifest, parts=parts, keys=known, key="" if active is None else active.id
        )
        data = canonical_json(msgspec.to_builtins(whole)).encode()
        _, signature = keys.sign(_PURPOSE + data)
        self._zip.writestr(MANIFEST, data)
        self._zip.writestr(SIGNATURE, signature)
        self._zip.close()
        self._partial.rename(self._target)
        return whole


def check_evidence(path: Path, trusted: Sequence[str], revoked: Sequence[str] = ()) -> EvidenceCheck:
    """Check a file of evidence, anywhere: signature, key, hashes, and the chain of its actions.

    Args:
        path: the file.
        trusted: public halves of keys that you trust, as hexadecimal digits.
        revoked: public halves that are known to be revoked.

    Raises:
        AuditError: the file cannot be read, or is no file of evidence.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            manifest = read_manifest(packed, path)
            fault = _signature_fault(packed, manifest, trusted, revoked) or _part_fault(packed, manifest)
            return EvidenceCheck(manifest, fault or _action_fault(packed, manifest))
    except ZIP_ERRORS as e:
        return EvidenceCheck(None, f"the zip file is damaged: {e}")
    except OSError as e:
        raise AuditError(f"{path} cannot be read: {e.strerror or e}", "name a file of evidence") from e


def read_manifest(packed: zipfile.ZipFile, path: Path) -> EvidenceManifest:
    """The manifest of a file of evidence, as it stands there.

    Raises:
        AuditError: the file is none, or of another form.
    """
    none = AuditError(f"{path} is no file of evidence", "name a file that `saec audit export` made")
    if not {MANIFEST, SIGNATURE} <= set(packed.namelist()):
        raise none
    try:
        manifest = decode(_read(packed, MANIFEST), EvidenceManifest)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as e:
        raise none from e
    if manifest.form != FORM:
        what = f"{path} has the form {manifest.form}, but this version of saec reads {FORM}"
        raise AuditError(what, f"check it with saec {manifest.saec}")
    return manifest


def evidence_rows(packed: zipfile.ZipFile) -> Iterator[RawRow]:
    """The raw rows of the record of actions in a file of evidence, as they stand there.

    Raises:
        ValueError: a line is no row.
    """
    with packed.open(ACTIONS) as lines:
        for line in iter(lambda: lines.readline(_MOST_LINE), b""):
            try:
                yield raw_row(AuditRow(**json.loads(line)))
            except (TypeError, RecursionError, UnicodeError) as e:
                raise ValueError(str(e)) from e


def _read(packed: zipfile.ZipFile, name: str) -> bytes:
    with packed.open(name) as file:
        data = file.read(_MOST_MANIFEST + 1)
    if len(data) > _MOST_MANIFEST:
        raise zipfile.BadZipFile(f"{name} is too large")
    return data


def _signature_fault(
    packed: zipfile.ZipFile, manifest: EvidenceManifest, trusted: Sequence[str], revoked: Sequence[str]
) -> str:
    key = key_of(manifest.key, manifest.keys)
    signature = _read(packed, SIGNATURE).decode("ascii", "replace")
    if key is None or not is_signed(_PURPOSE + _read(packed, MANIFEST), signature, key.public):
        return "the signature is not that of the manifest: the manifest was changed"
    return distrust_of(key, manifest.keys, trusted, revoked)


def _part_fault(packed: zipfile.ZipFile, manifest: EvidenceManifest) -> str:
    expected = {*manifest.parts, MANIFEST, SIGNATURE}
    names = packed.namelist()
    if sorted(names) != sorted(expected):
        odd = sorted(expected.symmetric_difference(names)) or [n for n in names if names.count(n) > 1]
        return f"{odd[0][:80]} is missing, was put in, or stands twice"
    if not {FRAMES, VERSIONS, ACTIONS} <= manifest.parts.keys():
        return "the manifest does not name all files"
    for name, part in manifest.parts.items():
        tally = _Tally()
        with packed.open(name) as file:
            while tally.size <= part.size and (block := file.read(_BLOCK)):
                tally.add(block)
        if tally.part() != part:
            return f"{name} was changed after it was signed"
    if manifest.parts[FRAMES].lines != manifest.frames:
        return f"{FRAMES} has {manifest.parts[FRAMES].lines} frames, but {manifest.frames} are stated"
    return ""


def _action_fault(packed: zipfile.ZipFile, manifest: EvidenceManifest) -> str:
    """The rows are signed as they are; this says whether the station's own chain was sound then."""
    try:
        rows = evidence_rows(packed)
        first = next(rows, None)
        if first is None:
            return ""
        before = AuditHead(first[0] - 1, first[-2])
        if before.n == 0:
            before = AuditHead(0, GENESIS)
        found = verify_chain(evidence_rows(packed), after=before)
        if found.fault is not None:
            return f"the record of actions: {found.fault.what}"
        stated = manifest.head
        if found.head.n > stated.n or (found.head.n == stated.n and found.head != stated):
            return "the record of actions does not lead to the head that the manifest states"
    except (ValueError, TypeError) as e:
        return f"the record of actions holds what is no row: {e}"
    return ""
