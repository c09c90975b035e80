"""Whether a chain of actions is what it was: no row changed, removed, put in or moved.

The chain alone shows this up to its last row. That rows are missing at its end, or that somebody made the
whole anew, shows against a head that left the machine before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import GENESIS, TYPES, RawRow, row_hash
from saec.station.storage.records import AuditHead

KnownHeads = Mapping[int, frozenset[str]]
"""Heads that left the machine: the hashes of each row's number, one where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first bad row: its number, and one sentence."""

    n: int
    what: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What was found: the last row that is sound, and the first that is not; None where all are."""

    head: AuditHead
    fault: ChainFault | None


def verify_chain(
    rows: Iterable[RawRow], known: KnownHeads | None = None, *, after: AuditHead | None = None
) -> ChainCheck:
    """Look at rows one by one, in their order.

    Args:
        rows: raw rows.
        known: heads that left the machine.
        after: the head that the first row follows; None is the beginning of the chain.
    """
    head, told = after or AuditHead(0, GENESIS), known or {}
    for raw in rows:
        fault = _fault(raw, head, told)
        if fault is not None:
            return ChainCheck(head, fault)
        head = AuditHead(raw[0], raw[-1])
    if told and (last := max(told)) > head.n:
        missing = f"row {last} is" if last == head.n + 1 else f"rows {head.n + 1} to {last} are"
        what = f"{missing} missing: the end of the chain was cut off"
        return ChainCheck(head, ChainFault(head.n + 1, what))
    return ChainCheck(head, None)


def verify_log(log: AuditLog, known: KnownHeads | None = None) -> ChainCheck:
    """Look at the whole chain of a station, which may be running; memory does not grow with it.

    Raises:
        AuditError: the file cannot be read.
    """
    return verify_chain(log.walk(), known)


def _fault(raw: RawRow, head: AuditHead, known: KnownHeads) -> ChainFault | None:
    n, due = raw[0], head.n + 1
    if len(raw) != len(TYPES) or any(type(cell) is not kind for cell, kind in zip(raw, TYPES, strict=False)):
        return ChainFault(due, f"row {due} was changed: a cell is of another type")
    if n > due:
        missing = f"row {due} is" if n == due + 1 else f"rows {due} to {n - 1} are"
        return ChainFault(due, f"{missing} missing")
    if n < due:
        return ChainFault(n, f"row {n} stands in the wrong place or twice")
    if not isfinite(raw[1]) or row_hash(raw[:-1]) != raw[-1]:
        return ChainFault(n, f"row {n} was changed after it was written")
    if raw[-2] != head.hash:
        return ChainFault(n, f"row {n} does not follow row {n - 1}: one of them is not what was written")
    if not known.get(n, frozenset()) <= {raw[-1]}:
        return ChainFault(n, f"row {n} is not the one whose head left the machine: the chain was rewritten")
    return None
