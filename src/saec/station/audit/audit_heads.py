"""Heads of the record of actions that left the machine, from wherever they went."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from saec.decoding import decode
from saec.station.audit.audit_rows import AuditError
from saec.station.audit.audit_verify import KnownHeads
from saec.station.audit.evidence import ZIP_ERRORS, evidence_rows, read_manifest
from saec.station.storage.records import AuditHead
from saec.texts import read_lines

_PRINTED = re.compile(r"(?<![\w:])(\d{1,18}):([0-9a-f]{64})(?!\w)")


class _Sent(msgspec.Struct, frozen=True):
    """What a sink sent, as far as it tells of the audit."""

    audit: AuditHead | None = None


def known_heads(given: str) -> KnownHeads:
    """Heads by the numbers of their rows.

    Args:
        given: a head as it is printed, ``N:HASH``; or a file of them, of a sink (JSON lines, CSV), or of
            evidence.

    Raises:
        AuditError: the file cannot be read, or holds no head.
    """
    printed = _PRINTED.fullmatch(given.strip())
    found: defaultdict[int, set[str]] = defaultdict(set)
    for head in [_head(*printed.groups())] if printed else _heads_of(Path(given)):
        found[head.n].add(head.hash)
    if not found:
        raise AuditError(f"{given} holds no head of an audit", "give N:HASH, a sink's file or evidence")
    return {n: frozenset(hashes) for n, hashes in found.items()}


def _heads_of(path: Path) -> Iterator[AuditHead]:
    try:
        if zipfile.is_zipfile(path):
            yield from _of_evidence(path)
            return
        for line in read_lines(path, error=AuditError):
            yield from _of_line(line)
    except (OSError, *ZIP_ERRORS) as e:
        remedy = "give N:HASH, or a file of a sink or of evidence"
        raise AuditError(f"{str(path)[:200]} cannot be read: {e}", remedy) from e


def _of_evidence(path: Path) -> Iterator[AuditHead]:
    with zipfile.ZipFile(path) as packed:
        yield read_manifest(packed, path).head
        for raw in evidence_rows(packed):
            yield AuditHead(raw[0], raw[-1])


def _of_line(line: bytes) -> Iterator[AuditHead]:
    """A line of JSON as a sink sends it; else whatever is printed as a head in it, as in a table."""
    if line.lstrip().startswith(b"{"):
        try:
            sent = decode(line, _Sent)
        except (msgspec.DecodeError, UnicodeError, RecursionError):  # torn, or of another program
            return
        if sent.audit is not None:
            yield sent.audit
        return
    for printed in _PRINTED.finditer(line.decode()):
        yield _head(*printed.groups())


def _head(n: str, own: str) -> AuditHead:
    return AuditHead(int(n), own)
