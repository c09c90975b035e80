"""The verdict log: whole lines whatever happens."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import DataError
from saec.runs.run_record import RunInfo
from saec.runs.verdict_log import VerdictLog, mend_log, read_all, read_verdicts, schema, write_csv
from saec.types import CloudRecord, EdgeRecord, ErrorRecord, Explanation, KindOpinion, Route, VerdictRecord

text = st.text(st.characters(codec="utf-8"), max_size=30)
number = st.floats(allow_nan=False, allow_infinity=False)
verdicts = st.builds(
    VerdictRecord,
    id=text,
    path=text,
    sha256=text,
    line=text,
    time=number,
    truth=st.sampled_from((None, 0, 1)),
    label=st.sampled_from((None, 0, 1)),
    score=st.none() | number,
    kind=st.none() | text,
    kind_confidence=st.none() | number,
    true_kind=text,
    reason=text,
    route=st.none() | st.builds(Route, decision=st.sampled_from(("edge", "cloud")), reason=text),
    edge=st.none()
    | st.builds(
        EdgeRecord,
        score=number,
        label=st.sampled_from((0, 1)),
        kind=st.none() | st.builds(KindOpinion, text, number),
    ),
    cloud=st.none() | st.builds(CloudRecord, p_defect=number, model=text, prompt=text, role=st.just("fused")),
    explanation=st.none() | st.builds(Explanation, kind=text, description=text),
    ms=st.dictionaries(text, number, max_size=3),
    error=st.none() | st.builds(ErrorRecord, kind=text, message=text),
)


def a_verdict(id: str, **fields: object) -> VerdictRecord:
    return VerdictRecord(id=id, path=f"/data/{id}", sha256="0", line="l", time=0.0, **fields)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.lists(verdicts, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, written: list[VerdictRecord]
) -> None:
    path = tmp_path_factory.mktemp("log") / "verdicts.jsonl"
    with VerdictLog(path) as log:
        for verdict in written:
            log.append(verdict)
    assert list(read_verdicts(path)) == written
    assert path.read_bytes().count(b"\n") == len(written)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_log_torn_anywhere_is_mended_to_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "verdicts.jsonl"
    whole = [a_verdict(f"{i}" * 50) for i in range(4)]
    with VerdictLog(path) as log:
        for verdict in whole:
            log.append(verdict)
    cut = data.draw(st.integers(0, path.stat().st_size))
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    kept = content.count(b"\n")
    assert list(read_verdicts(path)) == whole[:kept]
    assert mend_log(path) == len(content) - (content.rfind(b"\n") + 1)
    assert path.read_bytes() == content[: content.rfind(b"\n") + 1]
    with VerdictLog(path) as log:
        log.append(a_verdict("after"))
    assert [v.id for v in read_verdicts(path)] == [*(v.id for v in whole[:kept]), "after"]


def test_mending_finds_a_newline_far_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"whole\n" + b"x" * 200_000)
    assert mend_log(path) == 200_000
    assert path.read_bytes() == b"whole\n"


def test_two_logs_on_one_file_do_not_tear_each_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with VerdictLog(path) as one, VerdictLog(path) as other:
        for i in range(20):
            (one, other)[i % 2].append(a_verdict(f"{i}"))
    assert [v.id for v in read_verdicts(path)] == [f"{i}" for i in range(20)]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    write = os.write
    with VerdictLog(path) as log:
        log.append(a_verdict("first"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda file, data: write(file, data[:7]))
            with pytest.raises(DataError, match="full"):
                log.append(a_verdict("second"))
        log.append(a_verdict("third"))
    assert [v.id for v in read_verdicts(path)] == ["first", "third"]


def test_a_line_that_is_no_verdict_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(msgspec.json.encode(a_verdict("0")) + b"\n{}\n")
    with pytest.raises(DataError, match="log:2"):
        list(read_verdicts(path))
    with pytest.raises(DataError, match="does not exist"):
        list(read_verdicts(tmp_path / "none"))


def test_the_last_verdict_on_a_frame_stands(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with VerdictLog(path) as log:
        log.append(a_verdict("a", state="provisional", label=0))
        log.append(a_verdict('b "replaces":true', label=0))
        log.append(a_verdict("c", state="error"))
        log.append(a_verdict("a", label=1, replaces=True))
        log.append(a_verdict("c", state="provisional", label=0, replaces=True))
        log.append(a_verdict("c", label=1, replaces=True))
    assert [(v.id[0], v.label) for v in read_verdicts(path)] == [("b", 0), ("a", 1), ("c", 1)]
    assert len(list(read_all(path))) == 6


def test_csv_has_empty_cells_for_the_unknown_and_no_formulas(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    write_csv(path, [a_verdict("=1+1", label=1, score=2.5), a_verdict("b", score=-1.0)])
    rows = list(csv.DictReader(path.open(newline="")))
    assert [row["id"] for row in rows] == ["'=1+1", "b"]
    assert [row["label"] for row in rows] == ["1", ""]
    assert [float(row["score"]) for row in rows] == [2.5, -1.0]
    assert {row["p_defect"] for row in rows} == {""}


def test_csv_keeps_the_edges_kind_and_the_clouds_apart(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    named = a_verdict("a", label=1, kind="=cmd|'/c calc'!A0", kind_confidence=0.5, true_kind="+scratch")
    words = a_verdict("b", label=1, explanation=Explanation("dent", "A dent."))
    write_csv(path, [named, words])
    first, second = csv.DictReader(path.open(newline=""))
    assert (first["kind"], first["kind_confidence"]) == ("'=cmd|'/c calc'!A0", "0.5")
    assert (first["true_kind"], first["cloud_kind"]) == ("'+scratch", "")
    assert (second["kind"], second["cloud_kind"], second["cloud_description"]) == ("", "dent", "A dent.")


def test_the_schema_names_every_field() -> None:
    properties = schema()["$defs"]["VerdictRecord"]["properties"]
    assert set(properties) == set(VerdictRecord.__struct_fields__)


@pytest.mark.parametrize("struct", [VerdictRecord, RunInfo])
def test_the_page_on_verdicts_names_every_field(struct: type[msgspec.Struct]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()
    missing = [name for name in struct.__struct_fields__ if f"`{name}`" not in page]
    assert not missing


def test_nothing_is_added_to_a_log_that_an_editor_saved_as_utf16(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text("{}\n", "utf-16")
    with pytest.raises(DataError, match="UTF-16"):
        mend_log(path)
