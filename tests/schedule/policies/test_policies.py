"""Policies side by side: one budget, documented reasons, the same routes again; and ours earns its place."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.profile import Calibration, CloudTrust, Gate, Sigmoid
from saec.schedule.policies import reasons
from saec.schedule.policies.budget import TOLERANCE, WINDOW, Budget
from saec.schedule.policies.policy_contract import Scheduler
from saec.schedule.policies.ranking import (
    OraclePolicy,
    complexity_policy,
    random_policy,
    uncertainty_policy,
    value_policy,
)
from saec.settings import CostConfig
from saec.types import CloudState, EdgeOpinion, Route

UP = CloudState("up", 0, 8)
LINE = Calibration(
    version=1,
    created="",
    overkill=0.05,
    threshold=2.0,
    gate=Gate(low=1.0, high=3.0, basis="p_defect"),
    p_defect=Sigmoid(slope=2.0, centre=0.0, offset=-3.0),
    goods=[-1.0, -0.5, 0.0, 0.5, 1.0],
)
UNASKED = CloudTrust(model="m", prompt="", mode="unasked")

MADE: dict[str, Callable[[float | None, CloudTrust | None], Scheduler]] = {
    "value": lambda share, trust: value_policy(LINE, trust, CostConfig(), Budget(share) if share else None),
    "random": lambda share, trust: random_policy(Budget(share or 1.0), trust, seed=7),
    "complexity": lambda share, trust: complexity_policy(Budget(share or 1.0), trust),
    "uncertainty": lambda share, trust: uncertainty_policy(Budget(share or 1.0), trust, threshold=2.0),
}
POLICIES = st.sampled_from(sorted(MADE))
STATES = st.builds(
    CloudState, st.sampled_from(["up", "slow", "down", "probing"]), st.integers(0, 9), st.integers(0, 9)
)
FRAMES = st.lists(st.tuples(st.none() | st.floats(), st.floats(), STATES), max_size=60)


def opinion(score: float) -> EdgeOpinion:
    return EdgeOpinion(score, int(score >= 2.0))


def routes(policy: Scheduler, frames: Sequence[tuple[float | None, float, CloudState]]) -> list[Route]:
    return [policy.route(c, opinion(score), state, float(i)) for i, (c, score, state) in enumerate(frames)]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "budget.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_the_budget", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@given(POLICIES, st.none() | st.floats(0.01, 1.0), FRAMES)
def test_routes_are_documented_and_come_out_again(
    name: str, share: float | None, frames: list[tuple[float | None, float, CloudState]]
) -> None:
    first, again = (routes(MADE[name](share, None), frames) for _ in range(2))
    assert first == again
    for route, (_, _, state) in zip(first, frames, strict=True):
        assert route.reason in reasons()
        if state.link == "down" or state.queue >= state.capacity:
            assert route.decision == "edge"


@settings(max_examples=20, deadline=None)
@given(POLICIES, st.sampled_from([0.05, 0.3]), st.integers(0, 2**32 - 1))
def test_no_window_exceeds_the_budget(name: str, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    policy = MADE[name](share, None)
    asked = np.array(
        [
            policy.route(float(c), opinion(float(s)), UP, 0.0).decision == "cloud"
            for c, s in rng.normal(0.5, 1.5, (2500, 2))
        ]
    )
    total = np.concatenate([[0], np.cumsum(asked)])
    windows = (total[WINDOW:] - total[:-WINDOW]) / WINDOW
    assert windows.max() <= share + TOLERANCE + 1e-9
    if name != "value":  # which asks about nothing that is not worth it
        assert windows.min() >= share - TOLERANCE - 1e-9


def test_each_asks_about_what_its_name_says() -> None:
    rng = np.random.default_rng(0)
    frames = [(float(c), float(s), UP) for c, s in rng.normal(0, 1, (4000, 2))]
    complexity, score = np.array([f[0] for f in frames]), np.array([f[1] for f in frames])
    asked = {
        name: np.array([r.decision == "cloud" for r in routes(MADE[name](0.2, None), frames)])
        for name in ("random", "complexity", "uncertainty")
    }
    assert complexity[asked["complexity"]].min() > complexity[~asked["complexity"]].mean()
    assert np.abs(score - 2)[asked["uncertainty"]].max() < 2.2
    for of in (complexity, score):
        assert abs(of[asked["random"]].mean() - of.mean()) < 0.1
    other = [r.decision == "cloud" for r in routes(random_policy(Budget(0.2), seed=8), frames)]
    assert (np.array(other) != asked["random"]).mean() > 0.2


def test_the_oracle_asks_about_exactly_what_can_be_mended() -> None:
    flags = np.random.default_rng(1).random(3000) < 0.1
    policy = OraclePolicy(iter(flags.tolist()), Budget(0.3))
    asked = [policy.route(None, opinion(0.0), UP, 0.0).decision == "cloud" for _ in flags]
    assert asked[50:] == flags[50:].tolist()
    scarce = OraclePolicy(iter(flags.tolist()), Budget(0.02))
    asked = [scarce.route(None, opinion(0.0), UP, 0.0).decision == "cloud" for _ in flags]
    assert not (np.array(asked) & ~flags).any()
    assert 0.01 < np.mean(asked) <= 0.04


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_cloud_without_a_say_is_not_asked(name: str) -> None:
    policy = MADE[name](0.5, UNASKED)
    found = {policy.route(9.0, opinion(s), UP, 0.0).reason for s in (1.9, 2.0, 2.1)}
    assert found == {"cloud-unasked"}


def test_ours_says_why_it_does_not_ask() -> None:
    policy = value_policy(LINE, None, CostConfig(), None)
    assert policy.route(0.0, opinion(-3.0), UP, 0.0) == Route("edge", "not-worth-asking")
    assert policy.route(0.0, opinion(1.9), UP, 0.0) == Route("cloud", "most-valuable")
    assert policy.route(0.0, opinion(math.nan), UP, 0.0).decision == "cloud"
    down = CloudState("down", 0, 8)
    assert policy.route(0.0, opinion(1.9), down, 0.0) == Route("edge", "cloud-down")
    scarce = value_policy(LINE, None, CostConfig(), Budget(0.01))
    scores = np.random.default_rng(2).normal(1.5, 1.0, 2000).tolist()
    reasons = {scarce.route(0.0, opinion(score), UP, 0.0).reason for score in scores}
    assert reasons >= {"most-valuable", "below-budget", "not-worth-asking"}
    goods_only = msgspec.structs.replace(LINE, p_defect=None)
    assert value_policy(goods_only, None, CostConfig(), None).route(0.0, opinion(1.9), UP, 0.0).decision == (
        "cloud"
    )


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("shift", ["none", "sudden", "drift", "bursts"])
def test_nearly_all_of_the_best_fixed_threshold_s_loss_is_avoided(
    bench: ModuleType, shift: str, share: float
) -> None:
    calibration = bench.line(np.random.default_rng(0))
    seen = bench.stream(shift, 10_000, calibration.threshold, np.random.default_rng(5))
    outcome = bench.ours(calibration, seen, share)
    best = bench.best_fixed(outcome, seen.gain, share, capped=True)
    assert best > 100
    assert seen.gain[outcome.asked].sum() >= 0.9 * best
    assert bench.window_shares(outcome.asked).max() <= share + TOLERANCE
    assert not bench.least_refused(outcome) < share - TOLERANCE
