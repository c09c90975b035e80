"""Run folders: what is in them, and that an interruption loses and repeats nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec import edge
from saec.cli import main
from saec.data.input_images import list_inputs
from saec.edge.detector_kinds import device_note
from saec.errors import ConfigError
from saec.frame.judges import Cloud, read_references
from saec.profile import LineProfile
from saec.runs.run_folder import Options, map_name, run_line
from saec.runs.run_record import read_run
from saec.runs.verdict_log import mend_log, read_verdicts
from saec.settings import CloudConfig, GateConfig, RunConfig
from saec.types import Image, VerdictRecord
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, FakeDetector, Frames, make_dataset, make_line

ROOT = Path(__file__).parents[2]


def fused_line(folder: Path, engine: FakeCloud) -> LineProfile:
    calibration = msgspec.structs.replace(CALIBRATION, clouds={Cloud(CloudConfig(model="small")).key: FUSED})
    return make_line(folder, calibration=calibration)


def without_times(verdict: VerdictRecord) -> VerdictRecord:
    return msgspec.structs.replace(verdict, time=0.0, ms={}, seq=0, cloud_state=None, replaces=False)


def content(run: Path) -> dict[str, VerdictRecord]:
    """The verdicts by frame; fails where a frame has two."""
    found = {}
    for verdict in read_verdicts(run / "verdicts.jsonl"):
        assert verdict.id not in found
        found[verdict.id] = without_times(verdict)
    return found


@pytest.fixture
def line(tmp_path: Path, fakes: FakeCloud) -> LineProfile:
    return fused_line(tmp_path / "bottle", fakes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = make_dataset(tmp_path / "data", goods=8, defects=8)
    (root / "test" / "good" / "broken.png").write_bytes(b"no image")
    Frames(root).add("test/defect/unsure", 128, green=100)
    Frames(root).add("test/good/unsure", 120, green=200)
    return root


def test_a_run_folder_holds_verdicts_pictures_and_what_made_them(
    tmp_path: Path, line: LineProfile, data: Path
) -> None:
    inputs, out = list_inputs(data), tmp_path / "run"
    info = run_line(line, inputs, out, cloud=Cloud(CloudConfig(model="small", references=0)))
    verdicts = content(out)
    assert set(verdicts) == {source.id for source in inputs.sources}
    assert {v.truth for v in verdicts.values()} == {0, 1}
    for verdict in verdicts.values():
        assert (verdict.map is not None) == (verdict.label is not None)
        if verdict.map is not None:
            assert (out / verdict.map).is_file()
    assert msgspec.json.encode(read_run(out)) == msgspec.json.encode(info)
    assert (info.line.name, info.policy, info.cloud.role, info.cloud.demonstration) == (
        "bottle",
        "gate",
        "advisory",  # trusted with one reference, not with none
        True,
    )
    assert info.counts["frames"] == len(verdicts)
    assert info.counts["error"] == 1
    assert info.ended >= info.started
    assert {reading["phase"] for reading in info.meter} == {"loading", "warm-up", "run"}
    assert all(reading["gpu_energy_j"] is None for reading in info.meter)
    assert any("because of an error: 1 of 19" in note for note in info.notes)
    assert not [p for p in out.iterdir() if p.name.endswith(".partial")]


def test_frames_that_made_the_line_are_noted(tmp_path: Path, fakes: FakeCloud, data: Path) -> None:
    inputs = list_inputs(data, split="train")
    line = make_line(tmp_path / "bottle", goods=inputs.sources[:4])
    info = run_line(line, inputs, tmp_path / "run")
    assert info.counts["used_for_the_line"] == 4
    assert any("so results on them are too good: 4 of 10" in note for note in info.notes)


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path, line: LineProfile, data: Path) -> None:
    run_line(line, list_inputs(data), tmp_path / "run")
    before = (tmp_path / "run" / "verdicts.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="already holds a run"):
        run_line(line, list_inputs(data), tmp_path / "run")
    assert (tmp_path / "run" / "verdicts.jsonl").read_bytes() == before


def test_a_run_is_not_resumed_by_another_calibration_or_policy(
    tmp_path: Path, line: LineProfile, data: Path
) -> None:
    inputs, out = list_inputs(data), tmp_path / "run"
    run_line(line, inputs, out)
    other = line.recalibrated(msgspec.structs.replace(line.calibration, threshold=4.0))
    with pytest.raises(ConfigError, match="another calibration"):
        run_line(other, inputs, out, options=Options(resume=True))
    with pytest.raises(ConfigError, match="another policy"):
        run_line(line, inputs, out, cloud=Cloud(CloudConfig(model="small")), options=Options(resume=True))


def test_a_run_is_not_resumed_with_other_settings_or_on_other_images(
    tmp_path: Path, line: LineProfile, data: Path, frames: Frames
) -> None:
    inputs, out = list_inputs(data), tmp_path / "run"
    cloud = CloudConfig(model="small", batch=2)
    run_line(line, inputs, out, cloud=Cloud(cloud), options=Options(gate=GateConfig(complexity=3.0)))
    again = Options(gate=GateConfig(complexity=3.0), resume=True)
    run_line(
        line, inputs, out, cloud=Cloud(CloudConfig(model="small", batch=5)), options=again
    )  # only quicker
    for config, options in (
        (cloud, Options(resume=True)),
        (CloudConfig(model="small", references=0), again),
        (CloudConfig(model="small", side_px=56), again),
    ):
        with pytest.raises(ConfigError, match="other settings"):
            run_line(line, inputs, out, cloud=Cloud(config), options=options)
    frames.add("else", 30)
    with pytest.raises(ConfigError, match="is a run on"):
        run_line(line, list_inputs(frames.folder), out, cloud=Cloud(cloud), options=again)


def test_a_lines_bits_hold_for_references_and_for_the_report(tmp_path: Path, line: LineProfile) -> None:
    twelve = msgspec.structs.replace(line.line.preparation, bits=12)
    line = LineProfile(line.folder, msgspec.structs.replace(line.line, preparation=twelve), line.calibration)
    cv2.imwrite(str(line.folder / "references" / "0.png"), np.full((8, 8, 3), 2048, np.uint16))
    (reference,) = read_references(line, 1)
    assert 126 <= reference.min() <= reference.max() <= 129
    Frames(tmp_path / "more").add("0", 30)
    assert run_line(line, list_inputs(tmp_path / "more"), tmp_path / "run").line.bits == 12


def test_under_policy_edge_a_cloud_is_said_to_be_unasked(
    tmp_path: Path, line: LineProfile, data: Path
) -> None:
    info = run_line(
        line,
        list_inputs(data),
        tmp_path / "run",
        cloud=Cloud(CloudConfig(model="small")),
        options=Options(policy="edge"),
    )
    assert info.cloud is not None
    assert (info.cloud.role, info.counts["escalated"]) == ("unasked", 0)


def test_a_run_on_another_device_says_so(
    tmp_path: Path, line: LineProfile, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def note(profile: LineProfile) -> FakeDetector:
        opened.append(profile.line.detector.device)
        return FakeDetector()

    monkeypatch.setattr(edge, "open_detector", note)
    here = run_line(line, list_inputs(data), tmp_path / "here")
    there = run_line(
        line, list_inputs(data), tmp_path / "there", options=Options(config=RunConfig(edge_device="GPU"))
    )
    assert opened == ["CPU", "GPU"]
    assert (here.line.device, there.line.device) == ("CPU", "GPU")
    assert [note for note in there.notes if note not in here.notes] == [device_note(line, "GPU")]


def test_resume_judges_nothing_twice_and_keeps_the_counts(
    tmp_path: Path, line: LineProfile, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, out = list_inputs(data), tmp_path / "run"
    first = run_line(line, inputs, out)
    before = (out / "verdicts.jsonl").read_bytes()
    detector = FakeDetector()
    monkeypatch.setattr(edge, "open_detector", lambda profile: detector)
    again = run_line(line, inputs, out, options=Options(resume=True))
    assert detector.seen == 1  # the warm-up's
    assert (out / "verdicts.jsonl").read_bytes() == before
    assert again.counts == first.counts
    assert any("resumed" in note for reading in again.meter for note in reading["notes"])


def test_errors_are_kept_unless_they_are_retried(tmp_path: Path, line: LineProfile, data: Path) -> None:
    inputs, out = list_inputs(data), tmp_path / "run"
    run_line(line, inputs, out)
    before = (out / "verdicts.jsonl").read_bytes()
    run_line(line, inputs, out, options=Options(resume=True))
    assert (out / "verdicts.jsonl").read_bytes() == before
    Frames(data).add("test/good/broken", 30)
    info = run_line(line, inputs, out, options=Options(resume=True, retry_errors=True))
    mended = content(out)["test/good/broken.png"]
    assert (mended.state, mended.label) == ("final", 0)
    assert (info.counts["frames"], info.counts["error"]) == (19, 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LineProfile, Path]]:
    """A line with fakes, and the folder of a run that nothing has interrupted."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge, "open_detector", lambda profile: FakeDetector(), raising=False)
        line = make_line(root / "bottle")
        inputs = list_inputs(make_dataset(root / "data", goods=4, defects=4, train=1))
        run_line(line, inputs, root / "run", options=Options(config=RunConfig(maps=False)))
        yield line, root


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 1))
def test_resume_after_a_cut_anywhere_gives_the_uninterrupted_run(
    tmp_path_factory: pytest.TempPathFactory, whole: tuple[LineProfile, Path], share: float
) -> None:
    (line, root), run = whole, tmp_path_factory.mktemp("cut") / "run"
    shutil.copytree(root / "run", run)
    log = run / "verdicts.jsonl"
    written = log.read_bytes()
    log.write_bytes(written[: round(share * len(written))])
    options = Options(config=RunConfig(maps=False), resume=True)
    run_line(line, list_inputs(root / "data"), run, options=options)
    assert mend_log(log) == 0
    assert content(run) == content(root / "run")


