"""Baselines as runs: who answers, with what settings, on which line, and what counts in the figures."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saec import cloud as clouds
from saec import edge
from saec.cli import main
from saec.edge.learning.fit_contract import Fitted
from saec.errors import ModelError
from saec.profile import LineProfile
from saec.runs.run_record import read_run
from saec.runs.verdict_log import read_verdicts
from saec.settings import CloudConfig
from saec_research import baselines
from saec_research.commands import baseline as command
from tests.fake_fit import FakeFit
from tests.run_fakes import CALIBRATION, FakeCloud, FakeDetector, Frames, make_dataset, make_line


class Fits:
    """Stand in for both detectors' fits and count them."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def patch_fit(self) -> Any:
        return self._fit("patch")

    def yolo_fit(self, weights: Path, rule: object) -> Any:
        return self._fit("yolo")

    def _fit(self, kind: str) -> Any:
        class Fit(FakeFit):
            def finish(fake) -> Fitted:
                self.made.append(kind)
                fitted = super().finish()
                params = {"smax_spread": 0.1}
                return dataclasses.replace(
                    fitted, detector=msgspec.structs.replace(fitted.detector, kind=kind, params=params)
                )

        return Fit()


class Opened:
    """The settings of every cloud that was opened, and the fake that they all are."""

    def __init__(self) -> None:
        self.engine = FakeCloud()
        self.configs: list[CloudConfig] = []

    def __call__(self, config: CloudConfig) -> FakeCloud:
        self.configs.append(config)
        return self.engine


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    made = Fits()
    monkeypatch.setattr(baselines, "patch_fit", made.patch_fit)
    monkeypatch.setattr(baselines, "yolo_fit", made.yolo_fit)
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, fits: Fits) -> Opened:
    made = Opened()
    monkeypatch.setattr(edge, "open_detector", lambda profile: FakeDetector())
    monkeypatch.setattr(clouds, "open_engine", made)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "data", train=20)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "yolo.xml"
    path.write_text("weights")
    return path


def run(name: str, data: Path, out: Path, *options: object) -> int:
    return main(["baseline", name, str(data), "--out", str(out), *map(str, options)])


def rows(path: Path) -> dict[str, dict[str, Any]]:
    return {row["baseline"]: row for row in json.loads(path.read_text())["rows"]}


def test_help_and_table_know_the_same_baselines() -> None:
    assert tuple(baselines.BASELINES) == command.NAMES


@pytest.mark.parametrize(
    ("name", "kind", "policy", "deciders"),
    [
        ("yolo", "yolo", "edge", {"edge"}),
        ("edge", "patch", "edge", {"edge"}),
        ("cloud", "none", "cloud", {"cloud"}),
        ("llava", "none", "cloud", {"cloud"}),
        ("seed", "yolo", "seed", {"edge", "cloud"}),
        ("saec", "patch", "gate", {"edge"}),  # without known defects its cloud is advisory
    ],
)
def test_each_is_one_command(
    name: str,
    kind: str,
    policy: str,
    deciders: set[str],
    tmp_path: Path,
    data: Path,
    weights: Path,
    opened: Opened,
    fits: Fits,
) -> None:
    options = ["--yolo", weights, "--cloud", "qwen", "--llava", "llava", "--json", tmp_path / "f.json"]
    assert run(name, data, tmp_path / "run", *options, "--csv", tmp_path / "p.csv") == 0
    info = read_run(tmp_path / "run")
    verdicts = list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
    assert fits.made == [kind] * (kind != "none")
    assert info.policy == policy
    assert {v.decided_by for v in verdicts} == deciders
    (row,) = rows(tmp_path / "f.json").values()
    assert row["images"] == len(verdicts) == 16
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert row["metrics"] == figures
    with (tmp_path / "p.csv").open() as f:
        table = list(csv.DictReader(f))
    assert [r["id"] for r in table] == [v.id for v in verdicts]
    assert [r["cloud_p_defect"] for r in table] == [
        str(v.cloud.p_defect) if v.cloud else "" for v in verdicts
    ]


