"""Confusion by kind, accuracy over known kinds, calibration: against counts made another way."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss

from saec.evaluation.kind_figures import JUDGED_GOOD, NO_KIND, KindFigures, kind_figures
from saec.evaluation.metrics import Metrics, evaluate_verdicts
from saec.types import DEFECT, GOOD, UNKNOWN_KIND, VerdictRecord

KNOWN = ("dent", "hole", "scratch")
TRUE = (*KNOWN, "burr", "rust")
frames = st.lists(
    st.tuples(
        st.sampled_from(TRUE),
        st.sampled_from((*KNOWN, UNKNOWN_KIND, JUDGED_GOOD, NO_KIND)),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=60,
)


def defect(true: str, name: str, confidence: float = 0.8) -> VerdictRecord:
    """A defect of a true kind and what it was named, one of the confusion's columns."""
    named = name not in (JUDGED_GOOD, NO_KIND)
    return VerdictRecord(
        id="f", path="f", sha256="", line="l", time=0.0, score=1.0, truth=DEFECT, true_kind=true,
        label=GOOD if name == JUDGED_GOOD else DEFECT,
        kind=name if named else None, kind_confidence=confidence if named else None,
    )  # fmt: skip


def measured(*verdicts: VerdictRecord, kinds: tuple[str, ...] = KNOWN) -> KindFigures:
    found = kind_figures(verdicts, kinds)
    assert found is not None
    return found


@given(frames)
def test_every_labelled_defect_is_counted_once(given: list[tuple[str, str, float]]) -> None:
    found = measured(*(defect(*frame) for frame in given))
    counts = Counter((true, name) for true, name, _ in given)
    for true, row in found.confusion.items():
        assert list(row) == found.names
        assert {name: n for name, n in row.items() if n} == {
            n: c for (t, n), c in counts.items() if t == true
        }
    assert sum(sum(row.values()) for row in found.confusion.values()) == len(given) == found.n_defect
    assert found.names[:4] == [*KNOWN, UNKNOWN_KIND]
    rows = list(found.confusion)
    assert rows == sorted(rows, key=lambda kind: (kind not in KNOWN, kind))


@given(frames)
def test_the_figures_are_those_of_an_independent_count(given: list[tuple[str, str, float]]) -> None:
    found = measured(*(defect(*frame) for frame in given))
    named = [(t, n, c) for t, n, c in given if n not in (JUDGED_GOOD, NO_KIND)]
    old = [t == n for t, n, _ in named if t in KNOWN]
    new = [n == UNKNOWN_KIND for t, n, _ in named if t not in KNOWN]
    assert (found.n_known, found.n_new, found.n_named) == (len(old), len(new), len(named))
    for share, interval, right in (
        (found.accuracy, found.accuracy_interval, old),
        (found.new_as_unknown, found.new_as_unknown_interval, new),
    ):
        if not right:
            assert share is interval is None
            continue
        assert share == pytest.approx(np.mean(right))
        exact = binomtest(sum(right), len(right)).proportion_ci(method="exact")
        assert interval == pytest.approx((exact.low, exact.high))
    if not named:
        assert found.right is found.confidence is found.brier is found.calibration_error is None
        return
    hits = np.array([n == (t if t in KNOWN else UNKNOWN_KIND) for t, n, _ in named], float)
    sure = np.array([c for _, _, c in named])
    assert found.right == pytest.approx(hits.mean())
    assert found.confidence == pytest.approx(sure.mean())
    assert found.brier == pytest.approx(brier_score_loss(hits, sure, labels=[0, 1]))
    band = np.minimum((sure * 5).astype(int), 4)
    error = sum(abs((sure - hits)[band == b].sum()) for b in range(5)) / len(named)
    assert found.calibration_error == pytest.approx(error)
    assert sum(b.named for b in found.bands) == len(named)
    assert [b.low for b in found.bands] == sorted({b / 5 for b in band})


