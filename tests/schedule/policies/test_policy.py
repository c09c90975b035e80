import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.errors import ConfigError
from saec.profile import Calibration, CloudTrust, Gate
from saec.schedule.policies import reasons
from saec.schedule.policies.gate import GatePolicy
from saec.schedule.policies.one_side import CloudOnly, EdgeOnly
from saec.schedule.policies.policy_contract import CloudState
from saec.settings import GateConfig
from saec.types import DEFECT, GOOD, EdgeOpinion
from saec_research.seed.policy import PRESETS, SeedConfig, SeedPolicy, keeps

LINE = Calibration(
    version=1,
    created="now",
    overkill=0.05,
    threshold=2.0,
    gate=Gate(low=1.0, high=3.0, basis="goods"),
)
UP = CloudState("up", 0, 8)
ANY = st.floats(allow_nan=True, allow_infinity=True)
STATES = st.builds(CloudState, st.sampled_from(["up", "down"]), st.integers(0, 20), st.integers(0, 20))
TRUSTS = st.sampled_from(
    [None] + [CloudTrust(model="m", prompt="v1", mode=m) for m in ("fused", "advisory", "unasked")]
)


def opinion(score: float, label: int | None = None) -> EdgeOpinion:
    return EdgeOpinion(score=score, label=int(score >= 2.0) if label is None else label)


@given(st.none() | ANY, ANY, STATES, TRUSTS)
def test_every_frame_has_one_documented_route(
    complexity: float | None, score: float, state: CloudState, trust: CloudTrust | None
) -> None:
    policies = (GatePolicy(LINE, GateConfig(), trust), EdgeOnly(), CloudOnly())
    for policy in policies:
        route = policy.route(complexity, opinion(score), state, 0.0)
        assert route.reason in reasons()
        assert route == policy.route(complexity, opinion(score), state, 99.0)
        if state.link == "down" or state.queue >= state.capacity:
            assert route.decision == "edge"


@pytest.mark.parametrize(
    ("score", "complexity", "decision", "reason"),
    [
        (0.9, 0.0, "edge", "sure-good"),
        (3.1, 0.0, "edge", "sure-defect"),
        (1.0, 0.0, "cloud", "unsure"),
        (2.0, None, "cloud", "unsure"),
        (3.0, 0.0, "cloud", "unsure"),
        (0.9, 4.0, "cloud", "complex"),
        (3.1, 9.0, "cloud", "complex"),
        (0.9, 3.9, "edge", "sure-good"),
        (0.9, None, "edge", "sure-good"),
        (math.nan, None, "cloud", "unsure"),
        (0.9, math.nan, "cloud", "complex"),
    ],
)
def test_gate_asks_inside_and_about_odd_frames(
    score: float, complexity: float | None, decision: str, reason: str
) -> None:
    for mode in ("fused", "advisory"):
        policy = GatePolicy(LINE, GateConfig(), CloudTrust(model="m", prompt="v1", mode=mode))
        route = policy.route(complexity, opinion(score), UP, 0.0)
        assert (route.decision, route.reason) == (decision, reason)


def test_a_cloud_without_a_say_is_not_asked() -> None:
    policy = GatePolicy(LINE, GateConfig(), CloudTrust(model="m", prompt="v1", mode="unasked"))
    assert policy.route(0.0, opinion(2.0), UP, 0.0).reason == "cloud-unasked"
    assert policy.route(9.0, opinion(0.0), UP, 0.0).reason == "cloud-unasked"
    assert policy.route(0.0, opinion(0.0), UP, 0.0).reason == "sure-good"


def test_a_cloud_that_cannot_answer_is_said_so() -> None:
    policy = GatePolicy(LINE, GateConfig())
    assert policy.route(0.0, opinion(2.0), CloudState("down", 0, 8), 0.0).reason == "cloud-down"
    assert policy.route(0.0, opinion(2.0), CloudState("up", 8, 8), 0.0).reason == "cloud-busy"
    assert policy.route(0.0, opinion(0.0), CloudState("down", 9, 8), 0.0).reason == "sure-good"
    assert CloudOnly().route(0.0, opinion(2.0), CloudState("up", 7, 8), 0.0).decision == "cloud"


