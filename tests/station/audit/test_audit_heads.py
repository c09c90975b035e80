"""Heads are read from wherever they went: printed, a sink's files, evidence."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from saec.station.audit.audit_heads import known_heads
from saec.station.audit.audit_log import AuditLog
from saec.station.audit.audit_rows import Action, AuditError
from saec.station.audit.evidence import FRAMES, VERSIONS, EvidenceManifest, EvidenceWriter
from saec.station.audit.signing_keys import SigningKeys

ONE, TWO = "ab" * 32, "cd" * 32


def test_a_printed_head() -> None:
    assert known_heads(f" 12:{ONE}\n") == {12: {ONE}}


def test_lines_of_json_as_sinks_write_them_also_torn_ones(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    lines = [
        json.dumps({"key": "a/final", "verdict": {"id": "a"}, "audit": {"n": 1, "hash": ONE}}),
        json.dumps({"key": "b/final", "audit": {"n": 1, "hash": ONE}}),
        json.dumps({"key": "c/final", "audit": {"n": 2, "hash": TWO}}),
        json.dumps({"key": "d/final", "audit": None}),
        json.dumps({"key": "e/final"}),
        '{"key": "f/fin',
    ]
    path.write_text("\n".join(lines))
    assert known_heads(str(path)) == {1: {ONE}, 2: {TWO}}


def test_two_hashes_of_one_row_are_both_held(tmp_path: Path) -> None:
    path = tmp_path / "heads.txt"
    path.write_text(f"on Monday 7:{ONE}\non Tuesday 7:{TWO}\n")
    assert known_heads(str(path)) == {7: {ONE, TWO}}


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text(f"key,id,audit\na/final,a,3:{ONE}\nb/final,b,\n")
    assert known_heads(str(path)) == {3: {ONE}}


def test_evidence_tells_of_its_rows_and_its_head(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    keys = SigningKeys(tmp_path, log)
    keys.ensure("a", "r")
    rows = [log.append(Action(actor="a", role="r", what="w")) for _ in range(3)]
    with EvidenceWriter(tmp_path / "e.zip") as out:
        for name in (FRAMES, VERSIONS):
            with out.part(name):
                pass
        out.actions(log.walk(2, 3))
        told = EvidenceManifest(
            saec="0", station="s", made=1.0, asked={}, parts={}, frames=0, replays={}, head=log.head(),
            key="", keys=[],
        )  # fmt: skip
        out.finish(told, keys)
    assert known_heads(str(tmp_path / "e.zip")) == {row.n: {row.hash} for row in rows}


@pytest.mark.parametrize("text", ["nothing here\n", "{}\n", "12:abc\n", ""])
def test_a_file_without_a_head_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(AuditError, match="holds no head"):
        known_heads(str(tmp_path / "x"))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="cannot be read"):
        known_heads(str(tmp_path / "nowhere"))
    (tmp_path / "torn.zip").write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    with pytest.raises(AuditError, match="cannot be read"):
        known_heads(str(tmp_path / "torn.zip"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as out:
        out.writestr("a", b"b")
    with pytest.raises(AuditError, match="no file of evidence"):
        known_heads(str(tmp_path / "other.zip"))
