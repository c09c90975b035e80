"""Prevalence and drift of a stream are learnt from its scores alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.profile import Calibration
from saec.schedule.calibration.score_calibration import calibrate
from saec.schedule.policies.score_drift import BOUNDS, ScoreStream
from saec.settings import GateConfig
from saec.settings.threshold_rule import ThresholdRule


def line(prevalence: float = 0.5) -> Calibration:
    rng = np.random.default_rng(0)
    goods = {str(i): float(s) for i, s in enumerate(rng.normal(0, 1, 300))}
    return calibrate(
        goods,
        rng.normal(3, 1, 150).tolist(),
        rule=ThresholdRule(overkill_rate=0.05),
        gate=GateConfig(),
        prevalence=prevalence,
        created="",
    )


def watched(stream: ScoreStream, prevalence: float, moved: float, frames: int, seed: int = 1) -> ScoreStream:
    rng = np.random.default_rng(seed)
    for score in (rng.normal(moved, 1, frames) + 3.0 * (rng.random(frames) < prevalence)).tolist():
        stream.see(score)
    return stream


@pytest.mark.parametrize("stated", [0.5, 0.05])
@pytest.mark.parametrize(
    ("prevalence", "moved"), [(0.02, 0.0), (0.3, 0.0), (0.02, 1.0), (0.3, 1.0), (0.6, 0.0)]
)
def test_both_are_learnt(stated: float, prevalence: float, moved: float) -> None:
    stream = watched(ScoreStream(line(stated)), prevalence, moved, 4000)
    assert stream.prevalence == pytest.approx(prevalence, abs=0.08)
    assert stream.drift == pytest.approx(moved, abs=0.35)


def test_a_rarer_defect_makes_the_same_score_less_suspect() -> None:
    rare, often = (watched(ScoreStream(line()), p, 0.0, 2000) for p in (0.02, 0.5))
    assert rare.logit(1.5) < often.logit(1.5) - 2.0


def test_it_comes_back_after_a_long_bad_lot() -> None:
    stream = watched(ScoreStream(line()), 1.0, 0.0, 3000)
    assert stream.prevalence > 0.7
    assert watched(stream, 0.02, 0.0, 3000).prevalence < 0.08
    assert abs(stream.drift) < 0.4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), max_size=200))
def test_no_scores_lead_it_out_of_bounds(scores: list[float]) -> None:
    stream = ScoreStream(line())
    for score in scores:
        stream.see(score)
        assert BOUNDS[0] <= stream.prevalence <= BOUNDS[1]
        assert abs(stream.logit(score)) < 20
    assert abs(stream.drift) <= 0.01 * len(scores)