@given(st.floats(0, 10), ANY, st.booleans())
def test_the_seed_s_edge_never_keeps_a_defect(complexity: float, score: float, bidirectional: bool) -> None:
    """Its keep rule for defects contradicts its decision rule; the flag changes nothing."""
    policy = SeedPolicy(SeedConfig(yolo_keep_bidir=bidirectional)).prepare([0.0, 2.0, 4.0, 10.0])
    assert policy.route(complexity, opinion(score, DEFECT), UP, 0.0).decision == "cloud"
    assert not keeps(DEFECT, bidirectional=bidirectional)
    assert keeps(GOOD, bidirectional=bidirectional)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50, unique=True), st.floats(0, 1))
def test_the_seed_sends_its_share_of_complex_frames(values: list[float], share: float) -> None:
    policy = SeedPolicy(SeedConfig(init_q_ratio=share)).prepare(values)
    routes = [policy.route(c, opinion(0.0, GOOD), UP, 0.0) for c in values]
    sent = [c for c, r in zip(values, routes, strict=True) if r.reason == "seed-complex"]
    kept = [c for c, r in zip(values, routes, strict=True) if r.reason == "seed-simple-good"]
    assert len(sent) + len(kept) == len(values)
    assert abs(len(sent) - share * len(values)) <= 1
    assert not sent or not kept or min(sent) > max(kept)


def test_the_seed_s_routes() -> None:
    policy = SeedPolicy(SeedConfig(init_q_ratio=0.5)).prepare([1.0, 2.0, 3.0, 4.0])
    assert policy.route(4.0, opinion(0.0, GOOD), UP, 0.0).reason == "seed-complex"
    assert policy.route(1.0, opinion(0.0, GOOD), UP, 0.0).decision == "edge"
    assert policy.route(1.0, opinion(0.0, DEFECT), UP, 0.0).reason == "seed-not-kept"
    assert policy.route(1.0, opinion(0.0, DEFECT), CloudState("down", 0, 1), 0.0).reason == "cloud-down"
    for route in [policy.route(c, opinion(0.0, label), UP, 0.0) for c in (1.0, 4.0) for label in (0, 1)]:
        assert route.reason in reasons()


def test_the_seed_needs_its_first_pass() -> None:
    policy = SeedPolicy(SeedConfig())
    with pytest.raises(ConfigError, match="prepare"):
        policy.route(1.0, opinion(0.0), UP, 0.0)
    with pytest.raises(ConfigError, match="complexit"):
        policy.prepare([])
    with pytest.raises(ConfigError, match="init_q_ratio"):
        SeedPolicy(SeedConfig(init_q_ratio=1.5)).prepare([1.0])
    with pytest.raises(ConfigError, match="complexity"):
        policy.prepare([1.0]).route(None, opinion(0.0), UP, 0.0)


def test_the_preset_all_to_cloud_keeps_nothing() -> None:
    p = PRESETS["all-to-cloud"].policy
    assert isinstance(p, SeedConfig)
    assert p.yolo_smax_thr > 1  # no probability reaches it: the rule says good of nothing
    values = [1.0, 2.0, 2.0, 5.0]
    policy = SeedPolicy(p).prepare(values)
    assert {policy.route(c, opinion(0.0, GOOD), UP, 0.0).decision for c in values} == {"cloud"}


def test_presets_hold_the_seed_s_command_lines() -> None:
    saec, base = PRESETS["saec"], PRESETS["all-to-cloud"]
    assert isinstance(saec.policy, SeedConfig)
    assert isinstance(base.policy, SeedConfig)
    assert (saec.policy.init_q_ratio, saec.policy.cpx_size, saec.policy.qwen_thr) == (0.30, 192, 0.26)
    assert (saec.policy.yolo_smax_thr, saec.policy.yolo_margin_thr, saec.policy.yolo_ent_thr) == (
        0.55,
        0.03,
        0.95,
    )
    assert (saec.batch, saec.resize, saec.adapter, saec.four_bit) == (24, 512, True, False)
    assert (base.batch, base.resize, base.adapter, base.policy.yolo_keep_bidir) == (16, 448, False, False)
