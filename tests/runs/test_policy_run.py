"""Runs under a policy that ranks its frames, and what a calibration learns for it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from saec.data.dataset import open_dataset
from saec.data.images.file_names import find_images
from saec.data.input_images import list_inputs
from saec.errors import ConfigError
from saec.frame.judges import Cloud, open_policy
from saec.lines.calibrating.recalibration import recalibrate
from saec.lines.calibrating.requested_calibration import RecalibrationRequest
from saec.profile import LineProfile
from saec.runs.run_folder import Options, run_line
from saec.runs.verdict_log import read_verdicts
from saec.scene.complexity import features, fit_norm
from saec.schedule.policies.gate import GatePolicy
from saec.schedule.policies.policy_contract import PolicySettings
from saec.settings import BudgetConfig, CloudConfig, CostConfig
from tests.run_fakes import CALIBRATION, FUSED, FakeCloud, Frames, make_line

RANKED: tuple[str, ...] = ("value", "random", "complexity", "uncertainty")
THIRD = BudgetConfig(share=1 / 3)


@pytest.fixture
def line(tmp_path: Path, fakes: FakeCloud) -> LineProfile:
    calibration = msgspec.structs.replace(CALIBRATION, clouds={Cloud(CloudConfig(model="small")).key: FUSED})
    return make_line(tmp_path / "bottle", calibration=calibration)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    frames = Frames(tmp_path / "data")
    for i in range(30):
        frames.add(f"{i:02}", (20, 130, 240)[i % 3], green=8 * i)
    return frames.folder


@pytest.mark.parametrize("policy", RANKED)
def test_a_run_keeps_to_its_budget_and_says_why(
    tmp_path: Path, line: LineProfile, data: Path, policy: str
) -> None:
    options = Options(policy=policy, budget=THIRD, costs=CostConfig(escape=3.0))
    info = run_line(
        line, list_inputs(data), tmp_path / "run", cloud=Cloud(CloudConfig(model="small")), options=options
    )
    assert 1 <= info.counts["escalated"] <= 12
    assert info.policy == policy
    assert info.config["budget"] == {"share": 1 / 3, "seed": 0}
    assert info.config["costs"]["escape"] == 3.0
    verdicts = list(read_verdicts(tmp_path / "run" / "verdicts.jsonl"))
    asked = {v.edge.score for v in verdicts if v.edge and v.route and v.route.decision == "cloud"}
    if policy == "value":
        assert all(4.0 < score < 6.0 for score in asked)  # those at the threshold


def test_a_run_goes_on_under_its_own_budget_and_costs(tmp_path: Path, line: LineProfile, data: Path) -> None:
    inputs, cloud = list_inputs(data), Cloud(CloudConfig(model="small"))

    def again(**changes: object) -> Options:
        return Options(**{"policy": "value", "budget": THIRD, **changes})  # type: ignore[arg-type]

    run_line(line, inputs, tmp_path / "run", cloud=cloud, options=again())
    run_line(line, inputs, tmp_path / "run", cloud=cloud, options=again(resume=True))
    for other in ({"budget": BudgetConfig(share=0.5)}, {"costs": CostConfig(escape=2.0)}):
        with pytest.raises(ConfigError, match="other settings"):
            run_line(line, inputs, tmp_path / "run", cloud=cloud, options=again(resume=True, **other))


def test_a_budget_goes_with_a_rank() -> None:
    for name in ("random", "complexity", "uncertainty"):
        with pytest.raises(ConfigError, match="needs a budget"):
            open_policy(name, CALIBRATION, None)
    for name in ("gate", "edge", "cloud", "seed"):
        with pytest.raises(ConfigError, match="takes no budget"):
            open_policy(name, CALIBRATION, None, PolicySettings(budget=THIRD))
    assert isinstance(open_policy("gate", CALIBRATION, None), GatePolicy)


def test_a_calibration_learns_when_the_edge_errs_and_what_the_cloud_mends(
    tmp_path: Path, fakes: FakeCloud
) -> None:
    """Three defects score below the threshold, and the cloud sees them."""
    frames = Frames(tmp_path / "data")
    for i in range(30):
        frames.add(f"train/good/{i:02}", 20 + 2 * i, green=20, truth=0)
    for i in range(14):
        frames.add(f"train/defect/{i:02}", 120 + 8 * i if i > 2 else 90 + i, green=240)
    frames.add("test/good/0", 30)
    line = msgspec.structs.replace(
        make_line(tmp_path / "bottle").line,
        complexity=fit_norm([features(np.zeros((8, 8, 3), np.uint8))]),
    )
    profile = LineProfile.create(tmp_path / "bottle", line, CALIBRATION)
    after = recalibrate(
        profile,
        RecalibrationRequest(threshold=4.5),
        created="now",
        goods=find_images(tmp_path / "data" / "train" / "good"),
        dataset=open_dataset(tmp_path / "data"),
        cloud=Cloud(CloudConfig(model="small")),
    ).calibration
    assert set(after.complexities) == {*after.good_scores, *after.defect_scores}
    assert after.asking.errors == 3
    (trust,) = after.clouds.values()
    assert trust.mode == "fused"
    assert trust.mending.errors == 3
    assert trust.mending.escape > 0.8