def test_what_is_not_a_labelled_defect_is_in_no_figure() -> None:
    good = msgspec.structs.replace(defect("dent", "dent"), truth=GOOD, true_kind="")
    unsaid = msgspec.structs.replace(defect("dent", "dent"), true_kind="")
    unjudged = msgspec.structs.replace(defect("dent", "dent"), label=None, state="error")
    assert measured(defect("dent", "dent"), good, unsaid, unjudged).n_defect == 1
    assert kind_figures([good, unsaid, unjudged], KNOWN) is None


def test_a_line_without_kinds_has_no_figures() -> None:
    assert kind_figures([defect("dent", NO_KIND), defect("dent", JUDGED_GOOD)]) is None
    assert evaluate_verdicts([defect("dent", NO_KIND)]).kinds is None
    assert Metrics().kinds is None


def test_without_a_list_the_kinds_are_those_that_were_named() -> None:
    found = measured(defect("dent", "dent"), defect("hole", UNKNOWN_KIND), kinds=())
    assert found.known == ("dent",)
    assert (found.n_known, found.n_new, found.new_as_unknown) == (1, 1, 1.0)


def test_another_spelling_of_a_kind_is_that_kind() -> None:
    found = measured(defect("Big_Dent", "big dent"), kinds=("big dent",))
    assert found.confusion == {"big dent": {"big dent": 1, UNKNOWN_KIND: 0, JUDGED_GOOD: 0}}
    assert found.accuracy == 1


def test_a_true_kind_with_the_name_of_a_column_is_a_row_of_its_own() -> None:
    found = measured(
        defect(NO_KIND, UNKNOWN_KIND), defect(JUDGED_GOOD, UNKNOWN_KIND), defect("dent", NO_KIND)
    )
    assert list(found.confusion) == ["dent", JUDGED_GOOD, NO_KIND]
    assert (found.n_new, found.new_as_unknown) == (2, 1.0)


def test_metrics_carry_them_to_json_text_and_tables() -> None:
    verdicts = [defect("dent", "dent"), defect("dent", "hole", 0.4), defect("rust", UNKNOWN_KIND, 0.6)]
    metrics = evaluate_verdicts([*verdicts, defect("hole", JUDGED_GOOD)], KNOWN)
    plain = metrics.to_dict()["kinds"]
    assert plain["confusion"]["dent"] == {"dent": 1, "hole": 1, "scratch": 0, UNKNOWN_KIND: 0, JUDGED_GOOD: 0}
    assert msgspec.convert(metrics.to_dict(), Metrics) == metrics
    assert "kinds named right  50.0 %  1 of 2; 1.3 to 98.7 % with 95 % confidence" in repr(metrics)
    assert metrics.kinds is not None
    assert metrics.kinds.sentences() == [
        "The name was right for 1 of 2 defects of kinds that the line knows (50.0 %; 1.3 to 98.7 % with 95 % "
        "confidence).",
        "Of other kinds, 1 of 1 defects were called unknown (100.0 %; 2.5 to 100.0 % with 95 % confidence).",
        "The mean confidence in a name was 60.0 %, and 66.7 % of the names were right.",
    ]
    pandas = pytest.importorskip("pandas")
    table = metrics.kinds.to_pandas()
    assert table.loc["hole", JUDGED_GOOD] == 1
    assert list(table.columns) == metrics.kinds.names
    row = metrics.to_pandas().iloc[0]
    assert row["kinds.confusion.rust.unknown"] == 1
    assert row["kinds.accuracy"] == 0.5
    assert row["kinds.accuracy_interval.high"] == pytest.approx(0.987, abs=1e-3)
    assert isinstance(table, pandas.DataFrame)


def test_a_hostile_kind_is_text_in_a_notebook() -> None:
    bad = "<script>alert(1)</script>"
    page = measured(defect(bad, bad), kinds=(bad,))._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
