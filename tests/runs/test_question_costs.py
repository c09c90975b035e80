"""What questions took: in the log, run.json and the figures; and trust in a cloud that is shown crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from saec import cloud, edge
from saec.cli import main
from saec.data.input_images import list_inputs
from saec.evaluation.metrics import evaluate_verdicts
from saec.frame.judges import Cloud, standing
from saec.lines.calibrating.cloud_trust import trust_on
from saec.profile import LineProfile, sha256_file
from saec.runs.metering.energy_shares import frames_of
from saec.runs.question_costs import SpentMeans
from saec.runs.run_folder import run_line
from saec.runs.verdict_log import read_verdicts
from saec.settings import CloudConfig, Spending
from saec.types import CloudOpinion, CloudQuery, EdgeOpinion, Image, Spent, VerdictRecord
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, FakeDetector, Frames, make_dataset, make_line

CROPS = CloudConfig(model="small", spending=Spending(rule="crop"))
WHOLE = Spent(("whole 224",), 64, 64, 80, 0)
BOTH = Spent(("whole 112", "crop 224"), 80, 80, 160, 5000)


class SpotDetector(FakeDetector):
    """Each frame has a hot cell: the second of the third row of four."""

    def _look(self, image: Image) -> EdgeOpinion:
        opinion = super()._look(image)
        assert opinion.map is not None
        opinion.map[2, 1] += 1
        return opinion


class SpendingCloud(FakeCloud):
    """Takes more for frames of an even green, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[CloudQuery] = []

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        self.asked += queries
        return [
            CloudOpinion(o.p_defect, o.model, o.prompt, BOTH if q.frame.image[0, 0, 1] % 2 == 0 else WHOLE)
            for q, o in zip(queries, super().judge(queries), strict=True)
        ]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> SpendingCloud:
    engine = SpendingCloud()
    monkeypatch.setattr(edge, "open_detector", lambda profile: SpotDetector(), raising=False)
    monkeypatch.setattr(cloud, "open_engine", lambda config: engine)
    return engine


