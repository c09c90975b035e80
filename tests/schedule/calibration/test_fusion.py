from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saec.errors import ConfigError, DataError
from saec.profile import Calibration, CloudTrust, Gate, Sigmoid
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.calibration.trust import MIN_LABELLED, fused_decision, fused_label, trust_cloud
from saec.schedule.statistics.auroc import auroc, auroc_interval
from saec.schedule.statistics.logistic import log_odds
from saec.settings import GateConfig
from saec.settings.threshold_rule import ThresholdRule

P = st.floats(0, 1)
SCORE = st.floats(-50, 50)
Floats = NDArray[np.float64]


def p_of(calibration: Calibration) -> Sigmoid:
    assert calibration.p_defect is not None
    return calibration.p_defect


def fuse(line: Calibration, trust: CloudTrust, score: float, cloud_p: float) -> float:
    label, p = fused_decision(line, trust, score, cloud_p)
    assert label == fused_label(line, trust, score, cloud_p)
    return p


def auroc_low(trust: CloudTrust) -> float:
    assert trust.auroc_low is not None
    return trust.auroc_low


def calibration(
    goods: Iterable[float],
    defects: Iterable[float],
    prevalence: float = 0.5,
    overkill: float = 0.05,
) -> Calibration:
    named = {str(i): float(g) for i, g in enumerate(goods)}
    return calibrate(
        named,
        [float(d) for d in defects],
        rule=ThresholdRule(overkill_rate=overkill),
        gate=GateConfig(),
        prevalence=prevalence,
        created="now",
    )


def case(
    seed: int,
    n_good: int = 100,
    n_defect: int = 60,
    edge: float = 1.5,
    cloud: float = 2.0,
    prevalence: float = 0.5,
) -> tuple[Calibration, CloudTrust, tuple[Floats, Floats, Floats, Floats]]:
    """Edge and cloud with independent normal errors, so many standard deviations between classes."""
    rng = np.random.default_rng(seed)
    e_good, e_defect = rng.normal(0, 1, n_good), rng.normal(edge, 1, n_defect)
    c_good, c_defect = rng.normal(-cloud / 2, 1, n_good), rng.normal(cloud / 2, 1, n_defect)
    p_good, p_defect = (1 / (1 + np.exp(-c)) for c in (c_good, c_defect))
    line = calibration(e_good, e_defect, prevalence)
    trust = trust_cloud("m", "v1", e_good, e_defect, p_good, p_defect, line)
    return line, trust, (e_good, e_defect, p_good, p_defect)


def fused_case() -> tuple[Calibration, CloudTrust]:
    line, trust, _ = case(0)
    assert trust.mode == "fused"
    return line, trust


LINE, TRUST = fused_case()


def test_a_good_cloud_is_fused_and_helps_on_fresh_images() -> None:
    line, trust, _ = case(1)
    assert trust.mode == "fused"
    assert trust.cloud_weight > 0.3
    assert auroc_low(trust) > 0.5
    rng = np.random.default_rng(2)
    e = np.r_[rng.normal(0, 1, 2000), rng.normal(1.5, 1, 2000)]
    p = 1 / (1 + np.exp(-np.r_[rng.normal(-1, 1, 2000), rng.normal(1, 1, 2000)]))
    fused = np.array([fuse(line, trust, s, q) for s, q in zip(e, p, strict=True)])
    edge = np.array([p_of(line)(s) for s in e])
    assert auroc(fused[:2000], fused[2000:]) > auroc(edge[:2000], edge[2000:]) + 0.03
    labels = np.array([fused_label(line, trust, s, q) for s, q in zip(e, p, strict=True)])
    before = (e >= line.threshold).astype(int)
    assert (labels[2000:] == 0).mean() < (before[2000:] == 0).mean() - 0.05
    assert (labels[:2000] == 1).mean() < 0.15


@pytest.mark.parametrize("cloud", [0.0, -1.0])
def test_a_cloud_no_better_than_chance_is_unasked(cloud: float) -> None:
    modes = [case(seed, cloud=cloud)[1].mode for seed in range(20)]
    assert modes.count("unasked") >= 19


def test_a_cloud_that_is_always_right_is_fused() -> None:
    rng = np.random.default_rng(8)
    good, defect = rng.normal(0, 1, 30), rng.normal(1, 1, 8)
    trust = trust_cloud("m", "v1", good, defect, [0.02] * 30, [0.97] * 8, calibration(good, defect))
    assert trust.mode == "fused"
    assert trust.auroc == 1
    assert 0.5 < auroc_low(trust) < 0.95


