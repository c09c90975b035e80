"""saec export and saec import at a station that has judged frames."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saec import edge
from saec.cli import main
from saec.station.review.review_store import ReviewStore
from saec.station.storage.records import NewFrame, SpoolLimits
from saec.station.storage.spool import Spool
from saec.types import VerdictRecord
from tests.run_fakes import FakeDetector, make_line
from tests.station.station_fakes import DEFECT, png


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station's settings, and one frame in its record."""
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    make_line(tmp_path / "profile")
    spool = Spool(tmp_path / "data", limits=SpoolLimits(free_gb=0))
    new = NewFrame(line="cell", source="x", key="a", suffix=".png", captured=1.0)
    taken = spool.accept(new, png(DEFECT))
    verdict = VerdictRecord(id=taken.id, path="", sha256="", line="cell", time=1.0, label=1)
    spool.decide(taken.seq, "final", verdict, edge=b"{}", version="1")
    spool.close()
    path = tmp_path / "station.toml"
    path.write_text(
        '[station]\ndata = "data"\nlisten = "127.0.0.1:0"\n[[line]]\nname = "cell"\nprofile = "profile"\n'
    )
    return path


def test_a_label_from_elsewhere_takes_its_frame_in_and_goes_out_again(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = config.parent
    given = folder / "given.json"
    task = {
        "data": {"image": "/x/cell-0000000001.png"},
        "annotations": [{"result": [{"type": "choices", "value": {"choices": ["scratch"]}}]}],
    }
    other = {**task, "data": {"image": "/x/cell-0000000009.png"}}
    given.write_text(json.dumps([task, other]))
    assert main(["import", str(given), "--config", str(config)]) == 2
    assert "name the person with --person" in capsys.readouterr().err
    assert main(["import", str(given), "--person", "anna", "--config", str(config)]) == 1
    told = capsys.readouterr()
    assert "1 labels taken, 0 known before, 1 refused" in told.out
    assert "there is no frame cell-0000000009" in told.err
    store = ReviewStore(folder / "data")
    (label,) = store.labels()
    store.close()
    assert (label.person, label.answer.kind, label.origin) == ("anna", "scratch", "given.json")
    out = folder / "out"
    assert main(["export", str(out), "--form", "coco", "--config", str(config)]) == 0
    assert (out / "train" / "cell-0000000001.png").read_bytes() == png(DEFECT)
    assert main(["export", str(out), "--config", str(config)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_line_that_is_not_there_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(config.parent / "out"), "--line", "sell", "--config", str(config)]
    assert main(command) == 2
    assert "there is no line sell" in capsys.readouterr().err