def start(line: LineProfile, data: Path, out: Path, signal_name: str, nth: int) -> int:
    module = ["-m", "tests.killed_run"]
    command = [sys.executable, *module, str(line.folder), str(data), str(out), signal_name, str(nth)]
    return subprocess.run(
        command, check=False, capture_output=True, timeout=60, cwd=Path(__file__).parents[2]
    ).returncode


@pytest.mark.parametrize("nth", [1, 11])
def test_a_killed_run_leaves_whole_lines_and_is_resumed(
    tmp_path: Path, line: LineProfile, data: Path, nth: int
) -> None:
    out = tmp_path / "run"
    assert start(line, data, out, "KILL", nth) == -signal.SIGKILL
    log = (out / "verdicts.jsonl").read_bytes()
    assert log.endswith(b"\n")
    assert len(content(out)) == nth == log.count(b"\n")
    assert read_run(out).ended == ""
    assert start(line, data, out, "KILL", -1) == 0
    assert start(line, data, tmp_path / "whole", "KILL", -1) == 0
    assert content(out) == content(tmp_path / "whole")
    assert any(v.decided_by == "cloud" for v in content(out).values())
    assert read_run(out).counts == read_run(tmp_path / "whole").counts


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, line: LineProfile, data: Path) -> None:
    assert start(line, data, tmp_path / "run", "INT", 2) == 130
    assert len(content(tmp_path / "run")) == 2


