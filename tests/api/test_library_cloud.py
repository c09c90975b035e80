"""The library with a cloud: the answers of a run, frames without files, and what is refused."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

import saec
from saec.api import unkept_runs
from saec.data.images.pixels import read_image
from saec.data.input_images import list_inputs
from saec.errors import LinkError
from saec.frame.cloud_services import with_service
from saec.profile import sha256_file
from saec.runs.run_folder import run_line
from saec.runs.verdict_log import read_verdicts
from saec.schedule.policies import policy_kind
from saec.schedule.policies.one_side import EdgeOnly
from saec.schedule.policies.policy_contract import FirstPass, Scheduler
from saec.settings import CloudConfig, RemoteConfig, RunConfig
from saec.types import CloudOpinion, CloudQuery, VerdictRecord
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, Frames, make_dataset, make_line

Answer = tuple[object, ...]


@pytest.fixture
def line(tmp_path: Path, fakes: FakeCloud) -> saec.Line:
    calibration = msgspec.structs.replace(CALIBRATION, clouds={saec.Cloud("small").key: FUSED})
    return saec.Line(make_line(tmp_path / "bottle", calibration=calibration))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Frames on both sides of the gate and within it."""
    frames = Frames(tmp_path / "photos")
    for i in range(12):
        frames.add(f"{i:02}", 15 + 20 * i, green=20 + 19 * i)
    return tmp_path / "photos"


def answer(v: saec.Verdict | VerdictRecord) -> Answer:
    return v.label, v.p_defect, v.score, v.decided_by, v.reason, v.explanation


def test_the_cloud_answers_as_in_a_run(line: saec.Line, photos: Path, tmp_path: Path) -> None:
    cloud = saec.Cloud("small")
    run_line(line.profile, list_inputs(photos), tmp_path / "run", cloud=cloud)
    told = {r.id: answer(r) for r in read_verdicts(tmp_path / "run" / "verdicts.jsonl")}
    assert {by for _, _, _, by, _, _ in told.values()} == {"edge", "cloud"}
    assert {v.id: answer(v) for v in line.inspect_many(photos, cloud=cloud)} == told
    kept = line.inspect_many(photos, cloud=cloud, out=tmp_path / "kept")
    assert {v.id: answer(v) for v in kept} == told
    for id, expected in told.items():
        assert answer(line.inspect(photos / id, cloud=cloud)) == expected