def test_the_clouds_are_asked_as_each_is_known_for(
    tmp_path: Path, data: Path, weights: Path, opened: Opened
) -> None:
    options = ["--yolo", weights, "--cloud", "qwen", "--llava", "llava", "--adapter", tmp_path]
    assert run("all", data, tmp_path / "run", *options) == 0
    cloud, llava, seed, saec = opened.configs
    assert (cloud.model, cloud.adapter, cloud.references, cloud.side_px) == ("qwen", None, 0, None)
    assert (llava.model, llava.adapter, llava.references, llava.side_px) == ("llava", None, 0, 448)
    assert (seed.adapter, seed.references, seed.side_px, seed.batch) == (str(tmp_path), 0, 512, 24)
    assert (saec.adapter, saec.references, saec.side_px) == (str(tmp_path), 1, None)
    info = read_run(tmp_path / "run" / "seed")
    assert info.config["own"]["qwen_thr"] == 0.26


def test_what_the_user_says_goes_before_what_a_baseline_is_known_for(
    tmp_path: Path, data: Path, weights: Path, opened: Opened
) -> None:
    options = ["--yolo", weights, "--cloud", "qwen", "--llava", "llava"]
    assert run("all", data, tmp_path / "run", *options, "--references", 1, "--cloud-side-px", 336) == 0
    cloud, llava, seed, saec = opened.configs
    assert [c.references for c in (cloud, llava, seed, saec)] == [1, 0, 1, 1]
    assert {c.side_px for c in opened.configs} == {336}


def test_a_line_is_fitted_once_for_all_that_need_it_and_again_when_its_goods_change(
    tmp_path: Path, data: Path, weights: Path, opened: Opened, fits: Fits
) -> None:
    options = ["--yolo", weights, "--cloud", "qwen"]
    assert run("all", data, tmp_path / "first", *options) == 0
    assert sorted(fits.made) == ["patch", "yolo"]
    assert run("edge", data, tmp_path / "second") == 0
    assert sorted(fits.made) == ["patch", "yolo"]
    Frames(data).add("train/good/new", 42)
    assert run("edge", data, tmp_path / "third") == 0
    assert sorted(fits.made) == ["patch", "patch", "yolo"]
    weights.write_text("other weights")
    assert run("yolo", data, tmp_path / "fourth", "--yolo", weights) == 0
    assert sorted(fits.made) == ["patch", "patch", "yolo", "yolo"]


