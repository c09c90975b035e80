"""A part's label by those of its frames: never good where one is missing, whatever the rule."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.station.storage.parts.part_rules import (
    JudgedView,
    PartRules,
    PartVisit,
    Rule,
    counted_views,
    judge_part,
    part_label,
)
from tests.station.storage.parts.part_frames import told

RULES: tuple[Rule, ...] = ("any-defect", "newest", "vote")
LABELS = st.lists(st.sampled_from((0, 1, None)), max_size=6)


@given(st.sampled_from(RULES), LABELS, st.integers(0, 3))
def test_a_good_part_has_all_its_frames_and_a_label_does_not_hang_on_their_order(
    rule: Rule, labels: list[int | None], missing: int
) -> None:
    label = part_label(rule, labels, missing)
    assert label == part_label(rule, labels[::-1], missing)
    if missing or not labels:
        assert label != 0
    if rule != "vote":
        assert (label == 1) == (1 in labels)
        assert (label == 0) == (not missing and bool(labels) and set(labels) == {0})


@given(LABELS, st.integers(0, 3), st.data())
def test_a_vote_stands_whatever_the_frames_without_a_label_would_have_been(
    labels: list[int | None], missing: int, data: st.DataObject
) -> None:
    """A good stays good were each unjudged frame a defect, and a tie is a defect."""
    label = part_label("vote", labels, missing)
    worst = [1 if one is None else one for one in labels]
    if label == 0:
        assert worst.count(0) > worst.count(1)
    if label == 1:
        assert labels.count(1) >= labels.count(0)
    known = [one for one in labels if one is not None]
    if known == labels and labels and not missing:
        assert label == int(labels.count(1) >= labels.count(0))


def test_the_newest_of_each_source_counts() -> None:
    assert counted_views("newest", ["a", "b", "a"]) == [False, True, True]
    assert counted_views("vote", ["a", "b", "a"]) == [True, True, True]


def judged(rules: PartRules, *views: tuple[str, int | None]) -> tuple[int | None, str]:
    frames = [JudgedView(f"cell-{n}", source, told(label)) for n, (source, label) in enumerate(views)]
    record = judge_part(rules, PartVisit("cell", "A1", 3), frames, 9.0, act=True).verdict
    assert (record.state == "error") == (record.label is None) == (record.error is not None)
    assert (record.id, record.part, record.seq, record.time) == ("cell/A1/3", "A1", 3, 9.0)
    return record.label, record.reason


def test_a_second_look_takes_the_place_of_the_first_where_the_newest_counts() -> None:
    looks = (("a", 1), ("b", 0), ("a", 0))
    assert judged(PartRules(views=3, rule="newest"), *looks) == (0, "part-newest")
    assert judged(PartRules(views=3), *looks) == (1, "part-any-defect")
    assert judged(PartRules(views=3, rule="vote"), *looks) == (0, "part-vote")
    assert judged(PartRules(views=4), *looks[1:]) == (None, "part-incomplete")
    assert judged(PartRules(views=4), *looks) == (1, "part-any-defect")


def test_who_speaks_for_a_part_is_the_surest_frame_of_its_label() -> None:
    frames = [
        JudgedView("f-1", "a", told(1, p=0.7, kind="dent")),
        JudgedView("f-2", "b", told(1, p=0.9, kind="hole")),
        JudgedView("f-3", "c", told(0, p=0.95)),
        JudgedView("f-4", "d", None),
    ]
    made = judge_part(PartRules(sources=("a", "b", "e")), PartVisit("l", "p", 1), frames, 1.0, act=False)
    assert (made.verdict.kind, made.verdict.p_defect, made.missing) == ("hole", 0.9, ("e",))
    assert made.verdict.note == "1 of 3 frames did not come (e); without a verdict in time: f-4"
    assert [view.state for view in made.views] == ["final", "final", "final", "waiting"]
    assert (made.verdict.capture.plc, made.act) == ("press", False)


@pytest.mark.parametrize(
    ("sources", "seen"),
    list(itertools.product([("a", "b"), ("a", "a", "b")], [["a"], ["b", "a", "a"], ["c"]])),
)
def test_a_source_that_stands_twice_is_expected_twice(sources: tuple[str, ...], seen: list[str]) -> None:
    missing = PartRules(sources=sources).missing(seen)
    assert len(missing) == sum(max(0, sources.count(name) - seen.count(name)) for name in set(sources))


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (PartRules(), None),
        (PartRules(views=2), None),
        (PartRules(sources=("cam", "http:robot")), None),
        (PartRules(views=2, sources=("cam",)), "both views and sources"),
        (PartRules(sources=("cam", "cam9")), "no [[source]] named cam9"),
        (PartRules(views=1, within_s=0.5), "below the line's deadline_s"),
    ],
)
def test_rules_that_cannot_be_kept_are_faults(rules: PartRules, fault: str | None) -> None:
    found = [what for _, what, _ in rules.faults(["cam"], 1.0)]
    assert found == [] if fault is None else fault in found[0]


def test_a_plc_is_answered_with_a_part_only_where_that_can_be_in_time() -> None:
    assert PartRules(views=2, within_s=2.0).faults_of_answer(2.0) == []
    ((key, what, _),) = PartRules(views=2, within_s=2.0).faults_of_answer(1.0)
    assert (key, "below within_s (2)" in what) == ("deadline_s", True)
    ((key, what, _),) = PartRules().faults_of_answer(9.0)
    assert (key, "makes no verdict on parts" in what) == ("answer", True)