def test_frames_without_files_wait_for_the_cloud_and_are_gone_after_it(
    line: saec.Line, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    cloud = saec.Cloud("small")
    images = [read_image(path) for path in sorted(photos.iterdir())]
    expected = {v.id: answer(v) for v in line.inspect_many(photos, cloud=cloud)}
    verdicts = {v.id: v for v in line.inspect_many(iter(images), cloud=cloud)}
    assert [answer(verdicts[f"frame-{i:06d}"]) for i in range(1, 13)] == [
        expected[id] for id in sorted(expected)
    ]
    for i, image in enumerate(images, 1):
        verdict = verdicts[f"frame-{i:06d}"]
        assert verdict.path == ""
        assert np.array_equal(verdict.image, image)
        assert verdict.map is not None
    assert not list((tmp_path / "temporary").rglob("*"))


class Gate(threading.Event):
    """Lets the warm-up pass, and holds the cloud's answers back until it is set."""

    asked = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.asked += 1
        return self.asked == 1 or super().wait(timeout)


def test_a_late_answer_replaces_a_provisional_one(line: saec.Line, photos: Path, fakes: FakeCloud) -> None:
    images = [read_image(path) for path in sorted(photos.iterdir())]
    gate = fakes.gate = Gate()
    verdicts = []
    for verdict in line.inspect_many(images, cloud=saec.Cloud("small"), run=RunConfig(deadline_s=0.01)):
        verdicts.append(verdict)
        if len({v.id for v in verdicts}) == 12:
            gate.set()
    states = {v.id: [w.state for w in verdicts if w.id == v.id] for v in verdicts}
    assert ["provisional", "final"] in states.values()
    assert all(found in (["final"], ["provisional"], ["provisional", "final"]) for found in states.values())
    for verdict in verdicts:
        assert verdict.map is not None
        assert np.array_equal(verdict.image, images[int(verdict.id[-6:]) - 1])
        assert ("provisional" in verdict._repr_html_()) == (verdict.state == "provisional")


def test_a_policy_decides_who_answers(line: saec.Line, photos: Path) -> None:
    cloud = saec.Cloud("small")

    def deciders(policy: saec.Policy | str) -> set[str]:
        return {v.decided_by for v in line.inspect_many(photos, cloud=cloud, policy=policy)}

    assert deciders("edge") == {"edge"}
    assert deciders("cloud") == {"cloud"}
    assert deciders(saec.Policy(policy="value", budget=0.3, cost={"escape": 9})) == {"edge", "cloud"}
    for policy, said in (
        (saec.Policy(policy="gate", budget=0.3), "takes no budget"),
        (saec.Policy(policy="gate", cost={"escape": 9}), "costs"),
        (saec.Policy(policy="value", cost={"escapes": 9}), "did you mean escape"),
        (saec.Policy(policy="value", budget=0.3, cost={"escape": -1}), "of at least 0"),
        (saec.Policy(budget=1.5), "budget"),
        (saec.Policy(policy="gates"), "gates"),
        (saec.Policy(policy="gate", parameters={"a": 1}), "parameters"),
        (saec.Policy(preset="no"), "no preset"),
    ):
        with pytest.raises(saec.ConfigError, match=said):
            deciders(policy)
    with pytest.raises(saec.ConfigError, match="needs a cloud"):
        list(line.inspect_many(photos, policy="cloud"))


def test_a_policy_that_sees_all_frames_first_wants_files(
    line: saec.Line, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def prepare(policy: Scheduler, complexities: Sequence[float]) -> Scheduler:
        seen.extend(complexities)
        return policy

    first = FirstPass(
        complexity=lambda own: lambda image: 1.0,
        prepare=prepare,
        remember=lambda policy: {},
        reopen=lambda own, held: EdgeOnly(),
    )
    kind = replace(policy_kind("gate"), first_pass=first)
    monkeypatch.setattr(unkept_runs, "policy_kind", lambda name: kind)
    cloud = saec.Cloud("small")
    assert len(list(line.inspect_many(photos, cloud=cloud))) == 12
    assert seen == [1.0] * 12
    with pytest.raises(saec.ConfigError, match="all frames"):
        list(line.inspect_many([read_image(next(photos.iterdir()))], cloud=cloud))


def test_what_is_said_of_a_cloud_is_checked() -> None:
    for settings, said in (
        ({"reference": 1}, "did you mean references"),
        ({"references": "many"}, "references='many'"),
        ({"scoring": "guess"}, "scoring"),
    ):
        with pytest.raises(saec.ConfigError, match=said):
            saec.Cloud("small", **settings)
    with pytest.raises(saec.ConfigError, match="cloud=None"):
        saec.Cloud("none")
    cloud = saec.Cloud(Path("models/qwen"), references=0, adapter=Path("lora"))
    assert (cloud.config.model, cloud.config.adapter, cloud.config.references) == ("models/qwen", "lora", 0)
    assert repr(cloud) == "<Cloud models/qwen, references=0>"


class FallingCloud(FakeCloud):
    """A cloud whose link is down."""

    def judge(self, queries: list[CloudQuery]) -> list[CloudOpinion]:
        raise LinkError("down")


def test_what_the_cloud_fails_on_is_provisional(
    line: saec.Line, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = saec.Cloud("small")
    assert line.inspect(photos / "06.png", cloud=cloud).decided_by == "cloud"
    monkeypatch.setattr(cloud.engine, "judge", FallingCloud().judge)
    verdict = line.inspect(photos / "06.png", cloud=cloud)
    assert (verdict.state, verdict.decided_by) == ("provisional", "edge-fallback")
    assert verdict.is_defect is not None
    assert verdict.error is not None


def test_a_token_does_not_travel_in_the_clear(tmp_path: Path) -> None:
    remote = RemoteConfig(url="", token_file=str(tmp_path / "token"))
    with pytest.raises(saec.ConfigError, match="https"):
        with_service(CloudConfig(model="http://gpu.example:8100/v1", remote=remote))
    with pytest.raises(saec.LinkError):
        _ = saec.Cloud("http://127.0.0.1:9/v1").config


def test_a_run_folder_may_be_the_cloud_s_alone(line: saec.Line, photos: Path, tmp_path: Path) -> None:
    verdicts = list(
        line.inspect_many(photos, cloud=saec.Cloud("small"), policy="cloud", out=tmp_path / "run")
    )
    assert {v.decided_by for v in verdicts} == {"cloud"}
    assert {v.threshold for v in verdicts} == {line.threshold}


def test_a_cloud_is_calibrated_and_tried(tmp_path: Path, fakes: FakeCloud) -> None:
    data = make_dataset(tmp_path / "data", goods=20, defects=20, train=0)
    for i in range(30):
        Frames(data).add(f"train/good/{i:02}", 20 + i, green=20 + i)
    for i in range(12):
        Frames(data).add(f"train/defect/{i:02}", 190 + i, green=215 + i)
    goods = list_inputs(data, split="train").sources
    profile = make_line(tmp_path / "bottle", goods=[source for source in goods if source.truth == 0])
    scores = {sha256_file(Path(s.path)): 1.0 + i / 100 for i, s in enumerate(goods) if s.truth == 0}
    calibration = msgspec.structs.replace(CALIBRATION, good_scores=scores, goods=sorted(scores.values()))
    line = saec.Line(profile.recalibrated(calibration))
    cloud = saec.Cloud("small")
    trial = line.worth(data, cloud, shares=(0.2, 1.0))
    assert [row.asked for row in trial.rows] == [8, 40]
    assert trial.conclusion.sentence in repr(trial)
    assert "20 %" in trial._repr_html_()
    assert trial.to_dict()["n_good"] == trial.n_good == 20
    after = line.calibrate(data, cloud=cloud, overkill_rate=0.1)
    assert after.profile.calibration.overkill == 0.1
    assert cloud.key in after.profile.calibration.clouds
    assert after.notes[0].startswith("fake decides ")
    assert saec.Line.open(after.folder).threshold == after.threshold
    with pytest.raises(saec.ConfigError, match="did you mean overkill_rate"):
        line.calibrate(overkil_rate=0.1)  # type: ignore[call-arg]
    with pytest.raises(saec.ConfigError, match="no images to measure"):
        line.calibrate(cloud=cloud)