@pytest.fixture
def line(tmp_path: Path, engine: SpendingCloud) -> LineProfile:
    clouds = {Cloud(config).key: FUSED for config in (CloudConfig(model="small"), CROPS)}
    return make_line(tmp_path / "line", calibration=msgspec.structs.replace(CALIBRATION, clouds=clouds))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three frames that the cloud is asked about, two of them of an even green."""
    root = make_dataset(tmp_path / "data", goods=4, defects=4, train=0)
    for path in root.glob("test/*/00.png"):
        path.unlink()
    for i, green in enumerate((100, 101, 102)):
        Frames(root).add(f"test/defect/unsure{i}", 128, green=green)
    return root


def test_log_and_run_say_what_was_spent(tmp_path: Path, line: LineProfile, data: Path) -> None:
    info = run_line(line, list_inputs(data), tmp_path / "run", cloud=Cloud(CROPS))
    verdicts = list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
    assert sorted(v.cloud.spent.frame for v in verdicts if v.cloud) == [64, 80, 80]
    expected = SpentMeans(
        frames=3,
        frame=224 / 3,
        references=224 / 3,
        text=400 / 3,
        bytes=10_000 / 3,
        shown={"whole 112, crop 224": 2, "whole 224": 1},
    )
    assert info.spent == expected
    assert evaluate_verdicts(verdicts).spent == expected
    assert "75 visual tokens" in expected.sentence()


def test_evaluate_and_inspect_tell_the_means(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("evaluate", "inspect"):
        given = [line.folder, data] if command == "evaluate" else [data, "--line", line.folder]
        arguments = [command, *given, "--cloud", "small", "--spend", "crop", "--out", tmp_path / command]
        assert main([str(a) for a in arguments]) == 0
        said = capsys.readouterr().out
        assert "75 visual tokens for the frame, 75 for references, 133 for text, and 3.3 kB" in said


def test_an_edge_alone_spends_nothing(tmp_path: Path, line: LineProfile, data: Path) -> None:
    info = run_line(line, list_inputs(data), tmp_path / "run")
    assert info.spent is None


def test_a_service_that_does_not_tell_its_text_leaves_it_unknown() -> None:
    verdicts = [
        msgspec.convert(
            {
                **{"id": str(i), "path": "", "sha256": "", "line": "l", "time": 0.0, "label": 0},
                "cloud": {"p_defect": 0.5, "model": "m", "prompt": "v1", "role": "advisory", "spent": spent},
            },
            VerdictRecord,
        )
        for i, spent in enumerate([msgspec.to_builtins(BOTH), msgspec.to_builtins(BOTH) | {"text": None}])
    ]
    means = evaluate_verdicts(verdicts).spent
    assert means is not None
    assert (means.text, means.frame) == (None, 80)
    assert "unknown for text" in means.sentence()


def test_a_log_of_an_earlier_version_is_read_and_counts_for_nothing() -> None:
    old = (
        b'{"id":"a","path":"a","sha256":"","line":"l","time":0,"label":1,'
        b'"cloud":{"p_defect":0.5,"model":"m","prompt":"v1","role":"advisory"}}'
    )
    verdict = msgspec.json.decode(old, type=VerdictRecord)
    assert verdict.cloud is not None
    assert verdict.cloud.spent is None
    assert evaluate_verdicts([verdict]).spent is None


def test_the_link_is_charged_what_went_over_it(tmp_path: Path, line: LineProfile, data: Path) -> None:
    run_line(line, list_inputs(data), tmp_path / "run", cloud=Cloud(CROPS))
    verdicts = list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
    frames = frames_of(verdicts, {v.path: 70 for v in verdicts})
    asked = [size for size, route in zip(frames.sent_bytes, frames.route, strict=True) if route == "cloud"]
    assert sorted(asked) == [70, 5000, 5000]  # 70 where the model is in this process: the file would travel


def test_the_question_carries_the_hottest_place_where_crops_are_shown(
    tmp_path: Path, line: LineProfile, data: Path, engine: SpendingCloud
) -> None:
    for config, expected in ((CROPS, (2, 4, 4, 6)), (CloudConfig(model="small"), None)):
        engine.asked.clear()
        run_line(line, list_inputs(data), tmp_path / str(expected), cloud=Cloud(config))
        frames = [query for query in engine.asked if query.frame.id != "warm-up"]
        assert [query.hottest for query in frames] == [expected] * 3


def test_trust_is_measured_on_what_will_be_shown(
    tmp_path: Path, line: LineProfile, engine: SpendingCloud
) -> None:
    frames = Frames(tmp_path / "known")
    goods = [Path(frames.add(f"good/{i}", 30 + i, green=20).path) for i in range(6)]
    defects = [Path(frames.add(f"defect/{i}", 200 + i, green=200).path) for i in range(6)]
    for config, expected in ((CROPS, (2, 4, 4, 6)), (CloudConfig(model="small"), None)):
        engine.asked.clear()
        trust_on(line, Cloud(config), [(p, sha256_file(p)) for p in goods], defects)
        assert [query.hottest for query in engine.asked] == [None] * 6 + [expected] * 6


def test_a_good_of_the_fit_counts_by_its_cross_fitted_score(
    tmp_path: Path, line: LineProfile, engine: SpendingCloud
) -> None:
    frames = Frames(tmp_path / "known")
    goods = [Path(frames.add(f"good/{i}", 30 + i, green=20).path) for i in range(2)]
    defect = Path(frames.add("defect", 200, green=200).path)
    scores = {sha256_file(goods[0]): 1.0, sha256_file(goods[1]): 6.0}
    calibration = msgspec.structs.replace(line.calibration, good_scores=scores)
    seen = LineProfile(line.folder, line.line, calibration)
    trust_on(seen, Cloud(CROPS), [(p, sha256_file(p)) for p in goods], [defect])
    assert [query.hottest for query in engine.asked] == [None, (2, 4, 4, 6), (2, 4, 4, 6)]


def test_trust_holds_for_what_it_was_measured_on_alone(engine: SpendingCloud) -> None:
    keys = {
        Cloud(CloudConfig(model="small", spending=spending)).key
        for spending in (
            Spending(),
            Spending(rule="crop"),
            Spending(rule="scene"),
            Spending(rule="crop", small_px=224),
            Spending(rule="crop", near_px=112),
            Spending(rule="scene", complexity=2.0),
        )
    }
    assert len(keys) == 6
    assert (
        Cloud(CloudConfig(model="small", spending=Spending(small_px=56))).key
        == Cloud(CloudConfig(model="small")).key
    )
    calibration = msgspec.structs.replace(CALIBRATION, clouds={Cloud(CROPS).key: FUSED})
    assert standing(Cloud(CROPS), calibration, "gate").role == "fused"
    place = standing(Cloud(CloudConfig(model="small")), calibration, "gate")
    assert place.role == "advisory"
    assert "measured with other settings" in place.reason
    assert "spending.rule=crop" in place.reason


def test_a_run_is_not_resumed_by_another_spending(
    tmp_path: Path, line: LineProfile, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(data), "--line", str(line.folder), "--cloud", "small", "--out", str(tmp_path / "run")]
    assert main(["inspect", *arguments]) == 0
    assert main(["inspect", *arguments, "--resume", "--spend", "scene"]) == 2
    assert "other settings" in capsys.readouterr().err


def test_the_fakes_hot_cell_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    source = Frames(tmp_path).add("a", 128)
    image = np.asarray(cv2.imread(source.path), np.uint8)[..., ::-1]
    (opinion,) = SpotDetector().inspect([image])
    assert opinion.map is not None
    assert np.argmax(opinion.map) == 9
