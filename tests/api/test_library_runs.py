"""The library gives what the command line gives, and leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

import saec
from saec.cli import main
from saec.data.images.pixels import read_image
from saec.runs.run_folder import verdicts_of
from saec.runs.verdict_log import read_verdicts
from saec.types import VerdictRecord


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with temporary files in a folder of their own."""
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def left(scratch: Path) -> list[Path]:
    return sorted(path for path in scratch.rglob("*") if path.is_file())


def answers(verdicts: Iterable[saec.Verdict | VerdictRecord]) -> dict[str, tuple[object, ...]]:
    return {v.id: (v.label, v.score, v.p_defect, v.reason, v.complexity) for v in verdicts}


def test_a_run_is_the_command_line_s(line: saec.Line, gears: Path, scratch: Path) -> None:
    out = scratch / "run"
    assert main(["inspect", str(gears), "--line", str(line.folder), "--out", str(out), "--no-maps"]) == 0
    told = {
        v.id: (v.label, v.score, v.p_defect, v.reason, v.complexity) for v in read_verdicts(verdicts_of(out))
    }
    assert answers(line.inspect_many(gears)) == told
    assert answers(line.inspect_many(str(gears / "test"), limit=3)).items() <= {
        (id.removeprefix("test/"), told[id]) for id in told
    }
    for id, answer in told.items():
        one = line.inspect(gears / id)
        assert (one.label, one.score, one.p_defect, one.reason, one.complexity) == answer


def test_all_forms_of_an_image_are_judged_alike(line: saec.Line, photo: Path) -> None:
    image = read_image(photo)
    forms: list[Any] = [
        photo,
        str(photo),
        image,
        Pillow.open(photo),
        Pillow.open(photo).convert("RGBA"),
        image[:, ::1],
    ]
    scores = {line.inspect(form).score for form in forms}
    scores |= {verdict.score for verdict in line.inspect_many(forms)}
    scores |= {verdict.score for verdict in line.inspect_many(iter([image]))}
    bgr = cv2.imread(str(photo))
    assert bgr is not None
    scores.add(line.inspect(bgr, colour="bgr").score)
    assert len(scores) == 1
    assert len(list(line.inspect_many(np.stack([image, image])))) == 2


def test_nothing_stays_on_the_disk(line: saec.Line, gears: Path, photo: Path, scratch: Path) -> None:
    line.inspect(photo)
    list(line.inspect_many(gears))
    list(line.inspect_many([read_image(photo)]))
    list(line.inspect_many([read_image(photo)], policy="edge"))
    next(iter(line.inspect_many(gears)))
    next(iter(line.inspect_many([read_image(photo)] * 9, policy="edge")))
    line.evaluate(gears)
    assert left(scratch) == []


def test_a_run_folder_is_written_where_it_is_asked_for(
    line: saec.Line, gears: Path, photo: Path, scratch: Path
) -> None:
    kept = answers(line.inspect_many(gears, out=scratch / "files"))
    assert kept == answers(read_verdicts(scratch / "files" / "verdicts.jsonl"))
    assert len(list((scratch / "files" / "maps").rglob("*.jpg"))) == 8
    (verdict,) = line.inspect_many([read_image(photo)], out=scratch / "arrays")
    assert verdict.path == str(scratch / "arrays" / "frames" / "frame-000001.png")
    assert verdict.score == line.inspect(photo).score
    assert main(["report", str(scratch / "arrays")]) == 0
    with pytest.raises(saec.ConfigError, match="already holds a run"):
        list(line.inspect_many([photo], out=scratch / "files"))
    with pytest.raises(saec.ConfigError, match="already holds a run"):
        list(line.inspect_many([read_image(photo)], out=scratch / "arrays"))


def test_an_image_that_cannot_be_read_has_no_label(line: saec.Line, photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    for images in ([broken, photo], iter([broken, photo])):
        bad, good = sorted(line.inspect_many(images), key=lambda verdict: "broken" not in verdict.id)
        assert (bad.label, bad.state, bad.label_name, bad.decided_by) == (None, "error", "no label", "none")
        assert bad.error is not None
        assert "broken.png" in bad._repr_html_()
        assert good.is_defect
        with pytest.raises(saec.AnswerError, match="no label"):
            bad.is_defect  # noqa: B018
        with pytest.raises(saec.ImageError):
            bad.map  # noqa: B018
    with pytest.raises(saec.ImageError):
        line.inspect(broken)


def test_a_verdict_of_a_run_reads_its_image_when_it_is_asked(line: saec.Line, photo: Path) -> None:
    direct = line.inspect(photo)
    (streamed,) = line.inspect_many([photo])
    assert np.array_equal(streamed.image, direct.image)
    assert np.array_equal(streamed.map, direct.map)  # type: ignore[arg-type]
    assert streamed.map_box == direct.map_box == (0, 0, 128, 128)
    assert np.array_equal(streamed.picture(), direct.picture())
    assert streamed.to_dict()["score"] == direct.score


def test_figures_are_the_command_line_s(line: saec.Line, gears: Path, scratch: Path) -> None:
    report = line.evaluate(gears)
    assert main(["evaluate", str(line.folder), str(gears), "--json", str(scratch / "figures.json")]) == 0
    told = json.loads((scratch / "figures.json").read_text())
    same = {name: value for name, value in report.to_dict().items() if not name.startswith("ms_")}
    assert {name: told[name] for name in same if name != "notes"} == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in same.items()
        if name != "notes"
    }


CHECK = """
import sys, warnings
before = set(sys.modules)
import saec
heavy = {"numpy", "cv2", "torch", "openvino", "msgspec", "PIL", "click", "sqlite3", "scipy"}
loaded = set(sys.modules) - before
assert loaded <= {"saec", "saec.silence", "__future__", "openvino_telemetry"}, loaded
assert {"Line", "Verdict", "Cloud", "Metrics", "Policy", "fit", "SaecError"} <= set(dir(saec))
try:
    saec.Lines
except AttributeError as e:
    print(e)
saec.ImageError
assert not heavy & (set(sys.modules) - before) - {"sqlite3"}
for name in saec.__all__:
    getattr(saec, name)
assert "torch" not in sys.modules and "openvino" not in sys.modules
"""


def test_the_import_loads_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "module 'saec' has no attribute 'Lines'\n"


def test_all_errors_are_at_the_top() -> None:
    from saec import errors

    named = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert named <= set(saec.__all__)


def test_threads_may_share_a_line(line: saec.Line, photo: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        scores = set(pool.map(lambda _: line.inspect(photo).score, range(12)))
    assert len(scores) == 1