def test_a_cloud_alone_needs_no_line_and_says_nothing_of_an_edge(
    tmp_path: Path, data: Path, opened: Opened, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(edge, "open_detector")
    Frames(data).add("test/good/fails", 20, green=13)
    shutil.rmtree(data / "train")
    assert run("cloud", data, tmp_path / "run", "--cloud", "qwen", "--maps") == 0
    assert fits.made == []
    verdicts = {v.id: v for v in read_verdicts(tmp_path / "run" / "verdicts.jsonl")}
    failed = verdicts.pop("test/good/fails.png")
    assert (failed.state, failed.label, failed.decided_by) == ("error", None, "none")
    assert "chokes" in failed.error.message
    for verdict in verdicts.values():
        assert (verdict.edge, verdict.score, verdict.decided_by) == (None, None, "cloud")
    info = read_run(tmp_path / "run")
    assert (info.line.detector, info.cross_domain) == ("none", None)
    assert main(["report", str(tmp_path / "run")]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "without an edge" in page
    assert "of 17; there is no edge" in page


def test_such_a_line_is_no_other_commands(
    tmp_path: Path,
    data: Path,
    fits: Fits,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(clouds, "open_engine", lambda config: FakeCloud())
    assert run("cloud", data, tmp_path / "run", "--cloud", "qwen") == 0
    line = read_run(tmp_path / "run").line.folder
    capsys.readouterr()
    for call in (["inspect", str(data), "--line", line], ["evaluate", line, str(data)]):
        assert main(call) == 2
        assert "has no edge detector" in capsys.readouterr().err


def test_its_references_are_train_goods_and_few_of_them_are_said(
    tmp_path: Path, data: Path, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("cloud", data, tmp_path / "run", "--cloud", "qwen", "--references", 2) == 0
    assert set(opened.engine.references) == {2}
    folder = Path(read_run(tmp_path / "run").line.folder)
    names = {path.read_bytes() for path in (folder / "references").iterdir()}
    assert len(names) == 2
    assert names <= {path.read_bytes() for path in (data / "train" / "good").iterdir()}
    assert run("cloud", data, tmp_path / "more", "--cloud", "qwen", "--references", 21) == 2
    assert "only 20 good training images for 21 references" in capsys.readouterr().err


def test_all_judge_the_same_images_of_a_set_without_splits(
    tmp_path: Path, data: Path, opened: Opened
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(data / "train" / "good", plain / "good")
    shutil.copytree(data / "test" / "defect", plain / "cut")
    assert run("all", plain, tmp_path / "run", "--cloud", "qwen") == 0
    judged = {
        name: {v.id for v in read_verdicts(tmp_path / "run" / name / "verdicts.jsonl")}
        for name in ("edge", "cloud", "saec")
    }
    assert len(judged["edge"]) == 8
    assert judged["edge"] == judged["cloud"] == judged["saec"]


def test_a_given_line_is_used_as_it_is(tmp_path: Path, data: Path, opened: Opened, fits: Fits) -> None:
    line = make_line(tmp_path / "mine")
    for name in ("edge", "cloud", "saec"):
        assert run(name, data, tmp_path / name, "--line", line.folder, "--cloud", "qwen") == 0
        assert read_run(tmp_path / name).line.folder == str(line.folder)
    assert fits.made == []
    assert LineProfile.open(line.folder).calibration == CALIBRATION


def test_two_lines_of_one_detector_are_refused(tmp_path: Path, data: Path, opened: Opened) -> None:
    lines = [make_line(tmp_path / name).folder for name in ("a", "b")]
    assert run("edge", data, tmp_path / "run", "--line", lines[0], "--line", lines[1]) == 2


def test_ours_lets_the_cloud_earn_its_say_where_defects_are_known(
    tmp_path: Path, data: Path, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = Frames(data)
    (data / "train" / "good" / "08.png").unlink()  # the fake cloud chokes on it
    for i in range(12):
        frames.add(f"train/defect/{i:02}", 30 + i, green=200 + i)
    options = ["--cloud", "qwen", "--json", tmp_path / "f.json"]
    assert run("saec", data, tmp_path / "run", *options) == 0
    assert "judges the calibration images" in capsys.readouterr().out
    (store,) = (tmp_path / "baseline-lines").iterdir()
    assert len(LineProfile.open(store).calibration.clouds) == 1
    assert read_run(tmp_path / "run").cloud.n_defect == 12
    assert run("saec", data, tmp_path / "again", *options) == 0
    assert "judges the calibration images" not in capsys.readouterr().out
    assert LineProfile.open(store).calibration.version == 2


def test_goods_can_come_from_elsewhere(tmp_path: Path, data: Path, opened: Opened) -> None:
    shutil.move(data / "train" / "good", tmp_path / "goods")
    shutil.rmtree(data / "train")
    assert run("edge", data, tmp_path / "run") == 2
    assert run("edge", data, tmp_path / "run", "--goods", tmp_path / "goods") == 0
    assert len(list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))) == 16


def test_goods_that_are_judged_as_well_are_a_leak(
    tmp_path: Path, data: Path, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("edge", data, tmp_path / "run", "--goods", data / "test" / "good") == 2
    assert "test/good" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_edge_that_stands_in_for_a_cloud_is_in_no_figure_of_the_cloud(
    tmp_path: Path, data: Path, opened: Opened
) -> None:
    Frames(data).add("test/good/fails", 20, green=13)
    assert run("cloud", data, tmp_path / "run", "--cloud", "qwen", "--json", tmp_path / "f.json") == 0
    (row,) = rows(tmp_path / "f.json").values()
    assert (row["images"], row["metrics"]["n_error"], row["metrics"]["n_provisional"]) == (16, 1, 0)
    assert any("1 frames without an answer" in note for note in row["notes"])
    assert row["metrics"]["accuracy"] == 1.0


def test_a_model_that_is_not_given_is_asked_for(
    tmp_path: Path, data: Path, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, option in (("yolo", "--yolo"), ("cloud", "--cloud"), ("llava", "--llava"), ("saec", "--cloud")):
        assert run(name, data, tmp_path / "run") == 2
        assert option in capsys.readouterr().err


def test_all_says_what_it_left_out_and_why(
    tmp_path: Path, data: Path, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("all", data, tmp_path / "run", "--cloud", "qwen", "--json", tmp_path / "f.json") == 0
    written = json.loads((tmp_path / "f.json").read_text())
    assert [row["baseline"] for row in written["rows"]] == ["edge", "cloud", "saec"]
    assert set(written["left_out"]) == {"yolo", "llava", "seed"}
    told = capsys.readouterr().out
    assert "llava: left out: give --llava MODEL" in told
    assert (tmp_path / "run" / "edge" / "probs.csv").is_file()


def test_all_goes_on_after_one_has_failed_and_says_so_at_the_end(
    tmp_path: Path, data: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: CloudConfig) -> FakeCloud:
        if config.model == "broken":
            raise ModelError("broken is damaged", "fetch it again")
        return opened(config)

    monkeypatch.setattr(clouds, "open_engine", fail)
    options = ["--cloud", "qwen", "--llava", "broken", "--json", tmp_path / "f.json"]
    assert run("all", data, tmp_path / "run", *options) == 1
    written = json.loads((tmp_path / "f.json").read_text())
    assert [row["baseline"] for row in written["rows"]] == ["edge", "cloud", "saec"]
    assert "broken is damaged" in written["failed"]["llava"]


def test_times_count_what_the_baseline_needs_alone(tmp_path: Path, data: Path, opened: Opened) -> None:
    for name in ("edge", "cloud"):
        options = ["--cloud", "qwen", "--json", tmp_path / f"{name}.json"]
        assert run(name, data, tmp_path / name, *options) == 0
        kept = ("read", "decode", "cloud") if name == "cloud" else ("read", "decode", "complexity", "edge")
        times = sorted(
            sum(v.ms.get(stage, 0.0) for stage in kept)
            for v in read_verdicts(tmp_path / name / "verdicts.jsonl")
        )
        (row,) = rows(tmp_path / f"{name}.json").values()
        assert row["ms"] == pytest.approx((times[7] + times[8]) / 2)


def test_the_edges_side_is_that_of_the_lines_that_are_fitted(
    tmp_path: Path, data: Path, opened: Opened, fits: Fits
) -> None:
    for name in ("one", "two"):
        assert run("edge", data, tmp_path / name, "--side-px", 320) == 0
        assert LineProfile.open(read_run(tmp_path / name).line.folder).line.fit["side_px"] == 320
    assert fits.made == ["patch"]


def test_standard_output_has_the_figures_alone(
    tmp_path: Path, data: Path, opened: Opened, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("edge", data, tmp_path / "run", "--json", "-") == 0
    told = capsys.readouterr()
    assert [row["baseline"] for row in json.loads(told.out)["rows"]] == ["edge"]
    assert "run folder" in told.err
    assert run("edge", data, tmp_path / "again", "--csv", "-") == 0
    assert capsys.readouterr().out == (tmp_path / "again" / "probs.csv").read_text()
