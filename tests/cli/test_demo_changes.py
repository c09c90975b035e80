"""The demo says what the cloud's questions changed, from the log and the run's own record."""

from __future__ import annotations

from pathlib import Path

import pytest

from saec.cli.lines.demo import _tell_changes
from saec.evaluation.evaluation_tasks import EvaluationTask
from saec.evaluation.line_evaluation import Result
from saec.evaluation.metrics import Metrics
from saec.runs.run_record import CloudInfo, DatasetInfo, LineInfo, RunInfo
from saec.runs.verdict_log import VerdictLog
from saec.types import CloudRecord, EdgeRecord, VerdictRecord


def result(cloud: CloudInfo | None) -> Result:
    line = LineInfo(name="gear", folder="", detector="patch", threshold=5.0, calibration=1)
    info = RunInfo(saec="0", line=line, dataset=DatasetInfo(root=""), cloud=cloud)
    return Result(EvaluationTask(Path("gear"), Path("data"), "gear"), Metrics(), info)


def judged(id: str, truth: int, edge: int, label: int, role: str = "fused") -> VerdictRecord:
    return VerdictRecord(
        id=id,
        path=id,
        sha256="",
        line="gear",
        time=0.0,
        truth=truth,
        label=label,
        edge=EdgeRecord(5.0, edge),
        cloud=CloudRecord(0.5, "small", "v1", role),  # type: ignore[arg-type]
    )


def told(tmp_path: Path, verdicts: list[VerdictRecord], capsys: pytest.CaptureFixture[str]) -> str:
    run = tmp_path / "gear" / "cascade"
    run.mkdir(parents=True)
    with VerdictLog(run / "verdicts.jsonl") as log:
        for verdict in verdicts:
            log.append(verdict)
    both = result(CloudInfo(name="small", role="fused", reason="It has earned its say."))
    _tell_changes([(result(None), both), (result(None), None)], tmp_path)
    return capsys.readouterr().out


def test_what_was_put_right_and_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = [
        judged("a", 1, 0, 1),
        judged("b", 0, 1, 0),
        judged("c", 1, 1, 0),
        judged("d", 0, 0, 0),
    ]
    out = told(tmp_path, verdicts, capsys)
    assert "gear: It has earned its say." in out
    assert (
        "It corrected 2 labels (1 missed defect found, 1 false reject corrected) "
        "and made 1 wrong (1 new missed defect)." in out
    )
    assert "the label did not change: 1 right, 0 wrong" in out


def test_a_cloud_that_was_not_heard_changed_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(tmp_path, [judged("a", 1, 1, 1, "advisory")], capsys) == "gear: It has earned its say.\n"
