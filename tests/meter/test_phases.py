import time
from pathlib import Path

import pytest

from saec.errors import DataError
from saec.meter.phases import VARIABLE, PhaseMarks, mark


def test_marks_arrive_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "marks"
    marks = PhaseMarks(path)
    assert marks.read() == []
    monkeypatch.setenv(VARIABLE, str(path))
    begin = time.monotonic()
    mark("loading")
    mark("run")
    got = marks.read()
    assert [phase for _, phase in got] == ["loading", "run"]
    assert begin - 1e-6 <= got[0][0] <= got[1][0]
    mark("")
    assert [phase for _, phase in marks.read()] == [""]
    assert marks.read() == []


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    path.write_text("1.5\tloading\n2.")
    marks = PhaseMarks(path)
    assert marks.read() == [(1.5, "loading")]
    path.write_text("1.5\tloading\n2.25\trun\n")
    assert marks.read() == [(2.25, "run")]


def test_without_a_meter_outside_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    mark("run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["run\n", "soon\trun\n", "1.0 run\n"])
def test_what_is_no_mark_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "marks"
    path.write_text(line)
    with pytest.raises(DataError, match="does not mark a phase"):
        PhaseMarks(path).read()
