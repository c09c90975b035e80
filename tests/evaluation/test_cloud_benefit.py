"""What asking a cloud adds: order, rows, cross-fitted fusion, conclusion."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saec.errors import ConfigError
from saec.evaluation.cloud_benefit import (
    LabelErrors,
    asking_order,
    conclude_benefit,
    count_errors,
    worth_rows,
)
from saec.profile import OPEN, Calibration, CloudTrust, Gate, Sigmoid
from saec.schedule.calibration import cross_fit as crossfit
from saec.schedule.calibration.cross_fit import Opinions, cross_fitted_labels, edge_labels, line_labels

CALIBRATION = Calibration(
    version=1,
    created="",
    overkill=0.05,
    threshold=5.0,
    gate=Gate(low=3.0, high=6.0, basis="p_defect"),
    p_defect=Sigmoid(slope=1.0, centre=5.0, offset=0.0),
)
FUSED = CloudTrust(model="m", prompt="v", mode="fused", edge_weight=1.0, cloud_weight=2.0)


def made(n: int = 200, *, cloud: float = 2.0, edge: float = 1.5, seed: int = 0, parts: int = 0) -> Opinions:
    """Half goods, half defects; ``edge`` and ``cloud`` are how far apart each judge sees the classes."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    score = 5 + edge * (2 * truth - 1) + rng.normal(0, 1.5, n)
    logit = cloud * (2 * truth - 1) + rng.normal(0, 1, n)
    names = [f"part {i // 2 % parts}" for i in range(n)] if parts else [""] * n
    return Opinions(truth, score, 1 / (1 + np.exp(-logit)), names)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=40),
    st.floats(0, 5),
    st.floats(0, 5),
)
def test_the_gate_is_a_beginning_of_the_order_of_asking(
    scores: list[float], below: float, above: float
) -> None:
    gate = Gate(low=5 - below, high=5 + above, basis="goods")
    calibration = msgspec.structs.replace(CALIBRATION, gate=gate)
    score = np.array(scores)
    order = asking_order(calibration, score)
    assert sorted(order) == list(range(len(scores)))
    # Within rounding of the ends themselves.
    inside = [gate.low + 1e-9 <= score[at] <= gate.high - 1e-9 or score[at] == 5 for at in order]
    outside = [score[at] < gate.low - 1e-9 or score[at] > gate.high + 1e-9 for at in order]
    first_out = outside.index(True) if True in outside else len(order)
    assert not any(inside[first_out:])


@pytest.mark.parametrize(
    ("low", "high", "first"),
    [
        (-OPEN, 7.0, [5.0, 4.2, 6.0, 3.1, 2.0]),  # the open side is measured as the other
        (-OPEN, OPEN, [5.0, 4.2, 6.0, 3.1, 2.0]),
        (5.0, 7.0, [5.0, 6.0, 4.2, 3.1, 2.0]),  # nothing below is unsure
        (1.0, 5.5, [5.0, 4.2, 3.1, 2.0, 6.0]),
    ],
)
def test_order_where_a_side_of_the_gate_is_open_or_empty(low: float, high: float, first: list[float]) -> None:
    gate = Gate(low=low, high=high, basis="certified")
    score = np.array([2.0, 3.1, 6.0, 4.2, 5.0])
    order = asking_order(msgspec.structs.replace(CALIBRATION, gate=gate), score)
    assert list(score[order]) == first


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10_000), st.floats(0.01, 1))
def test_the_figures_of_a_row_add_up(seed: int, share: float) -> None:
    opinions = made(60, seed=seed)
    labels = line_labels(CALIBRATION, FUSED, opinions)
    (row,) = worth_rows(CALIBRATION, opinions, labels, [share])
    edge = count_errors(opinions.truth, edge_labels(CALIBRATION, opinions.score))
    assert row.mended - row.spoiled == row.escapes_avoided + row.overkills_avoided
    assert row.mended + row.spoiled <= row.asked == max(1, round(60 * share))
    assert row.gain == pytest.approx((row.mended - row.spoiled) / 60)
    assert row.accuracy == pytest.approx(edge.accuracy + row.gain)
    for interval, value in (
        (row.gain_interval, row.gain),
        (row.escapes_interval, row.escapes_avoided),
        (row.overkills_interval, row.overkills_avoided),
    ):
        assert interval[0] <= value <= interval[1]


def test_asking_about_all_gives_all_the_clouds_labels() -> None:
    opinions = made()
    labels = line_labels(CALIBRATION, FUSED, opinions)
    row = worth_rows(CALIBRATION, opinions, labels, [0.1, 1.0])[-1]
    assert row.accuracy == pytest.approx(count_errors(opinions.truth, labels).accuracy)
    assert row.asked == 200


def test_costs_are_spread_over_all_frames_and_unknown_stays_unknown() -> None:
    opinions = made()
    rows = worth_rows(
        CALIBRATION, opinions, edge_labels(CALIBRATION, opinions.score), [0.25, 1], ms_per_asked=40.0
    )
    assert [row.extra_ms for row in rows] == [10.0, 40.0]
    assert [row.extra_j for row in rows] == [None, None]


@pytest.mark.parametrize("shares", [[], [0.0], [1.1], [0.2, -1]])
def test_shares_that_are_none(shares: list[float]) -> None:
    opinions = made(20)
    with pytest.raises(ConfigError, match="shares"):
        worth_rows(CALIBRATION, opinions, opinions.truth, shares)