def test_the_first_ctrl_c_writes_what_is_under_way_and_exits_130(
    tmp_path: Path, line: LineProfile, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting(FakeDetector):
        def inspect(self, images: list[Image]) -> list[object]:  # type: ignore[override]
            if self.seen == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return super().inspect(images)  # type: ignore[return-value]

    out, before = tmp_path / "run", signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(edge, "open_detector", lambda profile: Interrupting())
    arguments = ["inspect", str(data), "--line", str(line.folder), "--out", str(out), "--decode-ahead", "1"]
    assert main(arguments) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert 3 <= len(content(out)) < 19
    assert read_run(out).ended == ""
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    assert main([*arguments, "--resume", "--csv", str(tmp_path / "v.csv")]) == 0
    assert len(content(out)) == 19
    assert len((tmp_path / "v.csv").read_text().splitlines()) == 20
    assert (out / "metrics.json").is_file()


def test_resume_needs_the_folder_and_cloud_policy_a_cloud(
    line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(data), "--line", str(line.folder), "--resume"]) == 2
    assert main(["inspect", str(data), "--line", str(line.folder), "--policy", "cloud"]) == 2
    assert "--cloud" in capsys.readouterr().err


def test_a_file_and_a_bare_folder_are_judged_without_truth(
    tmp_path: Path, line: LineProfile, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Frames(tmp_path / "bare").add("one", 30)
    for name, target in (("a", Path(source.path)), ("b", tmp_path / "bare")):
        out = tmp_path / name
        assert main(["inspect", str(target), "--line", str(line.folder), "--out", str(out), "--no-maps"]) == 0
        (verdict,) = content(out).values()
        assert (verdict.id, verdict.truth, verdict.label, verdict.map) == ("one.png", None, 0, None)
        assert not (out / "metrics.json").exists()
    assert "1 frames: 1 good" in capsys.readouterr().out


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_picture_never_leaves_the_run_folder(id: str) -> None:
    name = map_name(id)
    assert os.path.normpath(name).startswith("maps/") or os.path.normpath(name) == "maps.jpg"
    assert ".." not in Path(name).parts


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", "verdict"]) == 0
    assert (
        "decided_by" in msgspec.json.decode(capsys.readouterr().out)["$defs"]["VerdictRecord"]["properties"]
    )


def test_a_run_of_which_nothing_could_be_judged_ends_with_status_1(
    tmp_path: Path, line: LineProfile, fakes: FakeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = Frames(tmp_path / "frames")
    (tmp_path / "frames").mkdir()
    for name in ("a", "b"):
        frames.broken(name)
    for what, out in ((tmp_path / "frames", "folder"), (tmp_path / "frames" / "a.png", "file")):
        assert main(["inspect", str(what), "--line", str(line.folder), "--out", str(tmp_path / out)]) == 1
        assert "frames could not be judged" in capsys.readouterr().err
    frames.add("c", 30)
    some = ["inspect", str(tmp_path / "frames"), "--line", str(line.folder), "--out", str(tmp_path / "some")]
    assert main(some) == 0
    assert "2 of 3 frames could not be judged" in capsys.readouterr().err