def test_a_cloud_that_only_repeats_the_edge_is_unasked() -> None:
    """Its AUROC is high, and it adds nothing to what the edge knows."""
    rng = np.random.default_rng(3)
    good, defect = rng.normal(0, 1, 100), rng.normal(2, 1, 60)
    line = calibration(good, defect)
    p_good, p_defect = ([p_of(line)(s) for s in x] for x in (good, defect))
    trust = trust_cloud("m", "v1", good, defect, p_good, p_defect, line)
    assert auroc_low(trust) > 0.8
    assert trust.mode == "unasked"
    assert trust.cloud_weight == 0


def test_a_cloud_that_mends_no_label_is_unasked() -> None:
    """Beside an edge that is always right it can lower the log loss, and do nothing but harm to labels."""
    lower = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        good, defect = rng.uniform(0, 1, 80), rng.uniform(2, 3, 20)
        p_good, p_defect = (1 / (1 + np.exp(-rng.normal(at, 1, n))) for at, n in ((-1.5, 80), (1.5, 20)))
        line = calibration(good, defect, overkill=0.01)
        line = msgspec.structs.replace(line, threshold=1.5)
        trust = trust_cloud("m", "v1", good, defect, p_good, p_defect, line)
        assert auroc_low(trust) > 0.7
        assert trust.mode == "unasked"
        # half of the defects lie below this threshold: the same opinions have something to mend
        blind = msgspec.structs.replace(line, threshold=2.5, gate=Gate(low=0.5, high=2.6, basis="p_defect"))
        lower += trust_cloud("m", "v1", good, defect, p_good, p_defect, blind).mode == "fused"
    assert lower > 0


@pytest.mark.parametrize("seed", range(6))
def test_a_fused_line_labels_its_calibration_images_better_than_its_edge(seed: int) -> None:
    line, trust, (good, defect, p_good, p_defect) = case(seed, edge=2.0)

    def right(scores: Floats, ps: Floats, label: int) -> tuple[float, float]:
        inside = [line.gate.low <= s <= line.gate.high for s in scores]
        edge = [int(s >= line.threshold) == label for s in scores]
        fused = [
            fused_label(line, trust, s, p) == label if i else e
            for s, p, i, e in zip(scores, ps, inside, edge, strict=True)
        ]
        return float(np.mean(edge)), float(np.mean(fused))

    assert trust.mode == "fused"
    edge, fused = (sum(x) for x in zip(right(good, p_good, 0), right(defect, p_defect, 1), strict=True))
    assert fused > edge


def test_without_labels_it_is_advisory() -> None:
    rng = np.random.default_rng(4)
    goods = rng.normal(0, 1, 50)
    alone = calibration(goods, [])
    assert trust_cloud("m", "v1", goods, [3.0] * 9, [0.1] * 50, [0.9] * 9, alone).mode == "advisory"
    few = [3.0] * (MIN_LABELLED - 1)
    line = calibration(goods, few)
    trust = trust_cloud("m", "v1", goods, few, [0.1] * 50, [0.9] * len(few), line)
    assert trust.mode == "advisory"
    assert trust.auroc is None
    assert (trust.n_good, trust.n_defect) == (50, MIN_LABELLED - 1)


def test_same_images_same_trust() -> None:
    assert case(5)[1] == case(5)[1]


@pytest.mark.parametrize("prevalence", [0.05, 0.5])
def test_prevalence_moves_the_fused_odds_by_its_own(prevalence: float) -> None:
    line, trust, opinions = case(6, prevalence=prevalence)
    assert trust.mode == "fused"
    p = np.array([fuse(line, trust, s, q) for s, q in zip(opinions[1], opinions[3], strict=True)])
    even_line, even, _ = case(6)
    q = np.array([fuse(even_line, even, s, c) for s, c in zip(opinions[1], opinions[3], strict=True)])
    inside = (p > 0.001) & (p < 0.999) & (q < 0.999)
    moved = np.log(p / (1 - p) / (q / (1 - q)))[inside]
    assert np.abs(moved - log_odds(prevalence)).max() < 0.3


