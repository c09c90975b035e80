"""Every row that was changed, removed, put in or moved is found, and so is a tail that was cut."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import GENESIS, TYPES, Action, RawRow, audit_row, chained, raw_row
from saec.station.audit.audit_verify import verify_chain, verify_log
from saec.station.storage.records import AuditHead

texts = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
actions = st.builds(
    Action, actor=texts, role=texts, what=texts, about=texts, before=values, after=values, reason=texts
)
cells = (
    st.integers(-(2**63), 2**63 - 1) | st.floats() | texts | st.binary(max_size=8) | st.none()
)  # what SQLite can hold


@st.composite
def chains(draw: st.DrawFn, least: int = 1) -> list[RawRow]:
    rows: list[RawRow] = []
    head = AuditHead(0, GENESIS)
    for told in draw(st.lists(actions, min_size=least, max_size=6)):
        rows.append(chained(told, draw(st.floats(0, 1e11)), head))
        head = AuditHead(rows[-1][0], rows[-1][-1])
    return rows


def heads(rows: list[RawRow]) -> dict[int, frozenset[str]]:
    return {raw[0]: frozenset({raw[-1]}) for raw in rows}


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


@given(chains())
def test_a_chain_that_nobody_touched_is_sound(rows: list[RawRow]) -> None:
    found = verify_chain(rows, heads(rows))
    assert (found.head, found.fault) == (AuditHead(len(rows), rows[-1][-1]), None)
    assert [raw_row(audit_row(raw)) for raw in rows] == rows


@given(chains(), st.data())
def test_any_altered_cell_is_found_in_its_row(rows: list[RawRow], data: st.DataObject) -> None:
    at, cell = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(TYPES) - 1))
    other = data.draw(cells)
    assume(not same(other, rows[at][cell]))
    altered = [*rows]
    altered[at] = (*rows[at][:cell], other, *rows[at][cell + 1 :])
    fault = verify_chain(altered).fault
    assert fault is not None
    assert fault.n <= at + 1 or cell == 0


@given(chains(least=2), st.data())
def test_a_removed_row_is_found_and_named(rows: list[RawRow], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 2))
    fault = verify_chain(rows[:at] + rows[at + 1 :]).fault
    assert fault is not None
    assert (fault.n, fault.what) == (at + 1, f"row {at + 1} is missing")


@given(chains(least=2), st.data())
def test_exchanged_rows_are_found_also_where_they_are_numbered_anew(
    rows: list[RawRow], data: st.DataObject
) -> None:
    i, j = sorted(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2, unique=True)))
    swapped = [*rows]
    swapped[i], swapped[j] = rows[j], rows[i]
    assert verify_chain(swapped).fault is not None
    swapped[i], swapped[j] = (rows[i][0], *rows[j][1:]), (rows[j][0], *rows[i][1:])
    fault = verify_chain(swapped).fault
    assert fault is not None
    assert fault.n == i + 1


@given(chains(), st.data())
def test_a_row_that_stands_twice_or_was_put_in_is_found(rows: list[RawRow], data: st.DataObject) -> None:
    at, to = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(rows)))
    twice = [*rows[:to], rows[at], *rows[to:]]
    assert verify_chain(twice).fault is not None
    numbered = [(n, *raw[1:]) for n, raw in enumerate(twice, 1)]
    assume(numbered[: len(rows)] != rows)
    assert verify_chain(numbered).fault is not None


@given(chains(), st.data())
def test_a_row_made_anew_with_its_hash_is_found_at_the_next_or_by_a_head(
    rows: list[RawRow], data: st.DataObject
) -> None:
    at, told = data.draw(st.integers(0, len(rows) - 1)), data.draw(actions)
    before = AuditHead(at, rows[at][-2])
    forged = chained(told, 5.0, before)
    assume(forged != rows[at])
    altered = [*rows[:at], forged, *rows[at + 1 :]]
    fault = verify_chain(altered).fault
    if at + 1 < len(rows):
        assert fault is not None
        assert fault.n == at + 2
    else:
        assert fault is None
        against = verify_chain(altered, heads(rows)).fault
        assert against is not None
        assert "rewritten" in against.what


@given(chains(), st.data())
def test_a_cut_tail_is_found_by_a_head(rows: list[RawRow], data: st.DataObject) -> None:
    left = data.draw(st.integers(0, len(rows) - 1))
    assert verify_chain(rows[:left]).fault is None
    fault = verify_chain(rows[:left], heads(rows[-1:])).fault
    assert fault is not None
    assert fault.n == left + 1
    assert "cut off" in fault.what


@given(chains())
def test_a_whole_that_was_made_anew_is_found_by_a_head(rows: list[RawRow]) -> None:
    anew, head = [], AuditHead(0, GENESIS)
    for raw in rows:
        row = audit_row(raw)
        told = Action(actor="another", role=row.role, what=row.what, about=row.about)
        anew.append(chained(told, row.time, head))
        head = AuditHead(anew[-1][0], anew[-1][-1])
    assume(all(one != other for one, other in zip(anew, rows, strict=True)))
    assert verify_chain(anew).fault is None
    for known in rows:
        fault = verify_chain(anew, heads([known])).fault
        assert fault is not None
        assert fault.n == known[0]


def made(folder: Path, n: int = 5) -> AuditLog:
    log = AuditLog(folder, lambda: 1000.0)
    for i in range(n):
        log.append(Action(actor="anna", role="engineer", what="line.promote", about=f"line-{i}"))
    return log


def change(log: AuditLog, *statements: str) -> None:
    db = sqlite3.connect(log.path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(
    ("statement", "n", "words"),
    [
        ("UPDATE actions SET actor = 'bo' WHERE n = 3", 3, "changed"),
        ("UPDATE actions SET before = ' null' WHERE n = 2", 2, "changed"),
        ("UPDATE actions SET time = 9e999 WHERE n = 2", 2, "changed"),
        ("UPDATE actions SET reason = CAST(x'ff' AS TEXT) WHERE n = 2", 2, "changed"),
        ("UPDATE actions SET about = x'6c' WHERE n = 4", 4, "another type"),
        ("DELETE FROM actions WHERE n = 1", 1, "missing"),
        ("DELETE FROM actions WHERE n IN (2, 3)", 2, "rows 2 to 3 are missing"),
        ("UPDATE actions SET n = 9 WHERE n = 2", 2, "missing"),
        ("UPDATE actions SET n = 0 WHERE n = 2", 0, "wrong place"),
        ("UPDATE actions SET previous = hash WHERE n = 2", 2, "changed"),
    ],
)
def test_a_change_of_the_file_is_named(tmp_path: Path, statement: str, n: int, words: str) -> None:
    log = made(tmp_path)
    assert verify_log(log).fault is None
    change(log, statement)
    fault = verify_log(log).fault
    assert fault is not None
    assert fault.n == n
    assert words in fault.what


def test_what_is_appended_later_hides_nothing(tmp_path: Path) -> None:
    log = made(tmp_path)
    change(log, "UPDATE actions SET actor = 'bo' WHERE n = 3")
    log.append(Action(actor="anna", role="engineer", what="line.promote"))
    fault = verify_log(log).fault
    assert fault is not None
    assert fault.n == 3
