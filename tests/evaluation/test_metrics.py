import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from saec.errors import DataError
from saec.evaluation.metrics import (
    Confusion,
    Metrics,
    evaluate_labels,
    evaluate_verdicts,
    mean_row,
    over_seeds,
)
from saec.schedule.statistics.exact_interval import clopper_pearson
from saec.types import DecidedBy, Route, VerdictRecord

LABEL = st.integers(0, 1)
FRAMES = st.lists(st.tuples(LABEL, LABEL, st.floats(-1e3, 1e3)), min_size=1, max_size=40)
COARSE = st.lists(st.tuples(LABEL, LABEL, st.integers(0, 5)), min_size=1, max_size=40)
RATES = (
    "image_auroc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "majority_accuracy",
    "accuracy_oracle",
    "f1_oracle",
    "escape_rate",
    "overkill_rate",
)


Frames = Sequence[tuple[int, int, float]]
"""Truth, label and rank of each."""


def measure(frames: Frames) -> Metrics:
    truth, label, rank = zip(*frames, strict=True)
    return evaluate_labels(truth, label, rank)


def verdict(
    truth: int | None,
    label: int | None,
    *,
    score: float = 0.0,
    p: float | None = None,
    by: DecidedBy = "edge",
    **more: Any,
) -> VerdictRecord:
    return VerdictRecord(
        id="f", path="f", sha256="", line="l", time=0.0, truth=truth, label=label, score=score, p_defect=p,
        decided_by=by, **more
    )  # fmt: skip


@given(FRAMES | COARSE)
def test_rates_are_shares_or_undefined(frames: Frames) -> None:
    m = measure(frames)
    for key in RATES:
        value = getattr(m, key)
        assert value is None or 0 <= value <= 1
    goods, defects = m.n_good > 0, m.n_defect > 0
    for key in ("image_auroc", "average_precision", "balanced_accuracy", "accuracy_oracle", "f1_oracle"):
        assert (getattr(m, key) is not None) == (goods and defects)
    assert (m.escape_rate is not None) == defects
    assert (m.overkill_rate is not None) == goods
    assert sum(msgspec.to_builtins(m.confusion).values()) == len(frames) == m.n_good + m.n_defect


@given(COARSE)
def test_agrees_with_scikit_learn(frames: Frames) -> None:
    m = measure(frames)
    truth, label, rank = (np.array(x) for x in zip(*frames, strict=True))
    assert m.accuracy == pytest.approx(sk.accuracy_score(truth, label))
    if m.image_auroc is None:
        return
    assert m.image_auroc == pytest.approx(sk.roc_auc_score(truth, rank))
    assert m.average_precision == pytest.approx(sk.average_precision_score(truth, rank))
    assert m.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(truth, label))
    cuts = [rank >= c for c in [*np.unique(rank), np.inf]]
    assert m.accuracy_oracle == pytest.approx(max((c == truth).mean() for c in cuts))
    assert m.f1_oracle == pytest.approx(max(sk.f1_score(truth, c, zero_division=0) for c in cuts))


@given(COARSE)
def test_only_the_order_of_the_ranks_counts(frames: Frames) -> None:
    squeezed = [(t, y, math.atan(r) * 1e-3 + 7) for t, y, r in frames]
    a, b = measure(frames), measure(squeezed)
    assert a == b


@given(COARSE)
def test_oracle_is_at_least_majority_and_any_threshold(frames: Frames) -> None:
    thresholded = [(t, int(r >= 3), r) for t, _, r in frames]
    m = measure(thresholded)
    if m.accuracy_oracle is not None:
        assert m.accuracy is not None
        assert m.majority_accuracy is not None
        assert m.accuracy_oracle >= max(m.accuracy, m.majority_accuracy) - 1e-12


@given(st.integers(0, 60), st.integers(0, 60))
def test_interval_holds_its_rate_and_is_exact(k: int, more: int) -> None:
    n = k + more
    bounds = clopper_pearson(k, n)
    if n == 0:
        assert bounds is None
        return
    assert bounds is not None
    exact = binomtest(k, n).proportion_ci(method="exact")
    assert bounds == pytest.approx((exact.low, exact.high))
    assert bounds[0] <= k / n <= bounds[1]


def test_confusion_names_what_was_missed() -> None:
    m = evaluate_labels([0, 0, 0, 1, 1], [0, 1, 0, 0, 1], None)
    assert m.confusion == Confusion(tp=1, fp=1, tn=2, fn=1)
    assert (m.escape_rate, m.overkill_rate) == (0.5, pytest.approx(1 / 3))
    assert m.image_auroc is None
    assert m.accuracy_oracle is None