def test_fusion_rejects_no_more_calibration_goods_than_asked() -> None:
    """A cloud that is right, but far too ready to say defect."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        good, defect = rng.normal(0, 1, 80), rng.normal(1, 1, 40)
        p_good, p_defect = rng.beta(8, 2, 80), rng.beta(30, 1, 40)
        line = calibration(good, defect)
        trust = trust_cloud("m", "v1", good, defect, p_good, p_defect, line)
        assert trust.mode == "fused"

        def label(s: float, q: float, line: Calibration = line, trust: CloudTrust = trust) -> int:
            if line.gate.low <= s <= line.gate.high:
                return fused_label(line, trust, s, q)
            return int(s > line.gate.high)

        rejected = sum(label(s, q) for s, q in zip(good, p_good, strict=True))
        assert rejected <= max(0.05 * 81, (good >= line.threshold).sum())


@given(SCORE, P)
def test_weight_zero_leaves_the_edge_s_label(score: float, p: float) -> None:
    edge = int(score >= LINE.threshold)
    for mode in ("advisory", "unasked"):
        trust = CloudTrust(model="m", prompt="v1", mode=mode)
        assert fused_label(LINE, trust, score, p) == edge
        assert fuse(LINE, trust, score, p) == p_of(LINE)(score)
    zero = CloudTrust(model="m", prompt="v1", mode="fused")
    if abs(score - LINE.threshold) > 1e-9:
        assert fused_label(LINE, zero, score, p) == edge


@given(SCORE, SCORE, P, P)
def test_fused_p_never_falls_with_either_opinion(a: float, b: float, p: float, q: float) -> None:
    low = fuse(LINE, TRUST, min(a, b), min(p, q))
    assert 0 < low <= fuse(LINE, TRUST, max(a, b), max(p, q)) < 1


@given(SCORE, P)
def test_fused_label_is_fused_p_at_the_threshold_s_odds(score: float, p: float) -> None:
    at_threshold = p_of(LINE)(LINE.threshold)
    fused = fuse(LINE, TRUST, score, p)
    if abs(fused - at_threshold) > 1e-9:
        assert fused_label(LINE, TRUST, score, p) == int(fused >= at_threshold)


def test_a_cloud_that_is_certain_does_not_silence_the_edge() -> None:
    assert 0 < fuse(LINE, TRUST, 50.0, 0.0) < 1
    assert 0 < fuse(LINE, TRUST, -50.0, 1.0) < 1


def test_faults_are_named() -> None:
    line = LINE
    with pytest.raises(DataError, match="same images"):
        trust_cloud("m", "v1", [0.0] * 9, [1.0] * 9, [0.1] * 8, [0.9] * 9, line)
    for bad in (1.5, -0.1, float("nan")):
        with pytest.raises(DataError, match="between 0 and 1"):
            trust_cloud("m", "v1", [0.0] * 9, [1.0] * 9, [bad] * 9, [0.9] * 9, line)
    with pytest.raises(DataError, match="NaN or infinite"):
        trust_cloud("m", "v1", [float("nan")] * 9, [1.0] * 9, [0.1] * 9, [0.9] * 9, line)
    with pytest.raises(ConfigError, match="labelled defects"):
        fuse(msgspec.structs.replace(line, p_defect=None), TRUST, 0.0, 0.5)


@given(st.lists(SCORE, min_size=1, max_size=20), st.lists(SCORE, min_size=1, max_size=20))
def test_auroc_counts_pairs(good: list[float], defect: list[float]) -> None:
    wins = sum((d > g) + 0.5 * (d == g) for d in defect for g in good)
    assert auroc(good, defect) == pytest.approx(wins / len(good) / len(defect))


@given(P, st.integers(1, 300), st.integers(1, 300))
def test_interval_holds_the_area(area: float, m: int, n: int) -> None:
    low, high = auroc_interval(area, m, n)
    assert -1e-12 <= low <= area + 1e-9
    assert area - 1e-9 <= high <= 1 + 1e-12


def test_interval_has_the_coverage_it_states() -> None:
    """Two normals one deviation apart: the true area is 0.760."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        low, high = auroc_interval(auroc(rng.normal(0, 1, 30), rng.normal(1, 1, 12)), 30, 12)
        held += low <= 0.7602 <= high
    assert 0.92 <= held / 400 <= 0.985


def test_interval_of_a_perfect_separation_is_no_point() -> None:
    low, high = auroc_interval(1.0, 20, 5)
    assert 0.6 < low < 0.95
    assert high == pytest.approx(1)
    assert auroc_interval(1.0, 200, 50)[0] > low
