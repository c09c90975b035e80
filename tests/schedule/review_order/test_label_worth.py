from typing import Any

import numpy as np
import pytest

from saec.profile import Calibration, Gate, Sigmoid
from saec.schedule.review_order.doubtful_label import is_doubtful, slip_chance
from saec.schedule.review_order.frame_sequence import TURNS, ordered_frames
from saec.schedule.review_order.label_worth import LabelFacts, defect_chance, label_facts, label_worth
from saec.types import DEFECT, GOOD, CloudRecord, EdgeRecord, VerdictRecord

GOODS = np.random.default_rng(0).gamma(3, 1, 200).tolist()


def calibration(sigmoid: Sigmoid | None = None) -> Calibration:
    gate = Gate(low=5.0, high=8.0, basis="goods")
    return Calibration(
        version=1, created="", overkill=0.05, threshold=6.5, gate=gate, goods=GOODS, p_defect=sigmoid
    )


def record(score: float | None, label: int | None, **more: Any) -> VerdictRecord:
    return VerdictRecord(
        id="a", path="a.png", sha256="0" * 64, line="gear", time=0.0, score=score, label=label, **more
    )


def facts(chance: float, **more: Any) -> LabelFacts:
    return LabelFacts(**{"label": DEFECT if chance >= 0.5 else GOOD, "chance": chance} | more)


@pytest.mark.parametrize("sigmoid", [None, Sigmoid(1.5, 6.0, 0.0)])
def test_the_chance_rises_with_the_score_and_with_the_share_of_defects(sigmoid: Sigmoid | None) -> None:
    scores = np.linspace(0.5, 20, 40)
    rare, often = (
        [defect_chance(score, calibration(sigmoid), defect_share=share) for score in scores]
        for share in (0.02, 0.2)
    )
    assert rare == sorted(rare)
    assert rare[0] < 0.05
    assert rare[-1] > 0.5
    assert all(one <= other for one, other in zip(rare, often, strict=True))


def test_a_line_with_too_few_goods_still_knows_which_side_of_the_threshold() -> None:
    few = Calibration(
        version=1, created="", overkill=0.05, threshold=1.0, gate=Gate(low=0, high=1, basis="goods")
    )
    assert defect_chance(2.0, few) > defect_chance(0.5, few)


def test_what_the_cloud_told_counts_where_it_may_change_the_label() -> None:
    told = {}
    for role in ("fused", "advisory"):
        cloud = CloudRecord(p_defect=0.99, model="m", prompt="p", role=role)
        told[role] = label_facts(
            record(2.0, DEFECT, p_defect=0.99, cloud=cloud, edge=EdgeRecord(2.0, GOOD)), calibration()
        )
    assert told["fused"].chance > 0.8
    assert told["advisory"].chance < 0.1
    assert told["advisory"].disputed
    assert label_worth(told["fused"]).why == "disagreement"


def test_the_reason_says_what_is_true_of_the_frame() -> None:
    assert label_worth(label_facts(record(6.0, GOOD), calibration())).why == "gate"
    assert label_worth(label_facts(record(12.0, DEFECT), calibration())).why == "value"
    assert label_worth(label_facts(record(1.0, GOOD), calibration(), drifting=True)).why == "drift"
    assert label_worth(label_facts(record(1.0, GOOD), calibration(), changed=True)).why == "disagreement"


def test_a_verdict_without_label_or_score_teaches_nothing() -> None:
    for score, label in ((None, GOOD), (1.0, None)):
        with pytest.raises(ValueError, match="no label or no score"):
            label_facts(record(score, label), calibration())


def test_a_likely_defect_comes_before_a_doubtful_one_and_that_before_a_sure_good() -> None:
    worths = [label_worth(facts(chance)).worth for chance in (0.95, 0.55, 0.3, 0.02)]
    assert worths == sorted(worths, reverse=True)


def test_all_frames_are_ordered_once_and_each_tenth_is_the_likeliest_defect_that_passed() -> None:
    rng = np.random.default_rng(1)
    frames = [facts(float(chance)) for chance in rng.uniform(0.02, 0.98, 60)]
    order = ordered_frames(frames)
    assert sorted(order) == list(range(60))
    passed = [at for at, one in enumerate(frames) if one.label == GOOD]
    assert order[TURNS - 1] == max(passed, key=lambda at: frames[at].chance)
    assert all(frames[at].label == DEFECT for at in order[: TURNS - 1])
    assert ordered_frames(frames, turn=TURNS) == order


def test_a_kind_that_was_labelled_often_comes_later() -> None:
    frames = [facts(0.95, kind="dent"), facts(0.9, kind="crack")]
    assert ordered_frames(frames) == [0, 1]
    assert ordered_frames(frames, kinds=["dent"] * 5) == [1, 0]


def test_no_frames_have_no_order() -> None:
    assert ordered_frames([]) == []


def test_a_label_against_what_was_nearly_sure_is_doubtful_and_another_is_not() -> None:
    assert is_doubtful(GOOD, 0.95)
    assert is_doubtful(DEFECT, 0.02) == (slip_chance(DEFECT, 0.02) >= 0.15)
    assert not is_doubtful(GOOD, 0.3)
    assert not is_doubtful(DEFECT, 0.95)
    assert slip_chance(GOOD, 0.5, slips=0.02) == pytest.approx(0.02)