def test_no_frames_measure_nothing() -> None:
    m = evaluate_verdicts([])
    assert all(getattr(m, key) is None for key in (*RATES, "escalation_rate", "ms_judging", "ms_waiting"))
    assert (m.n_good, m.n_defect, m.n_error) == (0, 0, 0)


def test_unknown_truth_and_errors_are_counted_apart() -> None:
    m = evaluate_verdicts(
        [
            verdict(0, 0),
            verdict(1, 1, score=2.0, route=Route("cloud", "unsure")),
            verdict(None, 1, score=9.0),
            verdict(1, None, state="error"),
        ]
    )
    assert (m.n_good, m.n_defect, m.n_error, m.n_unknown) == (1, 1, 1, 1)
    assert m.escape_rate == 0
    assert m.escalation_rate == pytest.approx(1 / 3)


def test_ranks_by_score_until_the_cloud_decides() -> None:
    """P(defect) saturates far out and ties; the score does not."""
    edge = [verdict(0, 1, score=90.0, p=1.0), verdict(1, 1, score=99.0, p=1.0)]
    assert evaluate_verdicts(edge).image_auroc == 1
    fused = [verdict(0, 0, score=5.0, p=0.2, by="cloud"), verdict(1, 1, score=4.0, p=0.8)]
    assert evaluate_verdicts(fused).image_auroc == 1
    mixed = [*fused, verdict(0, 0, score=1.0, p=None)]
    assert evaluate_verdicts(mixed).image_auroc is None
    assert evaluate_verdicts(mixed).accuracy == 1


def test_times_are_percentiles_by_stage() -> None:
    verdicts = [verdict(0, 0, ms={"edge": float(i), "judging": 10.0 + i}) for i in range(101)]
    asked = {"edge": 50.0, "cloud": 7.0, "judging": 60.0, "queue": 9000.0, "waiting": 9000.0}
    verdicts.append(verdict(0, 0, ms=asked))
    m = evaluate_verdicts(verdicts)
    assert m.ms_judging.p50 == pytest.approx(60.0)
    assert m.ms_judging.p95 == pytest.approx(np.percentile([v.ms["judging"] for v in verdicts], 95))
    assert m.ms_by_stage["cloud"].p99 == 7.0
    assert set(m.ms_by_stage) == {"edge", "cloud", "queue"}
    assert (m.ms_waiting.p50, m.ms_waiting.p99) == (9000.0, 9000.0)  # of those that waited
    assert mean_row([m, m])["ms_waiting"]["p50"] == 9000.0


def test_mean_row_averages_what_is_defined() -> None:
    a = evaluate_labels([0, 1], [0, 1], [0.0, 1.0])
    b = evaluate_labels([0, 0, 0], [0, 0, 1], [0.0, 1.0, 2.0])
    mean = mean_row([a, b])
    assert mean["image_auroc"] == 1
    assert mean["overkill_rate"] == pytest.approx(1 / 6)
    assert (mean["n_good"], mean["n_defect"]) == (4, 1)
    assert mean["ms_judging"] is None
    assert mean["pro"] is None
    assert mean_row([])["accuracy"] is None


def test_seeds_give_mean_and_deviation() -> None:
    rows = [Metrics(image_auroc=a) for a in (0.9, 0.96)]
    spread = over_seeds(rows)
    assert spread["image_auroc"]["mean"] == pytest.approx(0.93)
    assert spread["image_auroc"]["deviation"] == pytest.approx(0.06 / math.sqrt(2))
    assert over_seeds(rows[:1])["image_auroc"]["deviation"] is None
    assert spread["pro"] == {"mean": None, "deviation": None}


def test_json_has_the_promised_keys() -> None:
    m = evaluate_verdicts([verdict(0, 0, ms={"judging": 1.0}), verdict(1, 1, score=1.0, ms={"judging": 1.0})])
    data = msgspec.json.decode(msgspec.json.encode(m))
    assert set(RATES) | {
        "escalation_rate",
        "n_good",
        "n_defect",
        "ms_judging",
        "ms_waiting",
        "confusion",
    } <= set(data)
    assert data["ms_judging"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0}
    assert len(data["escape_interval"]) == 2


def test_faults_are_named() -> None:
    with pytest.raises(DataError, match="two lists of 0 and 1"):
        evaluate_labels([0, 1], [0], None)
    with pytest.raises(DataError, match="two lists of 0 and 1"):
        evaluate_labels([0, 2], [0, 1], None)
    with pytest.raises(DataError, match="rank"):
        evaluate_labels([0, 1], [0, 1], [0.0, math.nan])
