"""Kinds from a data set's folders to verdicts, figures, report and a replay: one line, end to end."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

import saec
from saec import edge
from saec.cli import main
from saec.data.input_images import list_inputs
from saec.errors import ConfigError
from saec.profile import LineProfile, write_json
from saec.report.page import write_report
from saec.runs.route_replay import in_order, replay
from saec.runs.run_folder import Options, run_line
from saec.runs.verdict_log import read_all, read_verdicts
from saec.types import CloudState, EdgeOpinion, KindOpinion, Route
from tests.run_fakes import FakeCloud, FakeDetector, Frames, make_line

KINDS = ("dent", "scratch")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Dents and scratches of which one each is named wrongly, rust that the line never saw, a missed dent."""
    root = tmp_path / "parts"
    frames = Frames(root)
    for i in range(4):
        frames.add(f"train/good/{i}", 20 + i)
        frames.add(f"test/good/{i}", 60 + i)
        frames.add(f"test/dent/{i}", 200 + i, blue=1 if i == 3 else 0)
        frames.add(f"test/scratch/{i}", 220 + i, blue=0 if i == 3 else 1)
        frames.add(f"test/rust/{i}", 240 + i, blue=7)
    frames.add("test/dent/missed", 90)
    return root


@pytest.fixture
def line(tmp_path: Path, parts: Path, fakes: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> LineProfile:
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector(kinds=KINDS))
    return make_line(tmp_path / "line", goods=list_inputs(parts, split="train").sources, kinds=KINDS)


def test_evaluate_tells_the_confusion_by_kind(
    tmp_path: Path, parts: Path, line: LineProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "run", tmp_path / "figures.json"
    assert main(["evaluate", str(line.folder), str(parts), "--out", str(out), "--json", str(file)]) == 0
    figures = json.loads(file.read_text())["kinds"]
    assert figures["confusion"] == {
        "dent": {"dent": 3, "scratch": 1, "unknown": 0, "judged good": 1},
        "scratch": {"dent": 1, "scratch": 3, "unknown": 0, "judged good": 0},
        "rust": {"dent": 0, "scratch": 0, "unknown": 4, "judged good": 0},
    }
    assert (figures["known"], figures["n_known"], figures["accuracy"]) == (list(KINDS), 8, 0.75)
    assert (figures["n_new"], figures["new_as_unknown"], figures["confidence"]) == (4, 1.0, 0.75)
    said = capsys.readouterr().out
    assert "The name was right for 6 of 8 defects of kinds that the line knows (75.0 %;" in said
    assert "Of other kinds, 4 of 4 defects were called unknown" in said
    assert json.loads((out / "metrics.json").read_text())["kinds"] == figures
    page = write_report(out).read_text("utf-8")
    assert "The name was right for 6 of 8 defects" in page
    assert main(["evaluate", str(line.folder), str(parts), "--verdicts", str(out), "--json", str(file)]) == 0
    assert json.loads(file.read_text())["kinds"] == figures


def test_the_library_gives_the_line_its_kinds_and_the_metrics(parts: Path, line: LineProfile) -> None:
    opened = saec.Line.open(line.folder)
    assert opened.kinds == KINDS
    metrics = opened.evaluate(parts)
    assert metrics.kinds is not None
    assert (metrics.kinds.known, metrics.kinds.accuracy) == (KINDS, 0.75)
    verdict = opened.inspect(parts / "test" / "dent" / "0.png")
    assert (verdict.kind, verdict.kind_confidence) == ("dent", 0.75)


def test_a_log_without_true_kinds_takes_them_from_the_data_set(
    tmp_path: Path, parts: Path, line: LineProfile
) -> None:
    bare, file = tmp_path / "bare", tmp_path / "figures.json"
    assert (
        main(["inspect", str(parts / "test" / "dent"), "--line", str(line.folder), "--out", str(bare)]) == 0
    )
    assert {v.true_kind for v in read_verdicts(bare / "verdicts.jsonl")} == {""}
    assert main(["evaluate", str(line.folder), str(parts), "--verdicts", str(bare), "--json", str(file)]) == 0
    assert json.loads(file.read_text())["kinds"]["confusion"]["dent"]["dent"] == 3


def test_inspect_writes_kinds_into_the_log_and_the_table(
    tmp_path: Path, parts: Path, line: LineProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "run", tmp_path / "v.csv"
    arguments = ["inspect", str(parts), "--line", str(line.folder)]
    assert main([*arguments, "--out", str(out), "--csv", str(table)]) == 0
    rows = {row["id"]: row for row in csv.DictReader(table.open(newline=""))}
    row = rows["test/scratch/3.png"]
    assert (row["kind"], row["kind_confidence"], row["true_kind"]) == ("dent", "0.75", "scratch")
    assert rows["test/good/0.png"]["kind"] == rows["test/good/0.png"]["true_kind"] == ""
    assert json.loads((out / "metrics.json").read_text())["kinds"]["known"] == list(KINDS)
    capsys.readouterr()
    assert main(arguments) == 0
    assert "  dent 75%  test/dent/0.png" in capsys.readouterr().out


def test_a_run_is_resumed_with_its_kinds_and_by_no_line_of_other_kinds(
    tmp_path: Path, parts: Path, line: LineProfile
) -> None:
    inputs, out = list_inputs(parts), tmp_path / "run"
    run_line(line, inputs, out)
    log = out / "verdicts.jsonl"
    whole = {v.id: (v.kind, v.kind_confidence, v.true_kind) for v in read_verdicts(log)}
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:7])[:-20])
    run_line(line, inputs, out, options=Options(resume=True))
    assert {v.id: (v.kind, v.kind_confidence, v.true_kind) for v in read_verdicts(log)} == whole
    other = msgspec.structs.replace(line.line, kinds=("dent", "scratch", "hole"))
    write_json(line.folder / "line.json", other)
    with pytest.raises(ConfigError, match="another line"):
        run_line(LineProfile.open(line.folder), inputs, out, options=Options(resume=True))


def test_a_replay_sees_the_kind_that_the_policy_saw(tmp_path: Path, parts: Path, line: LineProfile) -> None:
    run_line(line, list_inputs(parts), tmp_path / "run")
    verdicts = list(in_order(read_all(tmp_path / "run" / "verdicts.jsonl")))
    logged = [v.route for v in verdicts if v.route is not None]
    seen: list[KindOpinion | None] = []

    class Witness:
        """Gives the routes of the log, and keeps the kinds that it is told."""

        def route(
            self, complexity: float | None, opinion: EdgeOpinion, state: CloudState, now: float
        ) -> Route:
            seen.append(opinion.kind)
            return logged[len(seen) - 1]

    assert replay(verdicts, Witness).difference is None
    assert seen == [v.edge.kind for v in verdicts if v.edge is not None]
    assert KindOpinion("dent", 0.75) in seen
