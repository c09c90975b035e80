"""The budget's two bounds hold for any values; between them the most valuable frames are asked about."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import ConfigError
from saec.schedule.policies.budget import TOLERANCE, WINDOW, Budget

SHARES = st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.9, 1.0]) | st.floats(0.005, 1.0)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[float, bool, bool]]:
    """Rising, falling, constant, alternating or random values, some not worth asking, some with no link."""
    frames: list[tuple[float, bool, bool]] = []
    for _ in range(draw(st.integers(1, 5))):
        n = draw(st.integers(1, 1200))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        level = draw(st.floats(-1e6, 1e6))
        shape = draw(st.sampled_from(["up", "down", "same", "alternate", "random"]))
        course = {
            "up": np.arange(n),
            "down": -np.arange(n),
            "same": np.zeros(n),
            "alternate": np.arange(n) % 2,
            "random": rng.normal(0, 1, n),
        }[shape]
        worth = rng.random(n) < draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
        up = rng.random(n) < draw(st.sampled_from([0.0, 0.7, 1.0, 1.0]))
        frames.extend(zip((level + course).tolist(), worth.tolist(), up.tolist(), strict=True))
    return frames


@settings(max_examples=40, deadline=None)
@given(SHARES, streams())
def test_both_bounds_hold_in_every_window_whatever_comes(
    share: float, frames: list[tuple[float, bool, bool]]
) -> None:
    budget = Budget(share)
    asked, linked = [0], [0]
    for value, worth, up in frames:
        answer = budget.decide(value, worth=worth, up=up)
        assert worth == (answer != "worthless")
        asked.append(asked[-1] + (answer == "ask" and up))
        linked.append(linked[-1] + up)
        start = max(0, len(asked) - 1 - WINDOW)
        in_window, up_in_window = asked[-1] - asked[start], linked[-1] - linked[start]
        assert in_window <= WINDOW * (share + TOLERANCE) + 1e-6
        if answer in ("below", "spent") and up:
            assert in_window > share * up_in_window - TOLERANCE * WINDOW - 1e-6


@settings(max_examples=15, deadline=None)
@given(SHARES, st.integers(0, 2**32 - 1), st.sampled_from(["same", "up", "down", "random"]))
def test_while_all_is_worth_asking_every_window_has_its_share(share: float, seed: int, shape: str) -> None:
    n = 3500
    random = np.random.default_rng(seed).lognormal(0, 3, n)
    values = {"same": np.ones(n), "up": np.arange(n), "down": -np.arange(n), "random": random}[shape]
    budget = Budget(share)
    asked = np.array([budget.decide(v, worth=True, up=True) == "ask" for v in values.tolist()])
    total = np.concatenate([[0], np.cumsum(asked)])
    shares = (total[WINDOW:] - total[:-WINDOW]) / WINDOW
    assert share - TOLERANCE - 1e-9 <= shares.min()
    assert shares.max() <= share + TOLERANCE + 1e-9


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.7])
def test_the_most_valuable_are_asked_about(share: float) -> None:
    values = np.random.default_rng(0).exponential(1.0, 10_000)
    budget = Budget(share)
    asked = np.array([budget.decide(v, worth=True, up=True) == "ask" for v in values.tolist()])
    best = np.sort(values)[::-1][: int(asked.sum())].sum()
    assert abs(asked.mean() - share) < 0.01
    assert values[asked].sum() > 0.96 * best


def test_all_that_is_worth_asking_is_asked_where_the_budget_allows_it() -> None:
    rng = np.random.default_rng(1)
    worth = rng.random(5000) < 0.1
    budget = Budget(0.3)
    for i, (value, w) in enumerate(zip(rng.random(5000).tolist(), worth.tolist(), strict=True)):
        answer = budget.decide(value if w else -value, worth=w, up=True)
        assert i < 200 or answer == ("ask" if w else "worthless")


def test_better_times_are_bought_within_the_tolerance_until_they_are_usual() -> None:
    """Once frames are worth more the count runs ahead, within the tolerance, and comes back."""
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(0, 1, 5000), rng.normal(2, 1, 45_000)])
    budget = Budget(0.1)
    asked = np.array([budget.decide(v, worth=True, up=True) == "ask" for v in values.tolist()])
    assert asked[1000:5000].mean() == pytest.approx(0.1, abs=0.005)
    assert 0.11 < asked[6000:9000].mean() <= 0.12
    assert asked[-5000:].mean() == pytest.approx(0.1, abs=0.005)
    worse = np.concatenate([rng.normal(0, 1, 5000), rng.normal(-2, 1, 4000)])
    budget = Budget(0.1)
    kept = np.array([budget.decide(v, worth=True, up=True) == "ask" for v in worse.tolist()])
    assert 0.08 <= kept[6000:].mean() < 0.095


def test_an_outage_is_no_saving() -> None:
    """After frames that could not be sent the link's return is no licence to catch up."""
    rng = np.random.default_rng(2)
    budget = Budget(0.2)
    during = [budget.decide(v, worth=True, up=False) for v in rng.random(2000).tolist()]
    assert 0.1 < during.count("ask") / 2000 < 0.3  # what it would have asked about
    after = [budget.decide(v, worth=True, up=True) for v in rng.random(100).tolist()]
    assert 10 <= after.count("ask") <= 40


def test_its_memory_does_not_grow() -> None:
    budget = Budget(0.3)
    rng = np.random.default_rng(3)
    sizes = []
    for _ in range(2):
        for value in rng.random(4000).tolist():
            budget.decide(value, worth=True, up=True)
        sizes.append(len(pickle.dumps(budget)))
    assert sizes[1] <= 1.01 * sizes[0]


def test_what_cannot_be_ranked_comes_first_and_harms_nothing() -> None:
    budget = Budget(0.1)
    for value in np.random.default_rng(4).random(1500).tolist():
        budget.decide(value, worth=True, up=True)
    assert budget.decide(math.nan, worth=True, up=True) == "ask"
    answers = [budget.decide(value, worth=True, up=True) for value in (math.inf, -math.inf, 0.5) * 500]
    assert 0.08 <= answers.count("ask") / 1500 <= 0.12


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, math.nan])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ConfigError, match="share"):
        Budget(share)
