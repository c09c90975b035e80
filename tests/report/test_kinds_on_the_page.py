"""The report names kinds of defects: beside each defect, and as a confusion. Names are text, and bounded."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saec.evaluation.kind_figures import JUDGED_GOOD, kind_figures
from saec.report.kind_table import MOST, OTHER, kinds_view
from saec.report.page import write_report
from saec.types import DEFECT, UNKNOWN_KIND, Explanation, VerdictRecord
from tests.report.report_samples import Page, info, verdict, write

HOSTILE = '<img src=x onerror=alert(1)>"&'
KNOWN = ("dent", "scratch")


def named(id: str, true: str, name: str | None, confidence: float = 0.8) -> VerdictRecord:
    """A defect of a true kind; without a name it was judged good."""
    score = 1.0 if name is None else 5.0
    sure = None if name is None else confidence
    return verdict(id, score, truth=DEFECT, true_kind=true, kind=name, kind_confidence=sure)


def page_of(folder: Path, verdicts: list[VerdictRecord], kinds: tuple[str, ...] = KNOWN) -> Page:
    run = info()
    run = msgspec.structs.replace(run, line=msgspec.structs.replace(run.line, kinds=kinds))
    return Page(write_report(write(folder, verdicts, run)).read_text("utf-8"))


def test_the_kind_stands_beside_each_defect_and_in_the_confusion(tmp_path: Path) -> None:
    words = Explanation("chip", "A chip.")
    asked = msgspec.structs.replace(named("b.png", "scratch", "dent", 0.55), explanation=words)
    right, new = named("a.png", "dent", "dent", 0.91), named("c.png", "rust", UNKNOWN_KIND)
    page = page_of(tmp_path, [right, asked, new, named("d.png", "dent", None)])
    assert "kind, by the edge: dent 91 % sure true kind: dent" in page.text
    assert "kind, by the edge: dent 55 % sure true kind: scratch" in page.text
    assert "the cloud's words chip A chip." in page.text
    assert "The edge named dent 2 , unknown 1 . The name was right for 1 of 2 defects" in page.text
    assert (
        "true kind dent scratch unknown judged good dent 1 1 scratch 1 rust not known to the line 1"
        in page.text
    )
    assert len(page.having("td", "miss")) == 3  # the missed defect in both tables, and the wrong name
    assert "80 to 100 %" in page.text


def test_a_run_without_kinds_says_nothing_of_them(tmp_path: Path) -> None:
    page = page_of(tmp_path, [verdict("a.png", 5.0, truth=DEFECT)], ())
    assert "Kinds of defects" not in page.text
    assert "kind" not in page.text


def test_names_are_counted_where_no_true_kind_is_known(tmp_path: Path) -> None:
    page = page_of(tmp_path, [verdict("a.png", 5.0, kind="dent", kind_confidence=0.5)])
    assert "The edge named dent 1 ." in page.text
    assert page.having("table", "by-kind") == []


@pytest.mark.parametrize("name", [HOSTILE, "x" * 64, "a\u00a0b", "=1+1"])
def test_a_hostile_name_is_text(tmp_path: Path, name: str) -> None:
    page = page_of(tmp_path, [named("a.png", name, name), named("b.png", name, UNKNOWN_KIND)], (name,))
    plain = page_of(tmp_path / "plain", [named("a.png", "k", "k"), named("b.png", "k", UNKNOWN_KIND)], ("k",))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert " ".join(name.split()) in page.text


counts = st.dictionaries(
    st.tuples(st.integers(0, 30).map("true {}".format), st.sampled_from([f"kind {i}" for i in range(20)])),
    st.integers(1, 3),
    min_size=1,
    max_size=60,
)


@given(counts, st.integers(0, 20))
def test_the_table_is_bounded_and_counts_every_defect(found: dict[tuple[str, str], int], known: int) -> None:
    verdicts = [named(f"{i}", true, name) for (true, name), n in found.items() for i in range(n)]
    verdicts += [named("good", "true 1", None), named("new", "true 2", UNKNOWN_KIND)]
    figures = kind_figures(verdicts, tuple(f"kind {i}" for i in range(known)))
    assert figures is not None
    view = kinds_view(verdicts, figures)
    assert view is not None
    assert sum(n for _, n in view.named) == len(verdicts) - 1
    assert len(view.named) <= MOST + 1
    assert len(view.columns) <= MOST + 3
    assert len(view.rows) <= MOST + 1
    assert {len(row.cells) for row in view.rows} == {len(view.columns)}
    assert sum(cell.defects for row in view.rows for cell in row.cells) == len(verdicts)
    assert JUDGED_GOOD in view.columns
    assert UNKNOWN_KIND in view.columns
    assert (OTHER in view.columns) == bool(set(figures.names) - set(view.columns))