def test_a_good_cloud_is_worth_asking_and_the_smallest_share_that_suffices_is_named() -> None:
    opinions = made(400, cloud=4.0)
    fitted = cross_fitted_labels(CALIBRATION, opinions)
    assert fitted is not None
    labels, folds = fitted
    assert folds == crossfit.FOLDS
    rows = worth_rows(CALIBRATION, opinions, labels)
    edge = count_errors(opinions.truth, edge_labels(CALIBRATION, opinions.score))
    found = conclude_benefit(rows, edge, 400)
    assert found.outcome == "worth"
    chosen = next(row for row in rows if row.share == found.share)
    assert chosen.gain >= 0.9 * max(row.gain for row in rows)
    assert all(row.gain < 0.9 * max(r.gain for r in rows) for row in rows if row.share < chosen.share)
    assert "Worth asking" in found.sentence
    assert f"{100 * chosen.gain:+.1f} points" in found.sentence


@pytest.mark.parametrize("seed", range(6))
def test_a_cloud_that_knows_nothing_is_not_worth_asking(seed: int) -> None:
    opinions = made(300, cloud=0.0, seed=seed)
    fitted = cross_fitted_labels(CALIBRATION, opinions)
    assert fitted is not None
    rows = worth_rows(CALIBRATION, opinions, fitted[0])
    edge = count_errors(opinions.truth, edge_labels(CALIBRATION, opinions.score))
    assert conclude_benefit(rows, edge, 300).outcome != "worth"


def test_a_part_is_not_judged_by_a_fusion_that_saw_it() -> None:
    """Other opinions on one part change its own labels and those of other folds, never of its fold."""
    opinions = made(200, cloud=3.0, parts=50)
    base = cross_fitted_labels(CALIBRATION, opinions)
    assert base is not None
    changed = opinions.cloud.copy()
    mine = np.array([part == "part 7" for part in opinions.parts])
    changed[mine] = 1 - changed[mine]
    again = cross_fitted_labels(
        CALIBRATION, Opinions(opinions.truth, opinions.score, changed, opinions.parts)
    )
    assert again is not None
    fold = crossfit._folds(opinions, 0)
    assert len(set(fold[mine])) == 1, "a part lies in one fold"
    siblings = (fold == fold[mine][0]) & ~mine
    assert siblings.any()
    np.testing.assert_array_equal(base[0][siblings], again[0][siblings])
    assert (base[0][mine] != again[0][mine]).any(), "its own opinion still counts"


def test_a_line_from_goods_alone_gets_its_p_defect_from_the_other_folds() -> None:
    goods = np.random.default_rng(5).normal(3.5, 1.5, 100)
    bare = msgspec.structs.replace(
        CALIBRATION, p_defect=None, goods=sorted(goods.tolist()), gate=Gate(low=4, high=6, basis="goods")
    )
    opinions = made(300, cloud=4.0)
    fitted = cross_fitted_labels(bare, opinions)
    assert fitted is not None
    assert fitted[1] > 0
    assert (
        count_errors(opinions.truth, fitted[0]).accuracy
        > count_errors(opinions.truth, edge_labels(bare, opinions.score)).accuracy
    )


def test_where_the_cloud_failed_the_edge_stands() -> None:
    opinions = made(100)
    failed = Opinions(opinions.truth, opinions.score, np.full(100, np.nan), opinions.parts)
    edge = edge_labels(CALIBRATION, opinions.score)
    np.testing.assert_array_equal(line_labels(CALIBRATION, FUSED, failed), edge)
    assert cross_fitted_labels(CALIBRATION, failed) is None, "nothing to fit on"


@pytest.mark.parametrize("n", [2, 8, 12])
def test_too_few_images_are_said(n: int) -> None:
    opinions = made(n)
    assert cross_fitted_labels(CALIBRATION, opinions) is None
    assert conclude_benefit([], LabelErrors(0.5, 1, 1), n).outcome == "too few"


def test_an_edge_that_hardly_errs_leaves_nothing_to_show() -> None:
    opinions = made(100, edge=9.0)
    edge = count_errors(opinions.truth, edge_labels(CALIBRATION, opinions.score))
    rows = worth_rows(CALIBRATION, opinions, opinions.truth)
    found = conclude_benefit(rows, edge, 100)
    assert found.outcome == "too few"
    assert "the edge errs on none of 100 images" in found.sentence


def test_a_cloud_that_spoils_is_said_to() -> None:
    opinions = made(200)
    rows = worth_rows(CALIBRATION, opinions, 1 - opinions.truth)
    edge = count_errors(opinions.truth, edge_labels(CALIBRATION, opinions.score))
    found = conclude_benefit(rows, edge, 200)
    assert (found.outcome, found.share) == ("worse", None)


def test_a_chance_gain_is_not_called_worth_it() -> None:
    opinions = made(80)
    labels = edge_labels(CALIBRATION, opinions.score)
    wrong = np.flatnonzero(labels != opinions.truth)
    labels[wrong[:3]] = opinions.truth[wrong[:3]]
    rows = worth_rows(CALIBRATION, opinions, labels, [1.0])
    edge = count_errors(opinions.truth, edge_labels(CALIBRATION, opinions.score))
    assert rows[0].gain_interval[0] >= 0
    assert conclude_benefit(rows, edge, 80).outcome == "not shown"


def test_the_control_mends_a_threshold_that_lies_wrong() -> None:
    opinions = made(300)
    far = msgspec.structs.replace(CALIBRATION, threshold=9.0, gate=Gate(low=3, high=9, basis="p_defect"))
    control = crossfit.recalibrated_labels(opinions)
    assert control is not None
    assert (
        count_errors(opinions.truth, control).accuracy
        > count_errors(opinions.truth, edge_labels(far, opinions.score)).accuracy + 0.1
    )
